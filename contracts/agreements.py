"""Agreements: who may send which kind to whom, on what legal basis, and what each role may read.

Deny by default: what no agreement in force allows is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, Field

from contracts.files import ContractPart
from events.fields import AgencyCode, FieldClass


class Agreement(ContractPart):
    """One agreement 协议. `discloses` maps a role to the field classes that it reads; others read public members."""

    id: str
    title: str
    kinds: tuple[str, ...] = Field(min_length=1)
    senders: tuple[AgencyCode, ...] = Field(min_length=1)
    recipients: tuple[AgencyCode, ...] = Field(min_length=1)
    copied: tuple[AgencyCode, ...] = ()
    supervisors: tuple[AgencyCode, ...] = ()
    arbiter: AgencyCode | None = None
    discloses: Mapping[str, tuple[FieldClass, ...]] = Field(default_factory=dict)
    legal_basis: str
    source: str
    status: str
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether the agreement counts at the instant."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)

    def reads(self, role: str) -> tuple[FieldClass, ...]:
        """The classes that a role reads."""
        return self.discloses.get(role, (FieldClass.PUBLIC,))


@dataclass(frozen=True, slots=True)
class Agreements:
    """All agreements, asked for the one that allows something."""

    by_id: Mapping[str, Agreement]

    def allowing(self, kind: str, sender: str, recipient: str, at: datetime) -> Agreement | None:
        """The agreement in force that lets `sender` send this kind to `recipient`."""
        for agreement in self.by_id.values():
            if (
                kind in agreement.kinds
                and sender in agreement.senders
                and recipient in agreement.recipients
                and agreement.in_force(at)
            ):
                return agreement
        return None

    def oversees(self, agency: str) -> bool:
        """Whether some agreement makes the agency a supervisor or the arbiter."""
        return any(agency in {*item.supervisors, item.arbiter} for item in self.by_id.values())

    def of_sender(self, kind: str, sender: str, at: datetime) -> list[Agreement]:
        """The agreements in force under which `sender` may open this kind, whoever the recipient will be."""
        return [
            agreement
            for agreement in self.by_id.values()
            if kind in agreement.kinds and sender in agreement.senders and agreement.in_force(at)
        ]


def collect(agreements: Iterable[Agreement]) -> Agreements:
    """The collection of these agreements, in the order of their ids."""
    return Agreements({item.id: item for item in sorted(agreements, key=lambda item: item.id)})
