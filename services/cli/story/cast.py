"""Who takes part in the demo, and what its stories share.

The agencies are public institutions; every person, number, plate and firm is invented, and says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from pydantic import BaseModel

from contracts.calendar import SHANGHAI
from events.fact import Fact
from events.parts import Attachment, Citation, Contact, Link, Officer, Relation

MINHANG, QINGPU, SONGJIANG, CITY = "310112-cg", "310118-cg", "310117-cg", "310000-cg"
POLICE, PROCURATORATE, TRAFFIC_POLICE = "310118-ga", "310118-jcy", "310112-jj"
NANTONG, CHANGZHOU, WUXI, JIAXING = "320600-cg", "320400-cg", "320200-cg", "330400-cg"
CITIES: Final = (NANTONG, CHANGZHOU, WUXI, JIAXING)

QIBAO, QIBAO_TEAM = "310112102-jz", "310112102-cg"
HUACAO, HUACAO_TEAM = "310112106-jz", "310112106-cg"

HOTLINE, GRID = "310000-rx", "310112-cyzx"
GOVERNMENT, PARTY_OFFICE, JUSTICE = "310112-zf", "310112-djb", "310112-sfj"
BUILDING, TRANSPORT, HOUSING = "310112-jgw", "310112-jtw", "310112-fgj"
GREENING, ECOLOGY, WATER, TITLES = "310112-lrj", "310112-sthj", "310112-swj", "310112-bdc"

IN_NAME: Final[Mapping[str, str]] = {QIBAO_TEAM: QIBAO, HUACAO_TEAM: HUACAO}
"""In whose name a 镇 team acts: 城管执法条例(2018) 第四条."""

COOPERATION: Final = Citation(law="上海市城市管理行政执法条例(2018)", article="第三十二条")
WASTE_PENALTY: Final = Citation(law="中华人民共和国生态环境法典", article="第一千一百七十四条")

Ids = Mapping[str, str]
"""Thread to exchange id."""


@dataclass(frozen=True, slots=True)
class Thread:
    """An exchange of the story.

    careful: who states a fact in it has read it to the newest event, and says so. opened_by: the partner whose own
    system opens it, under the number that is its case.
    """

    kind: str
    case: str
    careful: bool = False
    opened_by: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What happens when, in which thread.

    refused: the code with which the bus has to reject it. again: the very same submission is sent a second time.
    """

    at: datetime
    agency: str
    thread: str
    fact: Fact
    leg: str | None = None
    refused: str | None = None
    again: bool = False

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """What the fact cites, each once."""
        return tuple({item.digest: item for item in _cited(self.fact)}.values())

    @property
    def inname(self) -> str | None:
        """In whose name the agency acts, if not in its own."""
        return IN_NAME.get(self.agency)


@dataclass(frozen=True, slots=True)
class Outage:
    """A partner's system is out of reach, for days; why, in words. author: whose copy it holds up for too long."""

    agency: str
    author: str
    begins: datetime
    ends: datetime
    why: str


def at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    """An instant of 2026, Shanghai time."""
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


def attachment(title: str, pages: int = 1) -> Attachment:
    """An attachment; `content` has its bytes."""
    found = content(title)
    digest = f"sha-256:{sha256(found).hexdigest()}"
    return Attachment(title=title, digest=digest, size=len(found), media_type="text/plain", pages=pages)


def content(title: str) -> bytes:
    """The bytes of an attachment of this title."""
    return f"{title}\n示例附件, 内容虚构。\n".encode()


def _cited(value: object) -> Iterator[Attachment]:
    """The attachments in a part of a fact, at any depth."""
    if isinstance(value, Attachment):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _cited(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _cited(item)


def contact(name: str, phone: str, unit: str) -> Contact:
    """Somebody to telephone."""
    return Contact(name=name, phone=phone, unit=unit)


def link(relation: Relation, kind: str, exchange: str, sequence: int | None = None) -> Link:
    """What another exchange is to this one."""
    return Link(relation=relation, kind=kind, exchange=UUID(exchange), sequence=sequence)


def desk(agency: str) -> Contact:
    """Whom to telephone at an agency."""
    return _DESKS[agency]


_DESKS: Final[Mapping[str, Contact]] = {
    MINHANG: contact("王经办(虚构)", "021-00000001", "闵行区城管执法局机动中队"),
    QINGPU: contact("钱承办(虚构)", "021-00000003", "青浦区城管执法局徐泾中队"),
    SONGJIANG: contact("戴经办(虚构)", "021-00000021", "松江区城管执法局机动中队"),
    TRAFFIC_POLICE: contact("窦警官(虚构)", "021-00000022", "闵行交警支队"),
    NANTONG: contact("章经办(虚构)", "0513-00000001", "南通市城管支队"),
    CHANGZHOU: contact("云经办(虚构)", "0519-00000001", "常州市城管支队"),
    WUXI: contact("苏经办(虚构)", "0510-00000001", "无锡市城管支队"),
    JIAXING: contact("潘经办(虚构)", "0573-00000001", "嘉兴市综合执法支队"),
    QIBAO: contact("葛经办(虚构)", "021-00000031", "七宝镇城市运行管理中心"),
    QIBAO_TEAM: contact("奚队员(虚构)", "021-00000032", "七宝镇综合行政执法队"),
    HUACAO: contact("范经办(虚构)", "021-00000033", "华漕镇城市运行管理中心"),
    HUACAO_TEAM: contact("彭队员(虚构)", "021-00000034", "华漕镇综合行政执法队"),
    HOTLINE: contact("鲁话务(虚构)", "021-00000041", "12345市民服务热线"),
    GRID: contact("韦派单(虚构)", "021-00000042", "区城市运行管理中心"),
    BUILDING: contact("昌经办(虚构)", "021-00000051", "区建管委质安科"),
    TRANSPORT: contact("马经办(虚构)", "021-00000052", "区交通委运管科"),
    HOUSING: contact("苗经办(虚构)", "021-00000053", "区房管局物业科"),
    GREENING: contact("凤经办(虚构)", "021-00000054", "区绿容局渣土管理科"),
    WATER: contact("花经办(虚构)", "021-00000055", "区水务局河道科"),
}


def officers(first: str, second: str) -> tuple[Officer, Officer]:
    """Two officers, as an inspection asks for; the first leads."""
    return (
        Officer(name=f"{first}(虚构)", certificate="SYN-1001", leads=True),
        Officer(name=f"{second}(虚构)", certificate="SYN-1002"),
    )
