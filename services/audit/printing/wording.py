"""The words of printed pages, in Chinese and English, and how they write times and lengths of time; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from contracts.calendar import SHANGHAI
from contracts.kinds import packaged
from services.audit.links import RELATIONS
from services.audit.printing.views import Agency

Language: TypeAlias = Literal["zh", "en"]

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "timeline": ("流转时间线", "Timeline"),
    "case_timeline": ("案件流转时间线", "Timeline of a case"),
    "case": ("案件", "Case"),
    "exchange": ("流转编号", "Exchange"),
    "kind": ("事项", "Kind"),
    "status": ("当前状态", "Status"),
    "move": ("待办单位", "Whose move"),
    "nobody": ("无", "nobody"),
    "ended": ("已办结", "ended"),
    "open": ("办理中", "open"),
    "period": ("起止", "Period"),
    "parties": ("参与单位", "Parties"),
    "links": ("关联", "Links"),
    "made_by": ("由{bus}依登记事实生成, 截至 {at}", "made from registered facts by {bus}, as of {at}"),
    "drawing": ("时间线图", "Drawing"),
    "facts": ("登记事实", "Facts"),
    "clocks": ("时限", "Clocks"),
    "delay": ("耗时归属", "Whose time it was"),
    "notes": ("说明", "Notes"),
    "number": ("序号", "No."),
    "when": ("收件时间", "Accepted"),
    "who": ("单位", "Who"),
    "what": ("事实", "What"),
    "status_after": ("此后状态", "Status after"),
    "next": ("待办: {who}", "next: {who}"),
    "happened": ("发生 {at}", "happened {at}"),
    "recorded": ("登记 {at}", "recorded {at}"),
    "for_leg": ("涉及: {who}", "concerns {who}"),
    "in_name": ("以 {who} 名义", "in the name of {who}"),
    "signed_by": ("由 {who} 代签", "signed for it by {who}"),
    "copies": ("送达 {delivered}, 已取 {retrieved}", "delivered to {delivered}, retrieved by {retrieved}"),
    "withheld_members": ("{count} 项内容不予显示", "{count} members withheld"),
    "stub": ("不予显示", "withheld"),
    "stub_text": (
        "本单位无权查看; 仅证明有此一项登记",
        "not for this reader; only that something was registered is shown",
    ),
    "unknown": ("未示", "not shown"),
    "rule": ("依据规则", "Rule"),
    "duty": ("义务单位", "Whose duty"),
    "started": ("起算", "Starts"),
    "due": ("届满", "Due"),
    "original_due": ("原定 {at}", "first {at}"),
    "done": ("履行", "Done"),
    "result": ("结果", "Result"),
    "by_fact": ("第 {number} 项", "no. {number}"),
    "not_verified": ("条文未核实", "text not verified"),
    "provisional": ("暂定: {years} 年放假安排未公布", "provisional: holidays of {years} not announced"),
    "suspended_for": ("中止 {length}", "stood still {length}"),
    "extended_by": ("延期: {numbers}", "extended: {numbers}"),
    "expiry": ("届满登记: {number}", "expiry: {number}"),
    "annulled": ("届满撤销: {number}", "expiry annulled: {number}"),
    "warning": ("预警: {number}", "warning: {number}"),
    "met": ("按期", "in time"),
    "late": ("逾期", "late by"),
    "running": ("计时中", "running"),
    "overdue": ("已逾期", "overdue by"),
    "suspended": ("中止中", "suspended"),
    "void": ("不再适用", "no longer applies"),
    "cause": ("事由", "Cause"),
    "length": ("时长", "Length"),
    "share": ("占比", "Share"),
    "total": ("合计", "Total"),
    "span": ("{begin} 至 {end}", "{begin} to {end}"),
    "nothing": ("无", "none"),
    "key_fact": ("单位陈述的事实", "fact stated by an agency"),
    "key_bus": ("总线陈述的事实", "fact stated by the bus"),
    "key_stub": ("不予显示", "withheld"),
    "key_met": ("按期履行", "done in time"),
    "key_late": ("逾期部分", "time past due"),
    "key_running": ("计时中", "running"),
    "key_left": ("剩余期限", "time that was left"),
    "key_gap": ("中止", "stood still"),
    "key_void": ("不再适用", "no longer applies"),
    "key_delivered": ("送达", "delivered"),
    "key_retrieved": ("已取", "retrieved"),
    "key_now": ("制表时", "when this was made"),
    "key_rest": ("休息日", "rest day"),
    "figures": ("流转情况报告", "Figures"),
    "overview": ("总览", "Overview"),
    "agency": ("单位", "Agency"),
    "everybody": ("全部单位", "All agencies"),
    "opened": ("新发起", "opened"),
    "closed": ("办结", "ended"),
    "pending": ("在办", "open"),
    "sent": ("发出", "sent"),
    "received": ("收到", "received"),
    "exchanges": ("流转数量", "Exchanges"),
    "overdue_rules": ("逾期, 按规则", "Past due, by rule"),
    "done_late": ("逾期履行", "done late"),
    "still_due": ("尚未履行", "not done yet"),
    "worst": ("最长", "worst"),
    "together": ("累计", "together"),
    "refused": ("不予受理、退回等, 按理由", "Refused, by ground"),
    "ground": ("理由", "Ground"),
    "count": ("次数", "Count"),
    "forwards": (
        "转送 {count} 次, 其中重复转送 {again} 次",
        "forwarded {count} times, {again} of them to an agency that had had it",
    ),
    "published_figures": ("公布数据与登记核对", "Published figures beside the log"),
    "figure": ("数据", "Figure"),
    "unit": ("单位", "Unit"),
    "published": ("公布", "Published"),
    "derived": ("登记推得", "From the log"),
    "seed": ("文件", "Document"),
    "notices": (
        "双向告知: 告知 {told} 件, 已回应 {answered} 件, 尚待回应 {open} 件",
        "Notices: {told} told, {answered} answered, {open} open",
    ),
    "letters": (
        "建议采纳 {adopted}, 部分采纳 {partly}, 未采纳 {not_adopted}",
        "proposals adopted {adopted}, in part {partly}, not adopted {not_adopted}",
    ),
    "delay_by_cause": ("耗时, 按事由", "Time, by cause"),
    "indicator_sources": ("指标来源", "Where the indicators come from"),
    "of": ("{numerator} / {denominator}", "{numerator} of {denominator}"),
    "days": ("{value} 天", "{value} days"),
    "green": ("绿", "green"),
    "amber": ("黄", "amber"),
    "red": ("红", "red"),
    "none": ("无数据", "no data"),
    "findings": ("核查线索", "Leads"),
    "numbers": ("比对", "Compared"),
    "innocent": ("可能的正常原因", "What may explain it"),
    "occurred": ("发生", "Came about"),
    "rests_on": ("所据登记", "Rests on"),
    "source": ("来源", "Source"),
    "came_late": ("已补, 但逾期", "came too late"),
}

NOTES: Final[Mapping[str, tuple[str, str]]] = {
    "accepted": (
        "总线网关收到陈述的时间; 时限依此判断。",
        "When the gateway took the statement. Deadlines are met by it.",
    ),
    "happened": (
        "单位陈述的事实发生时间; 总线不核实。",
        "When the agency says that it happened. The bus does not check it.",
    ),
    "recorded": ("总线编号登记的时间。", "When it was registered with its number."),
    "delivered": (
        "副本进入收件单位指定系统的时间。四种时间互不替代。",
        "When the copy reached its recipient's designated system. No time stands in for another.",
    ),
    "shanghai": (
        "北京时间 (UTC+8); 24:00 是该日终了。",
        "All times are Shanghai time (UTC+8); 24:00 is the end of that day.",
    ),
    "counted": (
        "由规则和日历逐步算出, 任何人都可以重算; 图中粗竖线为届满时刻。",
        "Counted from rules and calendars; anybody can count again. A thick line in the drawing is the due instant.",
    ),
    "findings": (
        "依登记事实作出的计算, 不是对责任或者过错的认定。",
        "Counted from registered facts. They find nobody responsible or at fault.",
    ),
    "unverified": (
        "条文尚未与原文核对。",
        "The text of the rule has not been compared with its source yet.",
    ),
    "provisional": (
        "届满日依据尚未公布的放假安排, 公布后可能变动。",
        "The date may move when the holidays of its year are announced.",
    ),
}
TERMS: Final[Mapping[str, tuple[str, str]]] = {
    "accepted": ("收件时间", "Accepted"),
    "happened": ("发生时间", "Happened"),
    "recorded": ("登记时间", "Recorded"),
    "delivered": ("送达时间", "Delivered"),
    "shanghai": ("时间", "Times"),
    "counted": ("时限", "Deadlines"),
    "findings": ("逾期、耗时归属", "Late, whose time it was"),
    "unverified": ("条文未核实", "Text not verified"),
    "provisional": ("暂定", "Provisional"),
}
"""What the terms of NOTES are called"""

CAUSES: Final[Mapping[str, tuple[str, str]]] = {
    "preparation": ("移送前准备", "preparation"),
    "transport": ("传输", "transport"),
    "receipt": ("待签收", "receipt"),
    "acceptance": ("待受理", "acceptance"),
    "forwarding": ("转送", "forwarding"),
    "supplement": ("补正", "supplement"),
    "processing": ("办理", "processing"),
    "counterpart": ("待对方", "counterpart"),
    "outage": ("总线中断", "outage of the bus"),
    "withheld": ("不予显示", "withheld"),
}

ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "sender": ("发起单位", "sender"),
    "recipient": ("接收单位", "recipient"),
    "copied": ("抄送单位", "copied"),
    "supervisor": ("监督单位", "supervisor"),
    "arbiter": ("裁定机关", "arbiter"),
    "former": ("已转出单位", "former recipient"),
    "bus": ("总线", "the bus"),
}


@dataclass(frozen=True, slots=True)
class Wording:
    """How pages speak in one language."""

    language: Language

    def say(self, key: str, **values: str | int) -> str:
        """A phrase with its values."""
        return self.one(*WORDS[key]).format(**values)

    def one(self, zh: str, en: str) -> str:
        """Whichever is of this language."""
        return zh if self.language == "zh" else en

    def name(self, agency: Agency) -> str:
        """An agency's name."""
        return self.one(agency.name, agency.name_en)

    def names(self, agencies: Iterable[Agency]) -> str:
        """The names of agencies."""
        return self.one("、", ", ").join(map(self.name, agencies))

    def status(self, kind: str, code: str) -> str:
        """A status of a kind, or of a leg; by its code where no contract has words for it."""
        contract = packaged().by_name.get(kind)
        words = {**contract.legs, **contract.statuses} if contract else {}
        return self.one(words.get(code, code), code.replace("_", " "))

    def kind(self, code: str) -> str:
        """A kind of exchange; by its code where there is no contract of it."""
        contract = packaged().by_name.get(code)
        return self.one(contract.title_zh, contract.title_en) if contract else code

    def relation(self, code: str) -> str:
        """What an exchange is to another; by its code where it has no words here yet."""
        return self.one(*RELATIONS.get(code, (code, code)))

    def cause(self, code: str) -> str:
        """A cause of delay; by its code where it has no words here yet."""
        return self.one(*CAUSES.get(code, (code, code.replace("_", " "))))

    def role(self, code: str) -> str:
        """The role of a party."""
        return self.one(*ROLES.get(code, (code, code.replace("_", " "))))

    def length(self, seconds: Decimal | float) -> str:
        """A length of time in its two largest units: `3天 4小时`; the smaller one is cut, not rounded."""
        left = int(seconds)
        parts: list[str] = []
        for size, zh, en in ((86400, "天", "d"), (3600, "小时", "h"), (60, "分", "min"), (1, "秒", "s")):
            amount, left = divmod(left, size)
            if amount or (parts and len(parts) < 2):
                parts.append(f"{amount}{self.one(zh, ' ' + en)}")
        shown = [part for part in parts[:2] if not part.startswith("0")]
        return " ".join(shown) or self.one("不足1秒", "under 1 s")


def moment(instant: datetime, *, seconds: bool = False) -> str:
    """An instant in Shanghai: `2026-11-05 10:00`, with its seconds on demand."""
    return f"{instant.astimezone(SHANGHAI):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}}"


def deadline(instant: datetime) -> str:
    """The same of an instant until which there is time: midnight is the end of the day before, 24:00."""
    local = instant.astimezone(SHANGHAI)
    if local.time() != time():
        return moment(instant, seconds=bool(local.second))
    return f"{local.date() - timedelta(days=1)} 24:00"
