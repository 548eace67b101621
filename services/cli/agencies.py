"""Making an agency known to a bus: a key pair, and its entry in the deployment's contracts."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from contracts.agencies import Agency, Channel, KeyEntry
from contracts.errors import UnusableContract
from contracts.files import files, read
from contracts.signatures import SigningKey, load_private, new_key
from services.kernel.keys import key_files, save_key


def new_agency(
    code: str, keys: Path, contracts: Path, *, name: str | None = None, home: str | None = None
) -> SigningKey:
    """Make a key for an agency, keep it in `keys` (mode 600), and add its public half to the overlay `contracts`.

    An agency that Liandong knows needs only its code; another needs a name and the bus that hosts it.
    Raises UnusableContract.
    """
    agency = _known(code, contracts) or _unknown(code, name, home)
    number = 1 + max((int(entry.kid.rsplit(".", 1)[-1]) for entry in agency.keys), default=0)
    key = new_key(code, f"{code}.{number}")
    entry = KeyEntry(kid=key.kid, algorithm=key.algorithm, public=key.public())
    save_key(keys, key)
    _write(contracts, agency.model_copy(update={"keys": (*agency.keys, entry)}))
    return key


def set_channel(code: str, contracts: Path, channel: Channel) -> None:
    """Write into the overlay how copies reach an agency from now on. Raises UnusableContract."""
    agency = _known(code, contracts)
    if agency is None:
        raise UnusableContract(f"{code} is not among the agencies that Liandong knows")
    _write(contracts, agency.model_copy(update={"channel": channel}))


def agency_key(code: str, keys: Path) -> SigningKey:
    """The newest private key of an agency in a folder. Raises FileNotFoundError."""
    paths = key_files(keys, code)
    if not paths:
        message = f"no key of {code} in {keys}; make one: liandong agency new {code}"
        raise FileNotFoundError(message)
    return load_private(code, paths[0].name.removesuffix(".pem"), paths[0].read_bytes())


def _known(code: str, contracts: Path) -> Agency | None:
    paths = {path.stem: path for path in files("agencies", contracts)}
    return read(Agency, paths[code]) if code in paths else None


def _unknown(code: str, name: str | None, home: str | None) -> Agency:
    if name is None or home is None:
        message = f"{code} is not among the agencies that Liandong knows; give --name and --home"
        raise UnusableContract(message)
    try:
        return Agency(
            code=code,
            name=name,
            name_en=name,
            division=code.split("-", maxsplit=1)[0],
            role=code.split("-", 1)[-1],
            home=home,
            source="liandong agency new",
            status="local",
        )
    except ValidationError as error:
        wrong = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise UnusableContract(f"{code} cannot be an agency: {wrong}") from error


def _write(contracts: Path, agency: Agency) -> None:
    folder = contracts / "agencies"
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(
        agency.model_dump(mode="json", exclude_none=True, exclude_defaults=True), allow_unicode=True, sort_keys=False
    )
    scratch = folder / f".{agency.code}.tmp"
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(folder / f"{agency.code}.yaml")
