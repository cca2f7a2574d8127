"""Looks again and again at where the primaries are, and at once when something speaks for a change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Protocol

import structlog

INTERVAL_S = 1.0  # a client learns of a failover this much after it, where no call fails
HURRY_S = 0.2  # between looks, however much fails meanwhile
BRIEF_S = 0.3  # for a call that waits for a look: one who does not answer must not hold it up
LOOK_S = 1.0  # whoever has not answered by then is passed over

log = structlog.get_logger(__name__)


class Topology(Protocol):
    """What knows where the primaries are; `version` grows whenever that changes."""

    version: int

    async def look(self) -> None:
        """Ask once, for LOOK_S at most; tell `followers` where anything changed."""

    async def aclose(self) -> None: ...


class Watch:
    """The one who asks a topology, for any number of connections.

    `followers` are called after each look. A look that fails changes nothing: the next one comes.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._followers: set[Callable[[], Awaitable[None]]] = set()
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def follow(self, follower: Callable[[], Awaitable[None]]) -> None:
        """Call `follower` after each look; it tells by itself whether anything concerns it."""
        self._followers.add(follower)

    def leave(self, follower: Callable[[], Awaitable[None]]) -> None:
        self._followers.discard(follower)

    def begin(self) -> None:
        """Watch from now on, where that is not done already."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch(), context=Context())

    def hurry(self) -> None:
        """Look soon: a call failed in a way that another primary may explain."""
        self._hurry.set()

    async def changed_since(self, version: int) -> bool:
        """Look now, for BRIEF_S; whether another primary than that of `version` is known after it."""
        if self.topology.version == version:
            await self._look(BRIEF_S)
        return self.topology.version != version

    async def aclose(self) -> None:
        tasks = [it for it in (self._task, self._looking) if it is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.topology.aclose()

    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(HURRY_S)
            try:
                async with asyncio.timeout(INTERVAL_S - HURRY_S):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            self._hurry.clear()

    async def _look(self, longest_s: float | None = None) -> None:
        """One look at a time, shared by all who want one."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._once(), context=Context())
        await asyncio.wait((self._looking,), timeout=longest_s)

    async def _once(self) -> None:
        try:
            await self.topology.look()
            await asyncio.gather(*(it() for it in tuple(self._followers)))
        except Exception as error:  # whatever a server answers, the next look comes
            log.warning("topology_look_failed", error=repr(error))
        finally:
            self._looking = None
