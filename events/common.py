"""The facts that every kind of exchange has: withdrawal, extension, correction, chasing, clocks, erasure."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, Instant, Line, Text

Sequence = Annotated[int, Field(ge=1, le=2**31 - 1)]
Pointer = Annotated[str, Field(pattern=r"^(?:/[^/]+)+$", max_length=200)]


class WithdrawalRequested(Fact):
    """请求撤回: the sender asks to withdraw what the other side has already accepted."""

    title_zh: ClassVar[str] = "请求撤回"
    reason: Text


class Withdrawn(Fact):
    """撤回: the exchange ends. By the sender alone before acceptance, by the other side when it was asked."""

    title_zh: ClassVar[str] = "撤回"
    reason: Text


class WithdrawalRefused(Fact):
    """不同意撤回."""

    title_zh: ClassVar[str] = "不同意撤回"
    reason: Text


class ExtensionRequested(Fact):
    """申请延期: with the reason and the new date. The old clock stays on record."""

    title_zh: ClassVar[str] = "申请延期"
    reason: Text
    new_date: date


class ExtensionGranted(Fact):
    """同意延期: by the other side, or by a rule that needs nobody's consent."""

    title_zh: ClassVar[str] = "同意延期"
    new_date: date
    rule: Line | None = None
    agency: AgencyCode | None = None
    """Who had asked, where that is not plain"""


class ExtensionRefused(Fact):
    """不同意延期."""

    title_zh: ClassVar[str] = "不同意延期"
    reason: Text
    rule: Line | None = None
    agency: AgencyCode | None = None
    """Who had asked, where that is not plain"""


class Corrected(Fact):
    """更正: a fact of one's own was wrong in one member. The wrong fact stays; this one stands beside it."""

    title_zh: ClassVar[str] = "更正"
    corrects: Sequence
    pointer: Pointer
    correct_value: Annotated[Text, PERSONAL]
    reason: Text


class CorrectionWithdrawn(Fact):
    """撤销更正: a correction of one's own was itself wrong."""

    title_zh: ClassVar[str] = "撤销更正"
    correction: Sequence
    reason: Text


class Chased(Fact):
    """督办: a supervisor, the arbiter or the sender asks for progress."""

    title_zh: ClassVar[str] = "督办"
    concerns: Text
    respond_by: date | None = None


class _AboutAClock(Fact):
    """Which clock, and when it is due, so that anybody can count again. `agency`: whose duty it is."""

    rule: Line
    due: Instant
    started_by: Sequence
    started_at: Instant | None = None
    agency: AgencyCode | None = None
    basis: Text | None = None
    provisional: Line | None = None
    """The calendar years, not announced yet, that the date is built on"""


class ClockWarned(_AboutAClock):
    """时限预警: a deadline is near. Stated by the bus. `late`: the bus itself says it later than it should."""

    title_zh: ClassVar[str] = "时限预警"
    late: bool = False


class ClockExpired(_AboutAClock):
    """时限届满: a deadline passed without the act it asks for. Stated by the bus, with its rule and legal basis.

    `late`: the bus itself says it later than it should; the due instant is the law's all the same.
    """

    title_zh: ClassVar[str] = "时限届满"
    late: bool = False


class ClockRecomputed(_AboutAClock):
    """时限重算: a calendar was announced or replaced, and moves a deadline that runs. Stated by the bus."""

    title_zh: ClassVar[str] = "时限重算"
    was_due: Instant
    calendar: Line


class ClockExpiryAnnulled(Fact):
    """届满撤销: an act accepted in time arrived after the expiry was recorded. Stated by the bus."""

    title_zh: ClassVar[str] = "届满撤销"
    expiry: Sequence
    act: Sequence
    reason: Text


Mark = Annotated[int, Field(ge=1, le=5)]
"""1 很不满意 … 5 很满意"""


class Rated(Fact):
    """评价: how one side found the other's handling, when it is over. No rating changes what was decided."""

    title_zh: ClassVar[str] = "评价"
    agency: AgencyCode
    timeliness: Mark
    quality: Mark
    remark: Annotated[Text | None, PERSONAL] = None


class Erased(Fact):
    """删除: members of an earlier event were erased by law; their digests stay and still verify."""

    title_zh: ClassVar[str] = "依法删除"
    event: Sequence
    pointers: Annotated[tuple[Pointer, ...], Field(min_length=1)]
    legal_basis: Line
