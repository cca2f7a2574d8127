"""Compaction of the embedded store's append-only file, so that it forgets what was erased.

The file keeps every write until Valkey rewrites it. An erasure asks for a rewrite, which happens at most once
in EVERY_S; a request in between is remembered.
"""

from __future__ import annotations

from handoff.store.connection import Connection
from handoff.store.errors import StoreError

EVERY_S = 3600
LAST, DUE = b"handoff:compacted", b"handoff:compaction-due"


class Compaction:
    """Compaction of one store; only the embedded one is ours to compact."""

    def __init__(self, connection: Connection, *, embedded: bool) -> None:
        self._connection = connection
        self._embedded = embedded

    async def ask(self, *, at_once: bool = False) -> None:
        """Ask for a rewrite; `at_once` does not wait for the hour to pass."""
        if not self._embedded:
            return
        await self._connection.call(b"SET", DUE, b"1", key=DUE)
        if at_once:
            await self._connection.call(b"DEL", LAST, key=LAST)
        await self.run_due()

    async def run_due(self) -> bool:
        """Begin a rewrite if one was asked for and the last one was long ago; whether it began."""
        if not self._embedded or not await self._connection.call(b"EXISTS", DUE, key=DUE):
            return False
        if await self._connection.call(b"SET", LAST, b"1", b"NX", b"EX", EVERY_S, key=LAST) is None:
            return False
        try:
            await self._connection.call(b"BGREWRITEAOF")
        except StoreError:  # one is running, which may have started before the erasure
            await self._connection.call(b"DEL", LAST, key=LAST)
            return False
        await self._connection.call(b"DEL", DUE, key=DUE)
        return True
