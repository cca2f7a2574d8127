"""Everything in a tenant's control partition, kind by kind, for jobs that must look at all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from handoff.store.connection import Connection
from handoff.store.keys import ControlKeys

_NAMED = {b"s": 32, b"y": 16, b"q": 16, b"h": 16, b"de": 16, b"da": 32}
"""Bytes of the id behind the letters of each kind."""
_LISTS = frozenset({b"da"})


class ControlSweep:
    """Reads the values of the kinds that may hold people's data, and removes or replaces them."""

    def __init__(self, connection: Connection, keys: ControlKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def values(self, at_once: int) -> AsyncIterator[tuple[bytes, bytes, bytes]]:
        """All values with their kinds and keys. Values that are written meanwhile may be missing."""
        tag = self._keys.tag
        cursor: bytes | int = 0
        while True:
            cursor, keys = await self._connection.call(
                b"SCAN", cursor, b"MATCH", _literal(tag) + b"*", b"COUNT", 10 * at_once, key=tag
            )
            wanted = [(kind, key) for key in keys if (kind := _kind_of(key[len(tag) :])) is not None]
            for at in range(0, len(wanted), at_once):
                some = wanted[at : at + at_once]
                commands = [
                    (b"LRANGE", key, 0, -1) if kind in _LISTS else (b"GET", key) for kind, key in some
                ]
                found = await self._connection.answers(commands)
                for (kind, key), raw in zip(some, found, strict=True):
                    if raw:
                        yield kind, key, b"\n".join(raw) if kind in _LISTS else raw
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


def _kind_of(rest: bytes) -> bytes | None:
    """The kind of a key without its tag; None for one that holds nothing of people."""
    for kind, size in _NAMED.items():
        if rest.startswith(kind) and len(rest) == len(kind) + size:
            return kind
    return None


def _payload(fields: Sequence[bytes]) -> bytes:
    """The value of an entry's only field, in either protocol's shape."""
    return fields[1] if len(fields) > 1 else b""


def _literal(text: bytes) -> bytes:
    """A pattern that matches the text itself."""
    return b"".join(b"\\" + bytes((it,)) if it in b"*?[]\\^" else bytes((it,)) for it in text)
