"""The records of identities, and what agents write into them."""

from __future__ import annotations

from handoff.domain.clock import Micros
from handoff.store.connection import Connection
from handoff.store.functions.library import Functions
from handoff.store.keys import Keys
from handoff.store.resp.commands import Reads

from .components import EvidenceReader
from .identities import NOT_SHARED, SHARED


class People:
    """Reads of identity records by their hashes, and the mark of a shared identity."""

    def __init__(self, connection: Connection, functions: Functions, keys: Keys) -> None:
        self._connection = connection
        self._functions = functions
        self._keys = keys

    def reader(self, reads: Reads | None = None) -> EvidenceReader:
        """A reader for one answer; `reads` replaces the connection where the reads are logged."""
        return EvidenceReader(reads or self._connection, self._keys)

    async def clock(self, identity: bytes) -> Micros:
        """The clock of the server that holds an identity, in µs."""
        seconds, micros = await self._connection.call(b"TIME", key=self._keys.record(identity))
        return int(seconds) * 1_000_000 + int(micros)

    async def mark_shared(self, identity: bytes, attribution: bytes, *, shared: bool) -> None:
        """Mark an identity as shared by several people, or as not shared; durable. One round trip."""
        key = self._keys.record(identity)
        self._functions.gate.check()
        value = (SHARED if shared else NOT_SHARED) + attribution
        await self._connection.call_durable(b"HSET", key, b"s", value, key=key)
