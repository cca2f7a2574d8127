"""When each of a tenant's sources was last heard, and how much of each is quarantined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.store.connection import Connection
from handoff.store.keys import ControlKeys
from handoff.store.repositories.identities import as_mapping
from handoff.store.resp.commands import Command


class SourceActivity(Struct, frozen=True):
    """`last_heard` by source, and the number of quarantined items of each source that was asked about."""

    last_heard: Mapping[str, Micros]
    quarantined: Sequence[int]


class SourceRecords:
    """The activity of one tenant's sources."""

    def __init__(self, connection: Connection, keys: ControlKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def save(self, last_heard: Mapping[str, Micros]) -> None:
        """Store when sources were last heard; one round trip."""
        pairs = [part for name, at in last_heard.items() for part in (name.encode(), b"%d" % at)]
        await self._connection.call(b"HSET", self._keys.sources(), *pairs)

    def commands(self, names: Sequence[str], *, since: Micros | None) -> tuple[Command, ...]:
        """The commands that read the activity of sources; `decode` takes their answers.

        `since` is the time from which quarantined items count; None counts all.
        """
        low: bytes | int = since if since is not None else b"-inf"
        counts = ((b"ZCOUNT", self._keys.set(f"quarantine:{name}"), low, b"+inf") for name in names)
        return ((b"HGETALL", self._keys.sources()), *counts)

    @staticmethod
    def decode(answers: Sequence[Any]) -> SourceActivity:
        last_heard = {name.decode(): int(at) for name, at in as_mapping(answers[0]).items()}
        return SourceActivity(last_heard, answers[1:])
