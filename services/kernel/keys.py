"""Private keys: files of mode 600, one folder, never logged."""

import os
from pathlib import Path

from contracts.agencies import Agencies
from contracts.signatures import SigningKey, load_private


class KeyMissing(Exception):
    """There is no usable private key; the message says how to make one."""


def load_key(folder: Path, agency: str, agencies: Agencies) -> SigningKey:
    """The newest private key of an agency whose public half is in its contract. Raises KeyMissing."""
    for path in key_files(folder, agency):
        kid = path.name.removesuffix(".pem")
        if path.stat().st_mode & 0o077:
            raise KeyMissing(f"{path} can be read by others; run: chmod 600 {path}")
        key = load_private(agency, kid, path.read_bytes())
        known = agencies.key(kid)
        if known is not None and known.agency == agency:
            return key
    raise KeyMissing(
        f"no private key of {agency} in {folder} that its contract knows; make one: liandong agency new {agency}"
    )


def key_files(folder: Path, agency: str) -> list[Path]:
    """The key files of an agency, newest first: `<agency>.<number>.pem`."""
    found = [path for path in folder.glob(f"{agency}.*.pem") if path.name.split(".")[-2].isdecimal()]
    return sorted(found, key=lambda path: int(path.name.split(".")[-2]), reverse=True)


def agencies_of(folder: Path) -> list[str]:
    """The agencies that have a key file in a folder, in code order."""
    return sorted({path.name.rsplit(".", 2)[0] for path in folder.glob("*.[0-9]*.pem")})


def save_key(folder: Path, key: SigningKey) -> Path:
    """Write a private key with mode 600; an existing file is never overwritten. Returns its path."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{key.kid}.pem"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.pem())
    return path
