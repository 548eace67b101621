"""Many small questions to the database as few large ones."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[K, A, R]):
    """Makes one call of all that is asked for while the call before is under way.

    Who asks alone waits for nobody; under load the calls grow instead of their number. A call that fails fails for all
    who asked in it.
    """

    def __init__(self, call: Callable[[Mapping[K, A]], Awaitable[Mapping[K, R]]]) -> None:
        """`call` answers by key; a key that it leaves out has no answer."""
        self._call = call
        self._asked: dict[K, A] = {}
        self._next: asyncio.Task[Mapping[K, R]] | None = None
        self._last: asyncio.Task[Mapping[K, R]] | None = None

    async def ask(self, wanted: Mapping[K, A]) -> dict[K, R]:
        """The answers to these. Where two ask with one key, the first one's argument counts."""
        if self._next is None:
            self._next = self._last = asyncio.create_task(self._round(self._last))
        for key, argument in wanted.items():
            self._asked.setdefault(key, argument)
        answers = await asyncio.shield(self._next)
        return {key: answers[key] for key in wanted if key in answers}

    async def _round(self, before: "asyncio.Task[Mapping[K, R]] | None") -> Mapping[K, R]:
        if before is not None:
            await asyncio.wait({before})
        asked, self._asked, self._next = self._asked, {}, None
        return await self._call(asked)
