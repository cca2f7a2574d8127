"""The scan of all identities of a store, in steps, so that another worker can continue where one ended.

The keys name no tenant. A record's plain value proves whose it is: hashed for the right tenant it gives the
key. The scan goes over the keys of the server, so it needs no list and no memory per identity.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from handoff.store.connection import Connection
from handoff.store.keys import Keys
from handoff.store.repositories.identities import HOLD
from handoff.store.sealing.sealing import FIELD, open_value

AT_ONCE = 1000  # keys that the server looks at in a step: about a millisecond of its time
_HASH = 16


class ScanPlace(Struct, frozen=True, kw_only=True):
    """The place where a scan continues. A cursor is good only on the server process that gave it."""

    part: int = 0
    cursor: int = 0
    server: str = ""


class ScannedRecord(Struct, frozen=True):
    """A record that the scan met: its identity's hash, plain value, head, and time of the first recording.

    The plain value is empty where it is sealed and does not open.
    """

    home: bytes
    plain: bytes
    head: bytes
    recorded: bytes


class ScanStep(Struct, frozen=True):
    """The records of one step. `next` is None after the last one."""

    records: Sequence[ScannedRecord]
    next: ScanPlace | None


class IdentityScan:
    """Scans the records of all identities. One that is there all the time is met at least
    once, unless it is under a legal hold."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        # On a Cluster a pattern with one tag is scanned on one slot only, and goes where the slot goes.
        self._parts: list[int | None] = list(range(keys.partitions)) if connection.cluster else [None]

    async def step(self, place: ScanPlace, at_once: int = AT_ONCE) -> ScanStep:
        """The next records. Two round trips. A part begins again where its server was replaced."""
        part = self._parts[place.part]
        start = self._keys.records(part)
        scan = (b"SCAN", place.cursor, b"MATCH", start + b"?" * _HASH, b"COUNT", at_once, b"TYPE", b"hash")
        (cursor, names), info = await self._connection.pipeline(
            [scan, (b"INFO", b"server")], keys=[start, start]
        )
        server = _run_id(info)
        if place.cursor and place.server != server:
            return ScanStep((), ScanPlace(part=place.part, server=server))
        found = await self._records([it for it in names if _is_record(it)])
        if int(cursor):
            return ScanStep(found, ScanPlace(part=place.part, cursor=int(cursor), server=server))
        last = place.part + 1 >= len(self._parts)
        return ScanStep(found, None if last else ScanPlace(part=place.part + 1))

    async def _records(self, names: Sequence[bytes]) -> list[ScannedRecord]:
        wanted = (b"v", FIELD, b"h", b"f", HOLD)
        replies = await self._connection.answers([(b"HMGET", it, *wanted) for it in names])
        return [
            ScannedRecord(home, self._plain(home, stored, wrapped), head or b"", first or b"")
            for name, (stored, wrapped, head, first, hold) in zip(names, replies, strict=True)
            if stored is not None and hold is None
            for home in (name[-_HASH:],)
        ]

    def _plain(self, home: bytes, stored: bytes, wrapped: bytes | None) -> bytes:
        sealing = self._keys.sealing
        if sealing is None:
            return stored
        return open_value(sealing.passing_key(home, wrapped), home, stored) or b""


def _is_record(name: bytes) -> bool:
    """Whether a key is `{number}n` and a hash."""
    tag = name[: -_HASH - 1]
    return name[-_HASH - 1 : -_HASH] == b"n" and tag[:1] == b"{" and tag[-1:] == b"}" and tag[1:-1].isdigit()


def _run_id(info: object) -> str:
    if isinstance(info, dict):
        return str(info.get("run_id", ""))
    text = info.decode(errors="replace") if isinstance(info, bytes) else str(info)
    return text.partition("run_id:")[2].split("\n", 1)[0].strip()
