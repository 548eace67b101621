"""A kind is added exactly as `docs/how-to/add-a-kind.md` says, and runs on the real bus: no other file is touched.

The project is copied, the files of `docs/examples/add_a_kind` are laid over the copy, and the copy's own generic tests
and a bus of its own are run with the kind.
"""

from pathlib import Path

import pytest

from tests.support.laid_over import laid_over, run

GENERIC = ("tests/unit/services/kernel", "tests/contract", "tests/unit/events")

PLAY = """
import asyncio, json, sys
from pathlib import Path

from connectors.http.client import AgencyClient, new_event, new_id
from contracts.canonical import canonical
from events.registry import facts
from services.cli.stack import Stack
from tests.support.agencies import known

EXAMPLES = Path("contracts/examples")


def fact(name):
    type_ = f"cn.liandong.loan.{name}.v1"
    data = json.loads((EXAMPLES / type_ / "valid-example.json").read_text(encoding="utf-8"))["data"]
    # The examples are of a day of their own; a loan is agreed for a day to come.
    data |= {"return_by": "2099-12-30"} if "return_by" in data else {}
    return facts()[type_].model_validate_json(canonical(data))


def complete(timeline):
    return timeline["sequence"] == 3 and len(timeline["clocks"]) == 2


async def main(stack, keys):
    exchange = new_id()
    async with (
        AgencyClient(stack.url, keys["310112-cg"], stack.bus) as borrower,
        AgencyClient(stack.url, keys["310118-cg"], stack.bus) as lender,
    ):
        for who, name in ((borrower, "requested"), (lender, "lent"), (borrower, "returned")):
            thread = {"case": "SYN-2026-借用-1", "home": stack.bus} if name == "requested" else {}
            answer = await who.submit(new_event(who.key, fact(name), exchange=exchange, **thread), wait=20)
            assert answer.status == 201, answer.body
        again = await lender.submit(new_event(lender.key, fact("lent"), exchange=exchange), wait=20)
        assert (again.status, again.code) == (409, "illegal-move"), again.body
        # The first clock starts with the delivery, of which audit learns by itself.
        async with asyncio.timeout(20):
            while (answer := await lender.timeline(exchange=exchange)).status != 200 or not complete(answer.json):
                await asyncio.sleep(0.1)
        clocks = [(clock["rule"], clock["state"]) for clock in answer.json["clocks"]]
        print(json.dumps({"status": answer.json["status"], "clocks": clocks}))


with Stack(Path(sys.argv[1])) as stack:
    keys = known(("310112-cg", "310118-cg"), stack.keys, stack.contracts)
    asyncio.run(main(stack, keys))
"""


@pytest.fixture(scope="module")
def copied(scratch: Path) -> Path:
    """The project with the kind laid over it, its schemas and pages drawn."""
    tree = scratch / "with-a-loan"
    assert laid_over(tree, "add_a_kind") == set(), "a kind adds files and edits none"
    run(tree, "-m", "contracts.schemas", "--write")
    run(tree, "-m", "services.kernel.reference", "docs/reference")
    run(tree, "-m", "contracts.clock_reference", "docs/reference/clocks.md")
    return tree


def test_the_generic_tests_take_the_kind_as_it_is(copied: Path) -> None:
    said = run(copied, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "loan or Loan", *GENERIC)
    passed = int(said.rsplit(" passed", 1)[0].rsplit(None, 1)[-1])
    assert passed >= 30, said


def test_the_kind_runs_on_the_real_bus(copied: Path, scratch: Path) -> None:
    (copied / "play.py").write_text(PLAY, encoding="utf-8")
    said = run(copied, "play.py", str(scratch / "loan"))
    assert said.splitlines()[-1] == '{"status": "returned", "clocks": [["ZB-01", "met"], ["ZB-02", "met"]]}'
