"""Agencies 单位: who they are, whose bus hosts them, and their public keys. Resolved by code, never by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import AwareDatetime

from contracts.files import ContractPart
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


class Agency(ContractPart):
    """One participant. `home` is the code of the bus that hosts it; `superior` decides what it disputes."""

    code: AgencyCode
    name: str
    name_en: str
    division: Division
    role: str
    home: AgencyCode
    superior: AgencyCode | None = None
    acts_for: tuple[AgencyCode, ...] = ()
    keys: tuple[KeyEntry, ...] = ()
    source: str
    status: str


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

    def name(self, code: str) -> str:
        """The Chinese name, or the code where there is none."""
        agency = self.by_code.get(code)
        return agency.name if agency else code

    def common_superior(self, one: str, other: str) -> str | None:
        """共同的上一级 of two agencies, the nearest first (行政处罚法 25)."""
        chain = self._superiors(one)
        return next((code for code in self._superiors(other) if code in chain), None)

    def _superiors(self, code: str) -> list[str]:
        chain: list[str] = []
        agency = self.by_code.get(code)
        while agency and agency.superior and agency.superior not in chain:
            chain.append(agency.superior)
            agency = self.by_code.get(agency.superior)
        return chain


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
