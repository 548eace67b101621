"""What gets lost where a partner's form has no place for what our event says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """One member of `data` that the partner does not get: its JSON pointer, and what is lost in words. No values."""

    pointer: str
    zh: str
    en: str
