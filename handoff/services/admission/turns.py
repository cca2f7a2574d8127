"""Turns between tenants: one that calls more than a worker can serve delays itself, not the others."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

SEVERAL_S = 1.0  # a tenant counts as calling this long after its last request
READS = 2  # of a tenant in progress while several call: each may hold the event loop for milliseconds


class Neighbours:
    """Whether several tenants call at present."""

    __slots__ = ("_clock", "_last", "_until")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = ""
        self._until = 0.0

    def note(self, tenant: str) -> None:
        """This tenant has sent a request."""
        if tenant != self._last:
            if self._last:
                self._until = self._clock() + SEVERAL_S
            self._last = tenant

    def several(self) -> bool:
        if self._until and self._clock() >= self._until:
            self._until = 0.0
        return self._until > 0


class Turns:
    """Reads in progress, by tenant. While several tenants call, the others of a tenant wait, in order."""

    def __init__(self, neighbours: Neighbours | None = None) -> None:
        self._neighbours = neighbours or Neighbours()
        self._running: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def turn(self, tenant: str) -> Turn:
        """Wait for a turn, and hold it."""
        return Turn(self, tenant)

    async def enter(self, tenant: str) -> None:
        self._neighbours.note(tenant)
        running = self._running.get(tenant, 0)
        if running >= READS and self._neighbours.several():
            await self._wait(tenant)
        else:
            self._running[tenant] = running + 1

    async def _wait(self, tenant: str) -> None:
        """Return when a turn was passed on to this request."""
        passed = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(passed)
        try:
            await passed
        except asyncio.CancelledError:
            if not passed.cancelled():
                self.leave(tenant)
            raise

    def leave(self, tenant: str) -> None:
        """Pass the turn on; all waiting requests get one once no other tenant calls."""
        self._running[tenant] -= 1
        waiting = self._waiting.get(tenant, ())
        while waiting and (self._running[tenant] < READS or not self._neighbours.several()):
            passed = waiting.popleft()
            if not passed.done():
                passed.set_result(None)
                self._running[tenant] += 1
        if not waiting:
            self._waiting.pop(tenant, None)
        if not self._running[tenant]:
            del self._running[tenant]


class Turn:
    """A turn of a tenant, held inside `async with`. Every read takes one: a generator would cost more."""

    __slots__ = ("_tenant", "_turns")

    def __init__(self, turns: Turns, tenant: str) -> None:
        self._turns = turns
        self._tenant = tenant

    async def __aenter__(self) -> None:
        await self._turns.enter(self._tenant)

    async def __aexit__(self, *_exc: object) -> None:
        self._turns.leave(self._tenant)
