"""Agencies 单位: who they are, whose bus hosts them, and their public keys. Resolved by code, never by name.

In which ring of partners one stands (区级联动, 外区, 长三角) is said by contracts/groups.py: 青浦 is a neighbour of
闵行 and a home to itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from contracts.files import ContractPart
from contracts.periods import Dated, require_apart
from contracts.signatures import PublicKey, load_public
from events.fields import AgencyCode, Division


class KeyEntry(ContractPart):
    """A public key: base64url, with the period in which signatures made with it count."""

    kid: str
    algorithm: str = "Ed25519"
    public: str
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    revoked: AwareDatetime | None = None


class How(StrEnum):
    """How an agency has another name."""

    PLATE = "plate"  # 加挂牌子: borne beside its own name
    FORMER = "former"  # 曾用名: in place of the name it has now


class OtherName(Dated):
    """A name that an agency bears or bore, with its period and where that stands."""

    name: str
    how: How
    source: str

    @model_validator(mode="after")
    def _former_has_ended(self) -> Self:
        if self.how is How.FORMER and self.valid_to is None:
            msg = f"{self.name} is a former name: valid_to says since when it is one"
            raise ValueError(msg)
        return self


BUS = "bus"
"""The role of a bus: what hosts agencies, keeps the exchanges that they open, and links with other buses."""

INBOX = "inbox"
"""The channel of an agency that comes for its copies itself."""


class Channel(ContractPart):
    """How copies reach an agency 投递渠道, and what was agreed about it.

    via: `inbox` (it pulls), or the folder of `connectors/` that brings copies to it, such as `webhook` or `grid`.
    url: where to. private: the target may lie in a private network; without it only public addresses are spoken to.
    signs_for: what the partner states through the connector, the bus that hosts the agency signs in its name 代签.
    deliver_within, retrieve_within: agreed times; when one runs out, the sender gets a signed statement of it.
    concurrency: exchanges served side by side. per_second: attempts at most. timeout: of one attempt. longest_pause:
    between two attempts; the partner may ask for more. give_up_after: how long a copy is tried.
    disabled: the partner asked to be left alone; its copies wait, visibly.
    options: what only the connector knows (its own model checks them).
    """

    via: str = Field(default=INBOX, pattern=r"^[a-z][a-z0-9_]*$")
    url: str | None = None
    private: bool = False
    signs_for: bool = False
    deliver_within: timedelta | None = None
    retrieve_within: timedelta | None = None
    concurrency: int = Field(default=4, ge=1, le=64)
    per_second: float = Field(default=50.0, gt=0)
    timeout: timedelta = timedelta(seconds=20)
    longest_pause: timedelta = timedelta(minutes=30)
    give_up_after: timedelta = timedelta(days=7)
    disabled: bool = False
    options: Mapping[str, JsonValue] = Field(default_factory=dict)

    @property
    def pushes(self) -> bool:
        """Whether copies are brought to the agency."""
        return self.via != INBOX


class Agency(ContractPart):
    """One participant. `home` is the code of the bus that hosts it; its superiors decide what it disputes.

    superior: the next above in its own line 条. government: whose department or team it is 块; a bureau has both.
    acts_for: in whose name it may act. platforms: those through which it takes matters in. names: what else it is or
    was called. channel: how its copies reach it.
    """

    code: AgencyCode
    name: str
    name_en: str
    division: Division
    role: str
    home: AgencyCode
    superior: AgencyCode | None = None
    government: AgencyCode | None = None
    acts_for: tuple[AgencyCode, ...] = ()
    platforms: tuple[str, ...] = ()
    names: tuple[OtherName, ...] = ()
    keys: tuple[KeyEntry, ...] = ()
    channel: Channel = Channel()
    source: str
    status: str

    @model_validator(mode="after")
    def _one_name_at_a_time(self) -> Self:
        require_apart(("a former name", other) for other in self.names if other.how is How.FORMER)
        return self

    def called(self, day: date) -> tuple[str, ...]:
        """What it was called on a day: its name first, then the plates 牌子 beside it."""
        of_day = [other for other in self.names if other.valid(day)]
        name = next((other.name for other in of_day if other.how is How.FORMER), self.name)
        return name, *(other.name for other in of_day if other.how is How.PLATE)


@dataclass(frozen=True, slots=True)
class Agencies:
    """The directory of agencies, and the keyring that it makes."""

    by_code: Mapping[str, Agency]
    by_kid: Mapping[str, PublicKey]

    def get(self, code: str) -> Agency | None:
        """The agency of that code."""
        return self.by_code.get(code)

    def key(self, kid: str) -> PublicKey | None:
        """The public key of that id."""
        return self.by_kid.get(kid)

    def elsewhere(self, code: str, bus: str) -> str | None:
        """The other bus that hosts an agency; None for one that this bus hosts, or that nobody knows."""
        agency = self.by_code.get(code)
        return agency.home if agency is not None and agency.home != bus else None

    def is_bus(self, code: str) -> bool:
        """Whether this is a bus."""
        agency = self.by_code.get(code)
        return agency is not None and agency.role == BUS

    def peers(self, bus: str) -> tuple[str, ...]:
        """The buses that this one is linked with, in code order: those to which copies are brought."""
        linked = (agency for agency in self.by_code.values() if agency.role == BUS and agency.channel.pushes)
        return tuple(sorted(agency.code for agency in linked if agency.code != bus))

    def name(self, code: str) -> str:
        """The Chinese name, or the code where there is none."""
        agency = self.by_code.get(code)
        return agency.name if agency else code

    def common_superior(self, one: str, other: str) -> str | None:
        """共同的上一级 of two agencies, the nearest first (行政处罚法 25); 条 before 块 at one distance."""
        above = self.superiors(one)
        return next((code for code in self.superiors(other) if code in above), None)

    def superiors(self, code: str) -> list[str]:
        """Everybody above, nearest first."""
        above: list[str] = []
        level = [code]
        while level:
            found = [next_up for below in level for next_up in self._next_up(below)]
            level = [item for item in dict.fromkeys(found) if item not in above]
            above += level
        return above

    def _next_up(self, code: str) -> list[str]:
        agency = self.by_code.get(code)
        return [item for item in (agency.superior, agency.government) if item] if agency else []


def directory(agencies: Iterable[Agency]) -> Agencies:
    """The directory of these agencies. Raises ValueError for a key that cannot be read or is used twice."""
    by_code: dict[str, Agency] = {}
    by_kid: dict[str, PublicKey] = {}
    for agency in agencies:
        by_code[agency.code] = agency
        for entry in agency.keys:
            if entry.kid in by_kid:
                msg = f"key id {entry.kid} stands in two contracts"
                raise ValueError(msg)
            by_kid[entry.kid] = _public(agency.code, entry)
    return Agencies(by_code, by_kid)


def _public(agency: str, entry: KeyEntry) -> PublicKey:
    return PublicKey(
        agency=agency,
        kid=entry.kid,
        public=load_public(entry.public),
        algorithm=entry.algorithm,
        valid_from=entry.valid_from,
        valid_to=entry.valid_to,
        revoked=entry.revoked,
    )
