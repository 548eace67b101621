"""Many askers, few calls."""

import asyncio
from collections.abc import Mapping

import pytest

from services.gateway.together import Together


class Calls:
    """Doubles what it is given, one call at a time, when it is let."""

    def __init__(self) -> None:
        self.made: list[dict[str, int]] = []
        self.let = asyncio.Event()
        self.running = 0

    async def __call__(self, asked: Mapping[str, int]) -> dict[str, int]:
        self.running += 1
        assert self.running == 1
        self.made.append(dict(asked))
        await self.let.wait()
        self.running -= 1
        if "bad" in asked:
            raise ValueError("bad")
        return {key: value * 2 for key, value in asked.items() if key != "unknown"}


async def ask_later(together: Together[str, int, int], wanted: Mapping[str, int]) -> "asyncio.Task[dict[str, int]]":
    task = asyncio.create_task(together.ask(wanted))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_asked_meanwhile_goes_into_one_call() -> None:
    calls = Calls()
    together = Together(calls)
    first = await ask_later(together, {"a": 1})
    others = [await ask_later(together, {f"b{n}": n}) for n in range(10)]
    assert calls.made == [{"a": 1}]
    calls.let.set()
    assert await first == {"a": 2}
    assert await asyncio.gather(*others) == [{f"b{n}": n * 2} for n in range(10)]
    assert len(calls.made) == 2


async def test_first_argument_of_a_key_counts_and_a_key_may_have_no_answer() -> None:
    calls = Calls()
    together = Together(calls)
    tasks = [await ask_later(together, wanted) for wanted in ({"x": 0}, {"a": 1, "unknown": 1}, {"a": 9})]
    calls.let.set()
    assert await asyncio.gather(*tasks) == [{"x": 0}, {"a": 2}, {"a": 2}]


async def test_a_failure_is_of_those_who_asked_in_that_call() -> None:
    calls = Calls()
    together = Together(calls)
    before, bad, worse = [await ask_later(together, wanted) for wanted in ({"a": 1}, {"bad": 1}, {"c": 1})]
    calls.let.set()
    assert await before == {"a": 2}
    for task in (bad, worse):
        with pytest.raises(ValueError, match="bad"):
            await task
    assert await together.ask({"d": 2}) == {"d": 4}


async def test_who_gives_up_does_not_take_the_others_along() -> None:
    calls = Calls()
    together = Together(calls)
    first = await ask_later(together, {"a": 1})
    quitter, patient = await ask_later(together, {"b": 1}), await ask_later(together, {"c": 1})
    quitter.cancel()
    first.cancel()
    calls.let.set()
    assert await patient == {"c": 2}
    assert calls.made[1] == {"b": 1, "c": 1}
