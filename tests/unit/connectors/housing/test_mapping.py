"""注记、解注与双向告知: both sides of every form, and what gets lost."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.channel import Confirmed, Stated
from connectors.errors import Unreadable
from connectors.forms.table import Form
from connectors.housing.mapping import OURS, THEIRS, arrival, letter, losses
from connectors.identity import event_of, exchange_of
from contracts.codec import copy_for, dump
from events import annotation, notice
from events.fact import Fact
from events.fields import FieldClass
from services.kernel.exchange import Registration
from tests.support.channels import begun, state
from tests.support.factory import event, fact, new_exchange
from tests.support.forms import change, require_round_trip
from tests.support.made import made
from tests.support.parcels import copied
from tests.support.play import MINHANG, Play

REGISTRY, BUREAU = "310112-bdc", "310112-fgj"
NUMBER, CASE = "SYN-SJ-0001", "示例案〔2026〕1号"

FORMS: Final[dict[int, Form]] = {
    id(form): form
    for forms in (*(table.values() for table in THEIRS.values()), *(table.values() for table in OURS.values()))
    for form in forms
}
LOSABLE: Final = frozenset(
    {
        *("/links", "/dossier", "/rule", "/retain_until", "/property_firms/agent", "/circumstances/quantity"),
        *("/circumstances/loss", "/circumstances/plates", "/circumstances/manifests", "/circumstances/place"),
        *(f"/{of}/parties/units/agent" for of in ("decision", "circumstances")),
        *(
            f"/{of}/parties/persons/{name}"
            for of in ("decision", "circumstances")
            for name in ("sex", "other_identity")
        ),
        *(f"/applicant/{name}" for name in ("sex", "address", "other_identity")),
    }
)
_AREA: Final = st.sampled_from([{"value": "18.5", "unit": "m2"}, {"value": "0", "unit": "m2"}])
_ESTATE: Final = {
    "division": st.just("310112102"),
    "location": st.just("闵行区七宝镇示例路8弄1号401室"),
    "certificate": st.just("沪(2018)闵字不动产权第SYN0001号"),
}
_OWNERS: Final = {"owners": st.lists(st.just({"name": "郑示例"})), "unit_number": st.just("SYN-310112102035GB00017F")}
SIMPLER: Final[Mapping[type[Fact], dict[str, st.SearchStrategy[Any]]]] = {
    notice.Sent: {
        "subject": st.just("competence"),
        **dict.fromkeys(("decision", "review", "grade"), st.none()),
        "property_firms": st.just([]),
    },
    annotation.Requested: {
        "determination": st.just("illegal_structure"),
        "area": _AREA,
        "estate": st.fixed_dictionaries(_ESTATE, optional=_OWNERS),
        "dossier": st.none(),
    },
}
"""Members that the rules of the whole tie to each other."""
FIRMS: Final = {"property_firms": [{"name": "上海示例物业服务有限公司"}], "decision": None}

REFUSED: Final = {
    "letterNo": "闵登注〔2026〕3号",
    "ground": "材料不齐",
    "groundText": "缺少生效的认定文书。(虚构)",
    "contactName": "郑示例",
    "contactPhone": "021-00000031",
}
RECORDED: Final = {"registerNo": "SYN-注-2026-0007", "registeredAt": "2026-11-09 09:30:00", "registrar": "郑示例"}
TOLD: Final[Mapping[str, Any]] = {
    "letterNo": "闵房告〔2026〕7号",
    "addressee": MINHANG,
    "direction": "管理告知执法",
    "subject": "属对方职责的事项",
    "cause": "损坏房屋承重结构",
    "units": [{"name": "上海示例装饰有限公司"}],
    "facts": "物业企业上海示例物业服务有限公司报告: 示例路8弄1号401室拆改承重墙, 劝阻无效。(虚构)",
    "address": "闵行区七宝镇示例路8弄1号401室",
    "division": "310112102",
    "content": "物业报告, 请依法查处。(虚构)",
    "feedback": "需反馈",
    "feedbackBy": "2026-11-20",
    "basis": [{"law": "上海市住宅物业管理规定", "article": "第五十九条"}],
    "purpose": "违法行为查处",
    "contactName": "冯示例",
    "contactPhone": "021-00000041",
    "dated": "2026-11-05",
}

_NUMBERED: Final[Mapping[str, Any]] = {"number": NUMBER}


def stated(agency: str, business: str, action: str, form: Mapping[str, Any], **members: Any) -> Stated:
    found = arrival(agency, change(action, form, **{**_NUMBERED, **members}, business=business))
    assert isinstance(found, Stated)
    return found


# --- both sides


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: f"{form.action}-{form.fact.name()}")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_form_says_what_the_fact_says_but_for_its_losses(form: Form, data: st.DataObject) -> None:
    require_round_trip(form, data.draw(_facts(form.fact)), LOSABLE)


@pytest.mark.parametrize("variant", ["penalty", "property-supervision", "risk-feedback-required"])
def test_notices_of_the_examples(variant: str) -> None:
    data = fact("notice.sent", variant).model_dump(mode="json", exclude_none=True)
    form = THEIRS["notice"]["告知单"]
    require_round_trip(form, data, LOSABLE)
    said = losses({"kind": "notice", "type": notice.Sent.type(), "data": data})
    assert [loss.pointer for loss in said] == [f"/data{loss.pointer}" for loss in form.losses(data)]


def test_the_registrys_receipt_is_a_fact_of_our_exchange() -> None:
    exchange = new_exchange()
    found = stated(REGISTRY, "注记", "注记登簿", RECORDED, id_=4, externalNo=exchange)
    assert (found.kind, found.exchange, found.case, found.reference) == ("annotation", exchange, None, NUMBER)
    assert found.id == event_of(REGISTRY, NUMBER, "4")
    assert isinstance(found.fact, annotation.Recorded)
    assert (found.fact.number, found.fact.registered_at.isoformat()) == (
        "SYN-注-2026-0007",
        "2026-11-09T09:30:00+08:00",
    )


def test_a_notice_of_the_bureaus_opens_an_exchange_of_its_number() -> None:
    found = stated(BUREAU, "双向告知", "告知单", TOLD)
    assert (found.exchange, found.case) == (exchange_of(BUREAU, NUMBER), NUMBER)
    assert isinstance(found.fact, notice.Sent)
    assert found.fact.circumstances is not None
    assert found.fact.circumstances.parties.persons == ()


def test_who_opened_our_letter_is_a_confirmation() -> None:
    assert arrival(REGISTRY, change("签收", {"id": "parcel-1"})) == Confirmed("parcel-1", "retrieved")


@pytest.mark.parametrize(
    ("business", "action", "form", "members"),
    [
        ("注记", "注记登簿", {**RECORDED, "registeredAt": "昨天郑示例"}, {}),
        ("注记", "不予注记", {**REFUSED, "ground": ["郑示例"]}, {}),
        ("注记", "告知单", TOLD, {}),
        ("来文", "注记登簿", RECORDED, {}),
        ("注记", "签收", {}, {}),
    ],
)
def test_what_cannot_be_understood_is_told_without_its_values(
    business: str, action: str, form: Mapping[str, Any], members: Mapping[str, Any]
) -> None:
    with pytest.raises(Unreadable, match=r"^change 1") as caught:
        stated(REGISTRY, business, action, form, **members)
    assert "郑示例" not in str(caught.value)


@pytest.mark.parametrize("external", ["7", "0193A000-0000-7000-8000-000000000015", ["a"], {}])
def test_an_id_that_is_not_ours_is_not_understood(external: object) -> None:
    with pytest.raises(Unreadable, match="externalNo"):
        stated(REGISTRY, "注记", "注记登簿", RECORDED, externalNo=external)


# --- the whole way, by the rules of the kinds


def test_the_whole_way_of_an_annotation() -> None:
    play = Play("annotation")
    release = {
        "registerNo": "SYN-注-2026-0007",
        "source": "随申办",
        "appliedOn": "2026-11-22",
        "applicantName": "郑示例",
    }
    released = {"registerNo": "SYN-解-2026-0003", "registeredAt": "2026-11-25 15:00:00"}
    steps: list[tuple[str, Any]] = [
        ("annotation.requested", {}),
        ("注记登簿", RECORDED),
        ("解除注记申请", release),
        ("annotation.not_rectified", {}),
        ("annotation.release_requested", {"annotation": "SYN-注-2026-0007"}),
        ("annotation.rectification_certified", {}),
        ("不予解注", {**REFUSED, "ground": "证明文件与注记不符"}),
        ("annotation.release_requested", {"annotation": "SYN-注-2026-0007"}),
        ("annotation.determination_revoked", {}),
        ("注销注记", released),
    ]
    for id_, (name, form) in enumerate(steps, start=1):
        if name.startswith("annotation"):
            play.given((MINHANG, name, form))
        else:
            found = stated(REGISTRY, "注记", name, form, id_=id_, externalNo=play.state.exchange)
            assert isinstance(state(play, REGISTRY, found), Registration), name
    assert play.standing.status == "released"
    letters = [letter(_event(play, number, REGISTRY), NUMBER) for number in (1, 4, 5, 6, 9)]
    assert [item["action"] for item in letters] == ["注记申请", "复查未整改", "解除注记申请", "整改证明", "认定撤销"]
    assert {(item["business"], item["externalNo"]) for item in letters} == {("注记", play.state.exchange)}


def test_a_notice_about_property_firms_goes_to_the_bureau_and_is_answered() -> None:
    play = Play("notice")
    given_ = {"recipient": BUREAU, "copied": [], "subject": "property_supervision", **FIRMS, "feedback": "required"}
    play.given((MINHANG, "notice.sent", given_))
    form = letter(_event(play, 1, BUREAU), None)["form"]
    assert isinstance(form, dict)
    assert (form["subject"], form["propertyFirms"]) == ("物业企业监管告知书", [{"name": "上海示例物业服务有限公司"}])
    answers: list[tuple[str, Any]] = [
        ("受告", {"contactName": "冯示例", "contactPhone": "021-00000041"}),
        ("跟进反馈", {"result": "已约谈该企业。(虚构)", "measures": ["约谈", "记分"], "followedUpOn": "2026-11-10"}),
    ]
    for id_, (action, answer) in enumerate(answers, start=1):
        found = stated(BUREAU, "双向告知", action, answer, id_=id_, externalNo=play.state.exchange)
        assert isinstance(state(play, BUREAU, found), Registration), action
    assert play.standing.status == "followed_up"


def test_a_firms_report_that_the_bureau_passes_on_is_registered_and_answered() -> None:
    play = begun("notice", exchange_of(BUREAU, NUMBER))
    assert isinstance(state(play, BUREAU, stated(BUREAU, "双向告知", "告知单", TOLD)), Registration)
    assert isinstance(play.when(MINHANG, "notice.acknowledged", by={"case": NUMBER}), Registration)
    assert isinstance(play.when(MINHANG, "notice.followed_up", by={"case": NUMBER}), Registration)
    assert [letter(_event(play, number, BUREAU), NUMBER)["action"] for number in (2, 3)] == ["受告", "跟进反馈"]


def test_what_has_no_form_goes_as_our_whole_copy() -> None:
    play = Play("jointop").given((MINHANG, "jointop.proposed"))
    copy = _event(play, 1, "310112-jgw")
    found = letter(copy, None)
    assert (found["business"], found["action"], found["document"]) == ("来文", "告知", copy)
    assert losses(copy) == ()


def test_the_loss_report() -> None:
    requested = {**_event(Play("annotation").given((MINHANG, "annotation.requested")), 1, REGISTRY)}
    assert {loss.pointer: loss.zh for loss in losses(requested)} == {
        "/data/dossier": "一户一档: 对方表单无此栏",
    }


def test_a_member_that_a_copy_withholds_is_not_in_the_letter() -> None:
    signed = event(MINHANG, fact("annotation.requested"), exchange=new_exchange())
    cut = {**copy_for(signed, [FieldClass.PUBLIC]), "sequence": 1}
    form = letter(cut, None)["form"]
    assert isinstance(form, dict)
    assert not {"owners", "certificateNo", "location", "contactPhone"} & form.keys()
    assert form["officers"] == [{"leads": "是"}, {"leads": "否"}]


@cache
def _facts(of: type[Fact]) -> st.SearchStrategy[dict[str, Any]]:
    return made(of, **SIMPLER.get(of, {}))


def _event(play: Play, sequence: int, agency: str) -> dict[str, Any]:
    return copied(play, sequence, agency)


def test_a_notice_says_which_one_it_answers() -> None:
    answered = new_exchange()
    found = stated(BUREAU, "双向告知", "告知单", {**TOLD, "replyTo": answered})
    assert isinstance(found.fact, notice.Sent)
    assert [(link.relation.value, link.kind, str(link.exchange)) for link in found.fact.links] == [
        ("answers", "notice", answered)
    ]
    assert THEIRS["notice"]["告知单"].fill(dump(found.fact))["replyTo"] == answered
    with pytest.raises(Unreadable, match="replyTo: is no number of ours"):
        stated(BUREAU, "双向告知", "告知单", {**TOLD, "replyTo": "闵房告〔2026〕7号"})
