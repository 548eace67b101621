"""Reading contract data: YAML files into strict models, an overlay over what is packaged."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import UnusableContract

T = TypeVar("T", bound=BaseModel)

PACKAGED = Path(__file__).parent

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, seven times as fast, where PyYAML was built with it."""


class ContractPart(BaseModel):
    """A part of a contract file: unknown members are refused, so that a misspelling cannot pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read(model: type[T], path: Path) -> T:
    """One file as one model. Raises UnusableContract that names the file and every violation."""
    try:
        return model.model_validate(
            yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506, both are safe loaders
        )
    except (OSError, yaml.YAMLError) as error:
        raise UnusableContract(f"{path}: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UnusableContract(f"{path}: {wrong}") from error


def files(folder: str, overlay: Path | None) -> list[Path]:
    """The YAML files of a contracts folder; a file of the overlay takes the place of one of the same name."""
    found = {path.name: path for path in (PACKAGED / folder).glob("*.yaml")}
    if overlay is not None:
        found |= {path.name: path for path in (overlay / folder).glob("*.yaml")}
    return [found[name] for name in sorted(found)]
