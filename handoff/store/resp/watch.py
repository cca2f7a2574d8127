"""Watches where the primaries are: every second, and immediately when a call fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Protocol

import structlog

INTERVAL_S = 1.0  # a client learns of a failover this much after it, where no call fails
HURRY_S = 0.2  # between looks, however much fails meanwhile
BRIEF_S = 0.3  # for a call that waits for a look: a silent server must not hold it up
LOOK_S = 1.0  # a server that has not answered by then is ignored

log = structlog.get_logger(__name__)


class Topology(Protocol):
    """Knows where the primaries are; `version` grows whenever that changes."""

    version: int

    async def look(self) -> None:
        """Ask the servers once, for LOOK_S at most."""

    async def aclose(self) -> None: ...


class TopologyWatch:
    """Asks a topology, for any number of connections.

    `followers` are called after each look. A look that fails changes nothing: the next one comes.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._followers: set[Callable[[], Awaitable[None]]] = set()
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def follow(self, follower: Callable[[], Awaitable[None]]) -> None:
        """Call `follower` after each look; it finds out by itself whether anything changed."""
        self._followers.add(follower)

    def leave(self, follower: Callable[[], Awaitable[None]]) -> None:
        self._followers.discard(follower)

    def begin(self) -> None:
        """Start watching, unless it has started."""
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
        """One look at a time, shared by all callers."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._once(), context=Context())
        await asyncio.wait((self._looking,), timeout=longest_s)

    async def _once(self) -> None:
        try:
            await self.topology.look()
            await asyncio.gather(*(it() for it in tuple(self._followers)))
        except Exception as error:  # whatever a server answers, the next look follows
            log.warning("topology_look_failed", error=repr(error))
        finally:
            self._looking = None
