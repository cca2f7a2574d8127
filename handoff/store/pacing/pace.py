"""Long work on the event loop, in slices: other requests are served between two of them.

Every second round of the event loop has room for one slice of long work of all tenants together. Work that
ends with its first step needs no turn. Tenants with long work take turns. Within a tenant, started work
continues before other work starts, so a tenant's long reads run one after the other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

SLICE_S = 0.0005  # a request needs the loop about four times, and waits for half as many slices
AT_ONCE = 16  # values that `each` makes between two looks at the clock

T = TypeVar("T")
R = TypeVar("R")


class Pace:
    """The long work of a worker. `whose` is the tenant that it is done for."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._until = 0.0
        """The end of this round's slice; 0 if nobody has had one."""
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By tenant; the first one has the next turn."""
        self._granted = False
        self._rested = False
        """Whether the last round had no slice."""
        self._ticking = False

    async def run(self, whose: str, steps: Generator[None, None, T]) -> T:
        """The result of work that yields after each of its steps, which are short."""
        started = False
        try:
            next(steps)
            while True:
                if not self._has_time():
                    await self._wait(whose, started=started)
                    started = True
                next(steps)
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            steps.close()  # of a request that was cancelled

    async def each(self, whose: str, make: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results of `make` for each item, in order."""
        if len(items) <= AT_ONCE:
            return [make(it) for it in items]
        return await self.run(whose, _each(make, items))

    async def breathe(self, whose: str) -> None:
        """Between two steps of a loop that may take long: wait if this round's slice is over.

        Such loops may run for minutes: each time, they wait behind everything else of the tenant.
        """
        if not self._has_time():
            await self._wait(whose, started=False)

    def _has_time(self) -> bool:
        if self._until:
            return self._clock() < self._until
        if self._waiting or self._granted:
            return False
        self._until = self._clock() + SLICE_S
        self._tick_soon()
        return True

    async def _wait(self, whose: str, *, started: bool) -> None:
        """Return at the start of this work's next slice."""
        turn = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(whose, deque())
        if started:
            waiting.appendleft(turn)
        else:
            waiting.append(turn)
        self._tick_soon()
        await turn
        self._until = self._clock() + SLICE_S

    def _tick_soon(self) -> None:
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        """Begin a round: grant the next slice, which starts before the next tick, or leave it to others."""
        self._until = 0.0
        self._granted = self._rested and self._grant()
        self._rested = not self._granted
        self._ticking = False
        if self._granted or self._waiting:
            self._tick_soon()

    def _grant(self) -> bool:
        while self._waiting:
            whose = next(iter(self._waiting))
            waiting = self._waiting.pop(whose)
            while waiting and waiting[0].done():  # a request that was cancelled has left
                waiting.popleft()
            if not waiting:
                continue
            waiting.popleft().set_result(None)
            if waiting:  # behind the other tenants
                self._waiting[whose] = waiting
            return True
        return False


def _each(make: Callable[[T], R], items: Sequence[T]) -> Generator[None, None, list[R]]:
    made: list[R] = []
    for at in range(0, len(items), AT_ONCE):
        if at:
            yield
        made += [make(it) for it in items[at : at + AT_ONCE]]
    return made
