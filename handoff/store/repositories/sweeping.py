"""Everything in a tenant's control partition, kind by kind, for jobs that must look at all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from handoff.store.connection import Connection
from handoff.store.keys import ControlKeys

_NAMED = {b"s": 32, b"y": 16, b"q": 32, b"de": 16}
"""Bytes of the id behind the letters of each kind."""


class ControlSweep:
    """Reads the values of a kind, and removes or replaces them."""

    def __init__(self, connection: Connection, keys: ControlKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def values(self, kind: bytes, at_once: int) -> AsyncIterator[tuple[bytes, bytes]]:
        """The keys of a kind with their values. What is written meanwhile may be missing."""
        start = self._keys.tag + kind
        cursor: bytes | int = 0
        while True:
            cursor, keys = await self._connection.call(
                b"SCAN", cursor, b"MATCH", _literal(start) + b"*", b"COUNT", 10 * at_once, key=start
            )
            wanted = [it for it in keys if len(it) == len(start) + _NAMED[kind]]
            for at in range(0, len(wanted), at_once):
                some = wanted[at : at + at_once]
                (found,) = await self._connection.answers([(b"MGET", *some)])
                for key, raw in zip(some, found, strict=True):
                    if raw is not None:
                        yield key, raw
            if int(cursor) == 0:
                return

    async def drop(self, key: bytes) -> bool:
        return bool(await self._connection.call_durable(b"DEL", key, key=key))

    async def replace(self, key: bytes, value: bytes) -> bool:
        """Replace a value that is still there; it ends when it would have."""
        answer = await self._connection.call_durable(b"SET", key, value, b"XX", b"KEEPTTL", key=key)
        return answer is not None

    async def outbox(self, at_once: int) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        """The entries of the control outbox with their payloads, in pages."""
        stream, start = self._keys.outbox(), b"-"
        while True:
            entries = await self._connection.call(
                b"XRANGE", stream, start, b"+", b"COUNT", at_once, key=stream
            )
            if not entries:
                return
            yield [(id_, _payload(fields)) for id_, fields in entries]
            start = b"(" + entries[-1][0]

    async def drop_entries(self, ids: Sequence[bytes]) -> int:
        stream = self._keys.outbox()
        return int(await self._connection.call_durable(b"XDEL", stream, *ids, key=stream)) if ids else 0


def _payload(fields: Sequence[bytes]) -> bytes:
    """The value of an entry's only field, in either protocol's shape."""
    return fields[1] if len(fields) > 1 else b""


def _literal(text: bytes) -> bytes:
    """A pattern that matches the text itself."""
    return b"".join(b"\\" + bytes((it,)) if it in b"*?[]\\^" else bytes((it,)) for it in text)
