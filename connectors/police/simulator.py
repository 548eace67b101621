"""A simulated police organ on its own side of the gap: officers sign, ask, decide and tell, by a seeded script.

As a process: `python -m connectors.police.simulator --home … --outgoing …` (`connectors/ferry/partner.py`).
What it writes, it writes by the description of the forms, not with our mapping.
"""

import random
from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field

from connectors.ferry.partner import Desk, FerryPartner, There, Told, run
from contracts.canonical import Document

BRANCHES: Final = (("lags",), ("bcqq",), ("byla",), ("zacf",), ("ysxz",))
"""What follows a receipt: 立案, 补充材料后立案, 不予立案, 治安处罚, 移送行政机关."""


class Case(BaseModel):
    """A case of theirs. `plan`: the forms that are to come, one a day."""

    exchange: str
    number: str
    plan: list[str] = Field(default_factory=list[str])
    letter: str


class PoliceDesk(Desk):
    """The officers' desk. `told`: what was registered, and what was sent back to them."""

    agency: str
    seed: int = 0
    branch: str | None = None
    cases: dict[str, Case] = Field(default_factory=dict[str, Case])
    registered: list[str] = Field(default_factory=list[str])
    sent_back: list[str] = Field(default_factory=list[str])

    def act(self, form: Document) -> None:
        """Plan what a form asks for."""
        code, exchange = form.get("bdlx"), str(form.get("wlbh"))
        content = form.get("nr")
        said = content if isinstance(content, dict) else {}
        if code == "ysdj":
            self.cases[exchange] = self._opened(exchange, str(form.get("jbh")), str(said.get("ysbh")))
        elif code == "djtz":
            self.registered.append(str(said.get("sjbh")))
        elif code == "tj":
            self.sent_back.append(f"{said.get('dm')}: {said.get('sm')}")
        elif exchange in self.cases:
            self.cases[exchange].plan += self._next(str(code))

    def work(self, now: str) -> None:
        """One form for each case a day."""
        for case in self.cases.values():
            if case.plan:
                step = case.plan.pop(0)
                self.write(self._form(case, step, now), self.agency)

    def _opened(self, exchange: str, letter: str, number: str) -> Case:
        script = random.Random(f"{self.seed}:{number}")  # noqa: S311, a script and no secret
        branch = self.branch or script.choice(BRANCHES)[0]
        return Case(
            exchange=exchange,
            letter=letter,
            number=f"A310112{len(self.cases) + 1:06d}",
            plan=["yy", "hz", branch],
        )

    def _next(self, code: str) -> list[str]:
        script = random.Random(f"{self.seed}:{code}:{self.serial}")  # noqa: S311
        answers = {
            "bccl": ["lags"],
            "wpyj": ["jggz"],
            "tqfy": script.choice([["fywc"], ["fybg", "lags"]]),
            "yqsm": ["smly"],
            "tzla": ["lags"],
            "sqch": ["chtz"],
        }
        return answers.get(code, [])

    def _form(self, case: Case, step: str, now: str) -> Document:
        day = now[:10]
        number = {"wh": f"闵公示例[{day[:4]}]{self.serial + 1}号"}
        ground = {"lydm": "no-criminal-facts", "ly": "示例: 经审查没有犯罪事实。"}
        contents: dict[str, Document] = {
            "yy": {},
            "hz": {"qsr": "冯示例", "qssj": now, "hzbh": number["wh"]},
            "lags": {
                **number,
                "larq": day,
                "lazmmc": "污染环境罪",
                "lazmdm": "338",
                "barxm": "孙示例",
                "bardh": "021-00000003",
            },
            "bcqq": {**number, "bcx": ["涉案土地权属证明(示例)"], "ly": "示例: 需核实损失。"},
            "byla": {**number, "jdrq": day, **ground, "ajth": "1"},
            "zacf": {**number, "jdrq": day, "jlts": 5, "cfyj": [{"flmc": "生态环境法典", "tk": "第一千一百七十九条"}]},
            "ysxz": {**number, **ground, "cljy": "建议依法给予行政处罚(示例)。"},
            "zsga": {**number, "jsjg": "310118-ga", "lydm": "not-competent-police", "ly": "示例: 犯罪地在青浦区。"},
            "fywc": {**number, "jdrq": day, **ground},
            "fybg": {**number, "jdrq": day},
            "smly": {**number, "ly": "示例: 证据不足以证明有犯罪事实。"},
            "jggz": {**number, "cljg": "01", "gzrq": day, "sm": "示例: 已提起公诉。"},
            "chtz": {"ly": "示例: 同意撤回。"},
        }
        head: Document = {"bdlx": step, "wlbh": case.exchange, "ywlx": "referral", "sj": now, "ajbh": case.number}
        return {**head, "jbh": case.letter, "nr": contents[step]}


def police(there: There, *, outgoing: Path, incoming: Path, branch: str | None = None) -> FerryPartner[PoliceDesk]:
    """A police organ behind a gap; `branch`: how it decides every case, if not as its script says."""
    desk = PoliceDesk(agency=there.ends.ours, seed=there.seed, branch=branch)
    return FerryPartner(there, desk, outgoing=outgoing, incoming=incoming)


def _told(there: There, told: Told) -> FerryPartner[PoliceDesk]:
    return police(there, outgoing=told.outgoing, incoming=told.incoming)


if __name__ == "__main__":
    run(_told)
