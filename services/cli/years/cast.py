"""Who takes part in the plan of 闵行 2023, and what is made up about people, firms, places and papers.

The agencies are public institutions. Every person, firm, number and place is invented, and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from random import Random
from typing import Final

from contracts.agencies import Agencies
from events.parts import Attachment, Cause, Circumstances, Citation, Contact, Parties, Person, Place, Unit
from events.penalties import CaseCategory

BUREAU: Final = "310112-cg"
CITY: Final = "310000-cg"
HOTLINE: Final = "310000-rx"
PETITIONS: Final = "310112-xfb"
GOVERNMENT: Final = "310112-zf"
COURT: Final = "310112-fy"
PARTY_OFFICE: Final = "310112-djb"
POLICE, TRAFFIC_POLICE = "310112-ga", "310112-jj"
HOUSING: Final = "310112-fgj"
BUILDING: Final = "310112-jgw"
TRANSPORT: Final = "310112-jtw"
GREENING: Final = "310112-lrj"
ECOLOGY: Final = "310112-sthj"
WATER: Final = "310112-swj"
GRID: Final = "310112-cyzx"
JUSTICE: Final = "310112-sfj"
PLANNING: Final = "310112-ghzy"
MARKET: Final = "310112-scjg"

NANTONG, CHANGZHOU, WUXI, JIAXING = "320600-cg", "320400-cg", "320200-cg", "330400-cg"
CITIES: Final = (NANTONG, CHANGZHOU, WUXI, JIAXING)

UNITS: Final[Mapping[str, int]] = {
    "310112001": 8,  # 江川路
    "310112006": 7,  # 古美
    "310112008": 3,  # 新虹
    "310112009": 5,  # 浦锦
    "310112101": 11,  # 莘庄
    "310112102": 12,  # 七宝
    "310112103": 8,  # 颛桥
    "310112106": 9,  # 华漕
    "310112107": 9,  # 虹桥
    "310112108": 12,  # 梅陇
    "310112110": 5,  # 吴泾
    "310112112": 6,  # 马桥
    "310112114": 14,  # 浦江
    "310112501": 3,  # 莘庄工业区
}
"""The fourteen 街镇, and how much of the work falls to each: weights that are made up."""


def team(unit: str) -> str:
    """The team of a 街镇."""
    return f"{unit}-cg"


def street(unit: str) -> str:
    """The 街镇 itself."""
    return f"{unit}-jz"


def some_unit(rng: Random) -> str:
    """A 街镇, by its weight."""
    return rng.choices([*UNITS], [*UNITS.values()])[0]


def names_of_teams(agencies: Agencies) -> Mapping[str, str]:
    """In whose name each team acts: 城管执法条例(2018) 第四条."""
    found = {team(unit): agencies.by_code[team(unit)].acts_for for unit in UNITS}
    return {code: acts_for[0] for code, acts_for in found.items() if acts_for}


@dataclass(frozen=True, slots=True)
class Trade:
    """A category of cases: its cause, what callers say of it, which department it concerns, the law on it."""

    cause: str
    calls: tuple[str, ...]
    department: str
    law: Citation


_SAMPLE: Final = "示例条款"
_WASTE_LAW: Final = Citation(law="中华人民共和国固体废物污染环境防治法(2020)", article="第一百一十一条")
_PROPERTY_RULES: Final = "上海市住宅物业管理规定(2020)"

TRADES: Final[Mapping[CaseCategory, Trade]] = {
    CaseCategory.HOUSEHOLD_WASTE: Trade(
        "未将生活垃圾分别投放至相应收集容器",
        ("小区垃圾混投", "沿街商户垃圾落地", "垃圾箱房外乱扔垃圾"),
        GREENING,
        Citation(law="上海市生活垃圾管理条例", article=_SAMPLE),
    ),
    CaseCategory.CONSTRUCTION_WASTE: Trade(
        "擅自倾倒、堆放建筑垃圾", ("装修垃圾乱堆放", "渣土车沿途遗撒", "空地偷倒建筑垃圾"), GREENING, _WASTE_LAW
    ),
    CaseCategory.APPEARANCE: Trade(
        "擅自占用道路设摊、跨门经营",
        ("流动摊贩占道", "跨门经营", "沿街乱晾晒"),
        GREENING,
        Citation(law="上海市市容环境卫生管理条例", article=_SAMPLE),
    ),
    CaseCategory.PLANNING: Trade(
        "违法搭建建筑物、构筑物",
        ("露台搭建阳光房", "天井封顶", "厂区违法搭建"),
        PLANNING,
        Citation(law="上海市拆除违法建筑若干规定(2018)", article=_SAMPLE),
    ),
    CaseCategory.HOUSING: Trade(
        "群租、损坏房屋承重结构",
        ("房屋群租", "装修敲承重墙"),
        HOUSING,
        Citation(law=_PROPERTY_RULES, article="第八十三条、第八十四条"),
    ),
    CaseCategory.PROPERTY: Trade(
        "物业服务企业未履行报告义务",
        ("物业不制止违法搭建",),
        HOUSING,
        Citation(law=_PROPERTY_RULES, article="第八十七条"),
    ),
    CaseCategory.CONSTRUCTION: Trade(
        "建筑工地未落实文明施工措施",
        ("工地夜间施工", "工地扬尘"),
        BUILDING,
        Citation(law="上海市建设工程文明施工管理规定", article=_SAMPLE),
    ),
    CaseCategory.GREENING: Trade(
        "擅自占用绿地、损毁树木",
        ("毁绿种菜", "擅自修剪树木"),
        GREENING,
        Citation(law="上海市绿化条例", article=_SAMPLE),
    ),
    CaseCategory.MUNICIPAL: Trade(
        "擅自占用、挖掘城市道路",
        ("道路堆物", "擅自开挖路面"),
        TRANSPORT,
        Citation(law="城市道路管理条例", article=_SAMPLE),
    ),
    CaseCategory.ADVERTISING: Trade(
        "违规设置户外广告、招牌",
        ("店招破损", "违规设置灯箱"),
        GREENING,
        Citation(law="上海市户外广告设施管理办法", article=_SAMPLE),
    ),
    CaseCategory.FUMES: Trade(
        "餐饮油烟扰民",
        ("饭店油烟扰民",),
        ECOLOGY,
        Citation(law="中华人民共和国大气污染防治法", article=_SAMPLE),
    ),
    CaseCategory.STRAW: Trade(
        "露天焚烧秸秆", ("焚烧秸秆",), ECOLOGY, Citation(law="中华人民共和国大气污染防治法", article=_SAMPLE)
    ),
    CaseCategory.RIVER: Trade(
        "向河道管理范围倾倒垃圾", ("河边倾倒垃圾",), WATER, Citation(law="上海市河道管理条例", article=_SAMPLE)
    ),
}
"""What is asked for most comes first; articles that were not read are marked 示例条款."""

NOTICE_RULES: Final = Citation(law="上海市城市管理行政执法条例(2018)", article="第三十二条")
TRANSFER_RULES: Final = Citation(law="上海市城市管理行政执法条例(2018)", article="第二十八条")
ASSIST_RULES: Final = Citation(law="上海市城市管理行政执法条例(2018)", article="第二十九条")
JOINT_RULES: Final = Citation(law="上海市城市管理行政执法条例(2018)", article="第三十条")
WASTE_LAW: Final = _WASTE_LAW
REVIEW_LAW: Final = Citation(law="中华人民共和国行政处罚法(2021)", article="第五十八条")

_SURNAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜"
_WORDS: Final = "安诚达丰广恒嘉康乐明宁鹏荣盛泰旺兴裕泽振"


def person(rng: Random) -> Person:
    """A party that is a person."""
    return Person(name=f"{rng.choice(_SURNAMES)}某某(虚构)")


def firm(rng: Random, trade: str) -> Unit:
    """A party that is a firm, of a trade such as 渣土运输."""
    return Unit(name=f"示例{rng.choice(_WORDS)}{rng.choice(_WORDS)}{trade}有限公司(虚构)")


def parties(rng: Random, trade: str | None) -> Parties:
    """One party: a firm of this trade, or a person."""
    return Parties(units=(firm(rng, trade),)) if trade else Parties(persons=(person(rng),))


@cache
def contact(agency: str) -> Contact:
    """Whom to telephone at an agency: always the same."""
    number = sum(agency.encode()) * 31 % 10_000
    return Contact(name=f"{_SURNAMES[number % len(_SURNAMES)]}经办(虚构)", phone=f"021-0000{number:04}")


def place(rng: Random, division: str) -> Place:
    """A place in a division."""
    return Place(address=f"示例路{rng.randint(1, 2000)}号(虚构)", division=division)


def circumstances(rng: Random, category: CaseCategory, division: str, trade: str | None = None) -> Circumstances:
    """What is known of an act of a category in a division."""
    where = place(rng, division)
    facts = f"巡查发现{where.address}{rng.choice(TRADES[category].calls)}。(虚构)"
    return Circumstances(cause=cause(category), parties=parties(rng, trade), facts=facts, place=where)


@cache
def attachment(title: str, pages: int = 1) -> Attachment:
    """An attachment; its digest is that of its title, for there is no file."""
    digest = f"sha-256:{sha256(title.encode()).hexdigest()}"
    return Attachment(title=title, digest=digest, size=4096 * pages, media_type="application/pdf", pages=pages)


def cause(category: CaseCategory) -> Cause:
    """The cause of cases of a category."""
    return Cause(name=TRADES[category].cause)


def document(issuer: str, number: int, year: int = 2023) -> str:
    """A number of a paper 发文字号, such as 闵城执罚示例〔2023〕17号."""
    return f"{issuer}示例〔{year}〕{number}号"


def longest(day: date, days: int) -> date:
    """So many days later, no later than the end of the year."""
    return min(date.fromordinal(day.toordinal() + days), date(day.year, 12, 31))
