"""The HTTP connections of one worker: their number, and the deadlines of those that are slow.

aiohttp has no deadline for a request that never becomes complete. One timer looks at all connections, so
that a request costs nothing.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog
from msgspec import Struct

from handoff.adapter.admission import ByteBudget

BATCH = 20  # at the limit, a 20th of all connections is closed together

log = structlog.get_logger(__name__)


class WatchedConnection(Protocol):
    """One connection."""

    def is_overdue(self, now: float, deadlines: Deadlines) -> bool: ...

    def idle_rank(self) -> tuple[int, float] | None:
        """Which connections to close first: the lowest. None while a request is being processed."""
        ...

    def abort(self) -> None: ...


class Deadlines(Struct, frozen=True, kw_only=True):
    """Seconds after which a connection is closed."""

    head_s: float = 10.0
    """For a complete head, from its first byte."""
    body_s: float = 10.0
    """Without progress of a body."""
    stream_s: float = 60.0
    """Between the bytes of a known caller that streams, such as an import."""
    unread_s: float = 60.0
    """For a client to read any of its response."""
    new_s: float = 60.0
    """For the first byte of a connection: browsers open some in advance."""
    silent_s: float = 3630.0
    """Between two requests. As in aiohttp: longer than reverse proxies keep a connection."""
    sweep_s: float = 1.0


class Connections:
    """All open connections. `limit` is their highest number, `budget` what their requests may hold."""

    def __init__(self, limit: int, budget: ByteBudget, deadlines: Deadlines | None = None) -> None:
        self.deadlines = deadlines or Deadlines()
        self.budget = budget
        self._limit = limit
        self._open: set[WatchedConnection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: WatchedConnection) -> bool:
        """Watch a connection; False if there is no room for it, even after the idle ones were closed."""
        if len(self._open) >= self._limit and not self._make_room():
            return False
        self._open.add(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(self.deadlines.sweep_s, self._sweep)
        return True

    def discard(self, connection: WatchedConnection) -> None:
        self._open.discard(connection)

    def end(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    def _make_room(self) -> bool:
        """Close the connections that have waited longest: unfinished requests first, then idle ones."""
        ranked = [(rank, it) for it in self._open if (rank := it.idle_rank()) is not None]
        ranked.sort(key=lambda each: each[0])
        chosen = [it for _rank, it in ranked[: max(1, self._limit // BATCH)]]
        for connection in chosen:
            self._open.discard(connection)
            connection.abort()
        log.warning("connections_full", limit=self._limit, closed=len(chosen))
        return bool(chosen)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._open):
            if connection.is_overdue(now, self.deadlines):
                self._open.discard(connection)
                connection.abort()
        self._sweeping = loop.call_later(self.deadlines.sweep_s, self._sweep) if self._open else None
