"""The words of a grid centre for what we have codes for, and for how its cases hang together; pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from pydantic import BaseModel, JsonValue

from connectors.grid.members import Codec, words
from connectors.losses import Loss
from contracts.canonical import Document
from contracts.disclosure import parts_of
from events.fact import Fact

SOURCES: Final = words(
    {
        "hotline_12345": "12345市民服务热线",
        "hotline_12319": "12319城建热线",
        "hotline_962000": "962000热线",
        "xinmin": "新民帮侬忙",
        "grid": "网格巡查",
        "early": "五早发现",
        "community": "社区报送",
        "river_chief": "河长",
        "petition": "信访",
        "visit": "来访",
        "inspection": "督察",
    }
)
EVENT_TYPES: Final = words(
    {
        "report": "举报",
        "structure_report": "举报违法建筑",
        "complaint": "投诉",
        "help": "求助",
        "consultation": "咨询",
        "suggestion": "意见建议",
        "finding": "巡查发现",
    }
)
LIMITS: Final = words(
    {
        "wd1": "1个工作日",
        "wd5": "5个工作日",
        "wd15": "15个工作日",
        "day": "限办日期",
        "none": "未另定",
    }
)
URGENCIES: Final = words({"ordinary": "一般", "expedited": "加急", "extra": "特急"})
RESULTS: Final = words(
    {
        "resolved": "已解决",
        "case": "转案件办理",
        "explained": "解释说明",
        "unfounded": "反映不属实",
        "unresolved": "暂未解决",
    }
)
SATISFACTIONS: Final = words(
    {
        "satisfied": "满意",
        "fair": "基本满意",
        "dissatisfied": "不满意",
        "unsaid": "未评价",
    }
)
REASONS: Final = words(
    {
        "not-competent-matter": "非本单位职责",
        "not-competent-territory": "不在本辖区",
        "petition-not-ours": "信访事项不属本机关",
        "duplicate-order": "重复案卷",
        "place-unclear": "地点事项不明",
        "workload": "力量不足",
        "procedure-takes-long": "需走执法程序",
        "within-duties": "属本单位职责",
        "return-unproven": "退单无依据",
        "first-finder": "最先发现单位处置",
        "not-remedied": "未整改到位",
        "relapsed": "问题回潮",
        "photos-do-not-show": "照片不符",
        "caller-not-contacted": "未联系来电人",
    }
)
RELATIONS: Final = {"grew_from": "来源案卷", "repeats": "重复案卷"}


def _links_out(value: JsonValue) -> JsonValue:
    links = _links(value)
    return [
        {"relation": RELATIONS[str(item["relation"])], "externalId": item["exchange"]}
        for item in links
        if _carried(item)
    ]


def _links_back(value: JsonValue) -> JsonValue:
    theirs = {word: relation for relation, word in RELATIONS.items()}
    links = _links(value)
    return [
        {"relation": theirs.get(str(item.get("relation"))), "kind": "workorder", "exchange": item.get("externalId")}
        for item in links
    ]


def _links_lost(value: JsonValue) -> Sequence[Loss]:
    links = _links(value)
    whole = [
        Loss(f"/{index}", "其他关联往来", "a link that is neither an origin nor a repetition")
        for index, item in enumerate(links)
        if not _carried(item)
    ]
    numbers = [
        Loss(f"/{index}/sequence", "关联事件序号", "which event of the linked exchange")
        for index, item in enumerate(links)
        if _carried(item) and "sequence" in item
    ]
    return [*whole, *numbers]


def _links(value: JsonValue) -> list[Document]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _carried(link: Mapping[str, JsonValue]) -> bool:
    return link.get("kind") == "workorder" and link.get("relation") in RELATIONS


LINKS: Final = Codec(_links_out, _links_back, _links_lost)

_CHINESE: Final = re.compile(r"[\u4e00-\u9fff][\u4e00-\u9fff、()（）/]*")
_TERMS: Final = {
    "corrects": "被更正事件",
    "correction": "被撤销的更正",
    "pointer": "成员",
    "pointers": "成员",
    "correct_value": "更正为",
    "reason": "理由",
    "rule": "时限规则",
    "due": "届满时间",
    "was_due": "原届满时间",
    "started_by": "起算事件",
    "started_at": "起算时间",
    "expiry": "届满事件",
    "act": "期内行为",
    "calendar": "日历",
    "basis": "依据",
    "provisional": "尚未公布的日历",
    "late": "迟报",
    "agency": "单位",
    "timeliness": "及时性",
    "quality": "质量",
    "remark": "备注",
    "event": "事件",
    "legal_basis": "法律依据",
    "new_date": "新的期限",
    "concerns": "要求",
    "respond_by": "答复期限",
}
"""What members of facts are called that go as a remark."""


def in_words(fact: type[Fact], data: Mapping[str, JsonValue]) -> str:
    """A fact for a reader: its title, and its members as they are."""
    said = "; ".join(f"{_TERMS.get(name, name)}: {plain(data[name])}" for name in fact.model_fields if name in data)
    return f"{fact.title_zh}。{said}"


def term(fact: type[Fact], path: str) -> str:
    """What a member is called in the forms: the Chinese words with which its description begins."""
    part: type[BaseModel] = fact
    said = ""
    for name in path.split("/"):
        field = part.model_fields[name]
        found = _CHINESE.match(field.description or "")
        said += found[0] if found else _TERMS.get(name, name)
        part = next(parts_of(field.annotation), part)
    return said


def plain(value: JsonValue) -> str:
    """A value for a reader."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
