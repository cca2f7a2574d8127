"""Counts or refuses the reads of a running server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from handoff.domain.errors import StoreUnavailable
from handoff.services.context.completeness import Assessment, Monitor
from handoff.store.reads import Command, Prepared

Wanted = Callable[[Sequence[Command]], bool]
"""Whether a round trip is one of those that a test counts or refuses."""


def of_a_page(commands: Sequence[Command]) -> bool:
    """A page of timelines, oldest first."""
    return any(map(_ascending, commands))


def of_a_later_page(commands: Sequence[Command]) -> bool:
    """A page of timelines, oldest first, after the first one."""
    return any(_ascending(it) and bytes(it[2]).startswith(b"(") for it in commands)


def of_places(commands: Sequence[Command]) -> bool:
    """Single entries of timelines, by their places."""
    return any(it[0] == b"ZRANGE" and _exact(it) for it in commands)


def _ascending(command: Command) -> bool:
    return command[0] == b"ZRANGE" and b"REV" not in command and not _exact(command)


def _exact(command: Command) -> bool:
    return bytes(command[2]).startswith(b"[")


class WatchedReads:
    """The connection of a store that counts its `wanted` round trips and refuses those after `allowed`."""

    def __init__(self, connection: Any, wanted: Wanted, *, allowed: int | None = None) -> None:
        self._connection = connection
        self._wanted = wanted
        self._allowed = allowed
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def answers(self, commands: Sequence[Command]) -> list[Any]:
        if commands and self._wanted(commands):
            if self.asked == self._allowed:
                raise StoreUnavailable("the store is gone")
            self.asked += 1
        return list(await self._connection.answers(commands))


class NoValidation:
    """The connection of a store that refuses to validate what is cached."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def answers_to(self, _batch: Prepared) -> list[Any]:
        raise StoreUnavailable("the store is gone")


class CountingMonitor:
    """A monitor that counts assembled contexts: each asks once whether its records are complete."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.assembled = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._monitor, name)

    async def completeness(self, tenant: str, **given: Any) -> Assessment:
        self.assembled += 1
        return await self._monitor.completeness(tenant, **given)
