"""The packaged agencies, agreements and grounds: they fit each other, and deny what they do not name."""

import pytest

from contracts import grounds, library
from contracts.agencies import Agency
from contracts.agreements import Agreement
from contracts.codes import lookup_division
from events.fields import FieldClass
from events.registry import facts, kinds
from services.kernel.exchange import Role
from tests.support.factory import TIME

CONTRACTS = library.load()
AGREEMENTS = list(CONTRACTS.agreements.by_id.values())
GROUNDS = [(kind, rule) for kind, rules in grounds.load().by_kind.items() for rule in rules]


def test_no_packaged_agency_has_a_key() -> None:
    assert not CONTRACTS.agencies.by_kid


@pytest.mark.parametrize("agency", CONTRACTS.agencies.by_code.values(), ids=CONTRACTS.agencies.by_code)
def test_an_agency_is_named_by_division_and_role(agency: Agency) -> None:
    assert agency.code == f"{agency.division}-{agency.role}"
    assert lookup_division(agency.division).code == agency.division
    assert agency.home in CONTRACTS.agencies.by_code
    assert agency.superior is None or agency.superior in CONTRACTS.agencies.by_code
    assert set(agency.acts_for) <= set(CONTRACTS.agencies.by_code)


@pytest.mark.parametrize("agreement", AGREEMENTS, ids=lambda item: item.id)
def test_an_agreement_names_agencies_kinds_and_roles_that_there_are(agreement: Agreement) -> None:
    everybody = {*agreement.senders, *agreement.recipients, *agreement.copied, *agreement.supervisors}
    assert everybody <= set(CONTRACTS.agencies.by_code)
    assert agreement.arbiter is None or agreement.arbiter in CONTRACTS.agencies.by_code
    assert set(agreement.kinds) <= set(kinds())
    assert set(agreement.discloses) <= set(Role)
    assert agreement.legal_basis
    assert agreement.status in {"example", "in force"}


@pytest.mark.parametrize("agreement", AGREEMENTS, ids=lambda item: item.id)
def test_no_agreement_gives_away_the_reporter_or_what_is_sealed(agreement: Agreement) -> None:
    read = {field_class for classes in agreement.discloses.values() for field_class in classes}
    assert read <= {FieldClass.PUBLIC, FieldClass.PERSONAL}
    assert agreement.reads(Role.SUPERVISOR) == (FieldClass.PUBLIC,)


def test_what_no_agreement_names_is_denied() -> None:
    allowing = CONTRACTS.agreements.allowing
    assert allowing("transfer", "310112-cg", "310118-cg", TIME)
    assert allowing("transfer", "310112-cg", "310112-ga", TIME) is None
    assert allowing("referral", "310112-ga", "310118-ga", TIME) is None
    assert allowing("transfer", "310112-cg", "310118-cg", TIME.replace(year=2021, month=1)) is None


@pytest.mark.parametrize("agreement", [item for item in AGREEMENTS if item.arbiter], ids=lambda item: item.id)
def test_the_arbiter_is_above_everybody_addressed(agreement: Agreement) -> None:
    addressed = [code for code in agreement.recipients if len(code.split("-")[0]) == 6]
    below = [code for code in addressed if agreement.arbiter not in CONTRACTS.agencies.superiors(code)]
    assert set(below) <= {agreement.arbiter}


@pytest.mark.parametrize("agreement", [item for item in AGREEMENTS if item.arbiter], ids=lambda item: item.id)
def test_an_arbiter_is_not_copied(agreement: Agreement) -> None:
    """Nobody has two roles: who was copied could not rule."""
    assert agreement.arbiter not in agreement.copied


@pytest.mark.parametrize(("kind", "rule"), GROUNDS, ids=lambda item: getattr(item, "code", item))
def test_a_ground_is_sourced_and_for_facts_that_there_are(kind: str, rule: grounds.GroundRule) -> None:
    types = {f"cn.liandong.{kind}.{fact}.v1" for fact in rule.facts}
    assert types <= set(facts())
    assert rule.legal_basis
    assert rule.source
    assert not (rule.verified and ("recalled" in rule.source or "our reading" in rule.source))
    if rule.barred:
        known = {f"cn.liandong.{kind}.{rule.instead}.v1", f"cn.liandong.common.{rule.instead}.v1"}
        assert known & set(facts())
    else:
        assert rule.instead is None


@pytest.mark.parametrize("kind", grounds.load().by_kind)
def test_a_code_names_one_ground(kind: str) -> None:
    codes = [rule.code for rule in grounds.load().by_kind[kind]]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", grounds.load().by_kind)
def test_every_fact_with_a_ground_has_open_grounds(kind: str) -> None:
    found = grounds.load()
    for type_, fact in facts().items():
        if type_.startswith(f"cn.liandong.{kind}.") and "ground" in fact.model_fields:
            assert any(not rule.barred for rule in found.of(kind, fact.name(), TIME.date()).values()), type_


def test_a_ground_counts_as_long_as_its_provision_does() -> None:
    found = grounds.load().of("transfer", "returned", TIME.date().replace(year=2020))
    assert "not-competent-matter" in found
    assert "filed-first" not in found
