"""A simulated registry of titles, and a simulated housing bureau: one program, as they have one supplier.

    python -m connectors.housing.simulator --port 0 --seed 7

POST /_acts {"action": "注记登簿", "number": …, "form": {…}} enters an annotation in the register; {"action": "告知单",
"form": {…}} opens a notice of the bureau's own.
"""

from typing import Final

from connectors.forms.counter import Counter, Moves, Thread
from connectors.simulation import Faults, run
from contracts.canonical import Document

_REPLY: Final = {"受告": "跟进中", "知悉": "已知悉", "不属本部门": "已退回"}
_ANYWHERE: Final = ("催办", "延期申请", "同意延期", "不同意延期", "告知", "签收")

MOVES: Final[Moves] = {
    "": {"注记申请": "待登记", "告知单": "待受告", "告知": "来文"},
    "待登记": {"注记登簿": "已注记", "不予注记": "不予注记", "撤回": "已撤回"},
    "不予注记": {},
    "已注记": {"解除注记申请": "待复查"},
    "待复查": {"整改证明": "待注销", "认定撤销": "待注销", "复查未整改": "已注记"},
    "待注销": {"注销注记": "已注销", "不予解注": "已注记"},
    "已注销": {},
    "待受告": {**_REPLY, "撤回": "已撤回"},
    "跟进中": {"跟进反馈": "已反馈", "办结": "已办结"},
    "已反馈": {"跟进反馈": "已反馈", "办结": "已办结"},
    "已退回": {"办结": "已办结", "提请明确职责": "职责争议"},
    "职责争议": {"受告": "跟进中", "办结": "已办结"},
    "已知悉": {},
    "已办结": {},
    "已撤回": {},
    "来文": {},
    "*": dict.fromkeys(_ANYWHERE, "="),
}

_OPENS: Final = {"注记申请": "注记", "告知单": "双向告知"}


class HousingSimulator(Counter):
    """The registry, or the bureau. `register`: annotations that stand, by their number in the register."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.register: dict[str, str] = {}
        super().__init__("SYN-SJ-", MOVES, ["letters"], faults)

    def kept(self) -> Document:
        """The register too."""
        return {**super().kept(), "register": {**self.register}}

    def recall(self, kept: Document) -> None:
        """The register too."""
        super().recall(kept)
        register = kept["register"]
        found = register.items() if isinstance(register, dict) else ()
        self.register = {number: str(thread) for number, thread in found}

    def business(self, thread: Thread) -> str:
        """Of which business a thread is."""
        return _OPENS.get(thread.opened_by, "来文")

    def noted(self, thread: Thread, action: str, form: Document) -> None:
        """What stands in the register, and the last of each paper."""
        number = str(form.get("registerNo"))
        if action == "注记登簿":
            self.register[number] = thread.number
            thread.notes["registerNo"] = number
        if action == "注销注记":
            self.register.pop(str(thread.notes.get("registerNo")), None)
        thread.notes[action] = form


if __name__ == "__main__":
    run(HousingSimulator)
