"""Everything in a tenant's control partition, kind by kind, for jobs that must look at all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from handoff.store.connection import Connection
from handoff.store.keys import ControlKeys
from handoff.store.sealing.control_seal import ControlSeal

_NAMED = {b"s": 32, b"y": 16, b"q": 16, b"h": 16, b"de": 16, b"da": 32}
"""Bytes of the id behind the letters of each kind."""
_LISTS = frozenset({b"da"})
_RECORDS = frozenset({b"q", b"h"})
_KEPT = frozenset({b"s", b"de"})


class ControlSweep:
    """Reads the values of the kinds that may hold people's data, and removes or replaces them.

    Values that the tenant's key seals are in clear here, except kept answers: their bodies have a seal of
    their own.
    """

    def __init__(self, connection: Connection, keys: ControlKeys, seal: ControlSeal) -> None:
        self._connection = connection
        self._keys = keys
        self._seal = seal

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
                    value = self._opened(kind, key, raw) if raw else None
                    if value is not None:
                        yield kind, key, value
            if int(cursor) == 0:
                return

    def _opened(self, kind: bytes, key: bytes, raw: Any) -> bytes | None:
        """The value in clear; None if it does not open, so that nobody can read it."""
        seal, id_ = self._seal, key[len(self._keys.tag) + len(kind) :]
        if kind in _LISTS:
            found = [value for it in raw if (value := seal.open(id_, it)) is not None]
            return b"\n".join(found) or None
        if kind in _RECORDS:
            return seal.open_record(key, raw)
        if kind in _KEPT:
            return seal.open_kept(_kept_at(kind, key, id_), raw)
        return bytes(raw)

    async def drop(self, key: bytes) -> bool:
        return bool(await self._connection.call_durable(b"DEL", key, key=key))

    async def replace(self, key: bytes, value: bytes) -> bool:
        """Replace a kept answer or a message that is still there; it ends when it would have."""
        kind = _kind_of(key[len(self._keys.tag) :])
        if kind in _KEPT:
            value = self._seal.seal_kept(_kept_at(kind, key, key[len(self._keys.tag) + len(kind) :]), value)
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
            payloads = [(id_, self._seal.open(stream, _payload(fields))) for id_, fields in entries]
            yield [(id_, payload) for id_, payload in payloads if payload is not None]
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


def _kept_at(kind: bytes, key: bytes, id_: bytes) -> bytes:
    """The place that a compressed value is sealed for: an event's id as in the queues, a snapshot's key."""
    return id_ if kind == b"de" else key


def _payload(fields: Sequence[bytes]) -> bytes:
    """The value of an entry's only field, in either protocol's shape."""
    return fields[1] if len(fields) > 1 else b""


def _literal(text: bytes) -> bytes:
    """A pattern that matches the text itself."""
    return b"".join(b"\\" + bytes((it,)) if it in b"*?[]\\^" else bytes((it,)) for it in text)
