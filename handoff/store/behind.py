"""Work on the store that no request waits for: done soon, one thing at a time, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable

import structlog

from handoff.domain.errors import HandoffError
from handoff.store.errors import StoreError

DELAY_S = 0.05  # the answer that the work follows from leaves first
MAX_WAITING = 64

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[None]]


class WorkBehind:
    """Work that is waiting, by its name. A worker that ends forgets it."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Work] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def soon(self, name: Hashable, work: Work) -> None:
        """Do it soon, unless it is waiting already or too much is."""
        if name in self._waiting or len(self._waiting) >= MAX_WAITING:
            return
        self._waiting[name] = work
        if self._timer is None and self._task is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY_S, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._all())

    async def _all(self) -> None:
        try:
            while self._waiting:
                name = next(iter(self._waiting))
                await self._one(self._waiting.pop(name))
        finally:
            self._task = None

    async def _one(self, work: Work) -> None:
        try:
            await work()
        except (StoreError, HandoffError) as error:
            log.debug("work_behind_failed", error=type(error).__name__)

    async def done(self) -> None:
        """Do immediately what is waiting, and wait for what has started."""
        if self._timer is not None:
            self._timer.cancel()
            self._begin()
        if self._task is not None:
            await self._task

    async def aclose(self) -> None:
        """Forget what is waiting, and end what has started."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
