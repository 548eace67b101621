"""A partner is added exactly as `docs/how-to/add-a-partner.md` says: one folder of `connectors/`, one contract entry.

The files of `docs/examples/add_a_partner` are laid over a copy of the project; its forms are tried both ways, and a bus
of the copy exchanges orders with the partner's simulator, a process of its own.
"""

import json
from pathlib import Path

import pytest

from tests.support.laid_over import laid_over, run

ENTRY = "contracts/agencies/310112-swj.yaml"

FORMS = """
import pytest
from hypothesis import given, settings, strategies as st

from connectors.rivers.mapping import OURS, THEIRS, losses
from tests.support.forms import require_round_trip
from tests.support.made import made

LOSABLE = frozenset({
    *("/category", "/big_class", "/small_class", "/grid_number", "/place/wgs84", "/place/cgcs2000", "/place/red_line"),
    *("/recorded_by", "/reporter", "/first_contact", "/remark", "/urgency", "/dossier", "/links", "/satisfaction"),
    *("/on_site_at", "/not_a_case", "/legal_basis", "/attachments", "/rule", "/agency"),
})
LIMITED = {"channel": "river_chief", "matter": "finding", "limit": "none", "do_by": None}


@pytest.mark.parametrize("form", [*THEIRS.values(), *OURS.values()], ids=lambda form: form.fact.name())
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_form_says_what_the_fact_says_but_for_its_losses(form, data):
    fixed = {name: st.just(value) for name, value in LIMITED.items() if name in form.fact.model_fields}
    require_round_trip(form, data.draw(made(form.fact, **fixed)), LOSABLE)


def test_what_is_lost_is_said():
    said = {"result": "堆物已清除。(虚构)", "on_site_at": "2026-11-05T10:00:00+08:00"}
    event = {"type": "cn.liandong.workorder.done.v1", "kind": "workorder", "data": said}
    assert [(loss.pointer, loss.zh) for loss in losses(event)] == [("/data/on_site_at", "到场时间: 对方表单无此栏")]
"""


@pytest.fixture(scope="module")
def copied(scratch: Path) -> Path:
    """The project with the partner laid over it."""
    tree = scratch / "with-rivers"
    assert laid_over(tree, "add_a_partner") == {ENTRY}, "a partner is one folder and one contract entry"
    return tree


def test_its_forms_say_the_same_both_ways(copied: Path) -> None:
    (copied / "test_rivers.py").write_text(FORMS, encoding="utf-8")
    said = run(copied, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_rivers.py")
    assert " passed" in said, said


def test_the_partner_is_served_by_the_real_bus(copied: Path, scratch: Path) -> None:
    said = run(copied, "-m", "tests.support.with_rivers", str(scratch / "rivers"))
    assert json.loads(said.splitlines()[-1]) == {"orders": 2, "refused": "no-agreement"}
