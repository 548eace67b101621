"""What a partner's form has no place for: said with what is handed over, so that nobody takes it for the whole."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """One member of an event that a partner's form does not carry. `pointer`: JSON pointer into the event."""

    pointer: str
    zh: str
    en: str
