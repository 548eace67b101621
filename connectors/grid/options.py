"""What only this connector knows of an agency's channel, and the secret that it names."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from connectors.errors import SettingsError
from contracts.files import ContractPart
from events.fields import AgencyCode


class Dialect(StrEnum):
    """What the partner's system speaks."""

    NATIONAL = "national"  # 网格化案卷接口
    OPEN311 = "open311"  # GeoReport v2


class Options(ContractPart):
    """The `options` of a channel `via: grid`.

    token: the name of a file in the folder of secrets: a bearer token, with Open311 the api_key. page: lines of a list
    that are asked for at once. recipient, media: Open311 only (open311.py).
    """

    dialect: Dialect = Dialect.NATIONAL
    token: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    page: int = Field(default=100, ge=1, le=1000)
    jurisdiction: str | None = None
    recipient: AgencyCode | None = None
    media: str | None = None


def secret(options: Options, keys: Path) -> str | None:
    """The token. Raises SettingsError."""
    if options.token is None:
        return None
    try:
        return (keys / options.token).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"the token file {options.token} is not in the folder of secrets: {error.strerror}"
        ) from error
