"""The words of a grid centre for what we have codes for, and for its readers; pure."""

import re
from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import JsonValue

from connectors.forms.members import described
from connectors.forms.table import Terms
from events.fact import Fact

SOURCES: Final = Terms(
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
    },
    open=True,
)
EVENT_TYPES: Final = Terms(
    {
        "report": "举报",
        "structure_report": "举报违法建筑",
        "complaint": "投诉",
        "help": "求助",
        "consultation": "咨询",
        "suggestion": "意见建议",
        "finding": "巡查发现",
    },
    open=True,
)
LIMITS: Final = Terms(
    {
        "wd1": "1个工作日",
        "wd5": "5个工作日",
        "wd15": "15个工作日",
        "day": "限办日期",
        "none": "未另定",
    },
    open=True,
)
URGENCIES: Final = Terms({"ordinary": "一般", "expedited": "加急", "extra": "特急"}, open=True)
RESULTS: Final = Terms(
    {
        "resolved": "已解决",
        "case": "转案件办理",
        "explained": "解释说明",
        "unfounded": "反映不属实",
        "unresolved": "暂未解决",
    },
    open=True,
)
SATISFACTIONS: Final = Terms(
    {
        "satisfied": "满意",
        "fair": "基本满意",
        "dissatisfied": "不满意",
        "unsaid": "未评价",
    },
    open=True,
)
REASONS: Final = Terms(
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
    },
    open=True,
)
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


def term(fact: type[Fact], pointer: str) -> str:
    """What a member is called in the forms: the Chinese words with which its description begins."""
    return "".join(
        found[0] if (found := _CHINESE.match(said)) else _TERMS.get(name, name)
        for name, said in described(fact, pointer)
    )


def plain(value: JsonValue) -> str:
    """A value for a reader."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
