"""What can be wrong with what agencies rely on.

ContractError
├── MalformedJson       not JSON, or JSON without one canonical form
├── InvalidEvent        the event breaks its schema; carries every violation
├── DisclosureError     salts and classified members do not fit each other
├── SignatureError      who signed it cannot be shown
├── CodeError           a value is not of its code system
├── UnknownCodeSystem   there is no such code system: a contract is wrong, not the value
├── NoAgreement         nothing allows this agency to send this to that one
├── ClockError          no date can be counted by this rule
├── RelayError          what another bus hands over does not hold
└── UnusableContract    a file in contracts/ cannot be read
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ContractError(Exception):
    """Something does not keep to a contract; the message says what and where."""


class MalformedJson(ContractError):
    """The bytes are not JSON, or not JSON with one canonical form."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with an event: where (JSON pointer), a stable rule name, and words."""

    pointer: str
    rule: str
    detail: str


class InvalidEvent(ContractError):
    """An event breaks its schema. `code` is stable; `violations` are all of them."""

    def __init__(self, code: str, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{item.pointer or '/'}: {item.detail}" for item in violations))
        self.code = code
        self.violations = tuple(violations)


class DisclosureError(ContractError):
    """Salts and classified members do not fit; `pointer` says where."""

    def __init__(self, message: str, pointer: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class SignatureError(ContractError):
    """The signer cannot be shown; `code` is stable."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class CodeError(ContractError):
    """A value is not of its code system; `field` is the part that is wrong.

    The message never shows a value that may be personal data.
    """

    def __init__(self, code_system: str, field: str, reason: str) -> None:
        super().__init__(f"{code_system}: {field}: {reason}")
        self.code_system = code_system
        self.field = field
        self.reason = reason


class UnknownCodeSystem(ContractError):
    """There is no such code system; the message lists those known."""


class NoAgreement(ContractError):
    """No agreement in force allows it."""


class ClockError(ContractError):
    """No date can be counted: no such rule, not in force, or without a number; the message says which."""


class RelayError(ContractError):
    """What another bus hands over does not hold; nothing of it is taken. The message names no personal data."""


class UnusableContract(ContractError):
    """A contract file cannot be read; the message names the file and what to mend."""
