"""A tenant's control partition: versioned records, lists and timers that change together or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgpack
from msgspec import Struct

from handoff.codec.records import decode_as, encode_record
from handoff.domain.errors import HandoffError
from handoff.store.connection import Connection
from handoff.store.functions.library import Functions
from handoff.store.keys import ControlKeys
from handoff.store.resp.commands import Reads
from handoff.store.sealing.control_seal import ControlSeal
from handoff.store.sealing.sealing import Sealing

T = TypeVar("T")


class Changed(HandoffError):
    """Another writer changed a record first: read again and decide again."""

    code = "changed"
    retryable = True


class Versioned(Struct, frozen=True):
    """A record's bytes and its version; version 0 means that it does not exist."""

    version: int
    blob: bytes


ABSENT = Versioned(0, b"")
SMALL = 64  # bytes of a value that a change may write besides what it deletes, such as a mark


def pack_record(version: int, value: Any) -> bytes:
    return version.to_bytes(8, "big") + encode_record(value)


def read_versioned(raw: bytes | None) -> Versioned:
    return Versioned(int.from_bytes(raw[:8], "big"), raw[8:]) if raw else ABSENT


def decode_record(raw: bytes, type_: type[T]) -> T:
    """The value of a stored record (with its version in front)."""
    return decode_as(raw[8:], type_)


class Change:
    """The checks and writes of one commit, collected step by step."""

    def __init__(self) -> None:
        self.keys: dict[bytes, int] = {}
        self._parts: tuple[list[Any], ...] = ([], [], [], [], [], [], [])

    def _key(self, key: bytes) -> int:
        return self.keys.setdefault(key, len(self.keys) + 1)

    def expect(self, key: bytes, version: int) -> Change:
        """Refuse the commit unless the record has this version (0: does not exist)."""
        self._parts[0].append((self._key(key), version))
        return self

    def put(self, key: bytes, version: int, value: Any) -> Change:
        self._parts[1].append((self._key(key), pack_record(version, value)))
        return self

    def drop(self, key: bytes) -> Change:
        self._parts[2].append((self._key(key),))
        return self

    def add(self, key: bytes, score: int, member: bytes) -> Change:
        self._parts[3].append((self._key(key), str(score), member))
        return self

    def remove(self, key: bytes, member: bytes) -> Change:
        self._parts[4].append((self._key(key), member))
        return self

    def keep(self, key: bytes, value: bytes, seconds: int = 0) -> Change:
        """Write the value where there is none; it goes after `seconds`, 0: never."""
        self._parts[5].append((self._key(key), value, seconds))
        return self

    def post(self, key: bytes, payload: bytes) -> Change:
        """Append to an outbox."""
        self._parts[6].append((self._key(key), payload))
        return self

    @property
    def erases(self) -> bool:
        """Whether it deletes records and writes a few bytes at most: a full store takes such a change too."""
        _checks, puts, drops, adds, _removes, keeps, posts = self._parts
        small = all(len(value) <= SMALL for _key, value in puts)
        return bool(drops) and small and not (adds or keeps or posts)

    def program(self, seal: ControlSeal) -> bytes:
        # Lua's cmsgpack knows the format without its binary type.
        packed: bytes = msgpack.packb(self._sealed(seal), use_bin_type=False)
        return packed

    def _sealed(self, seal: ControlSeal) -> tuple[list[Any], ...]:
        if not seal.on:
            return self._parts
        checks, puts, drops, adds, removes, keeps, posts = self._parts
        names = list(self.keys)
        puts = [(at, seal.seal_record(names[at - 1], value)) for at, value in puts]
        keeps = [(at, seal.seal_kept(names[at - 1], value), seconds) for at, value, seconds in keeps]
        posts = [(at, seal.seal(names[at - 1], payload)) for at, payload in posts]
        return checks, puts, drops, adds, removes, keeps, posts


class ControlReads:
    """Reads of one tenant's control partition."""

    def __init__(self, reads: Reads, tenant: str, sealing: Sealing | None) -> None:
        self.reads = reads
        self.keys = ControlKeys(tenant)
        self.tenant = tenant
        self.seal = ControlSeal(sealing, tenant)
        self._sealing = sealing

    def through(self, reads: Reads) -> ControlReads:
        """The same partition, read through `reads`."""
        return ControlReads(reads, self.tenant, self._sealing)

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The records at the keys, their versions in front; one round trip."""
        if not keys:
            return []
        (found,) = await self.reads.answers([(b"MGET", *keys)])  # one slot holds a tenant's control partition
        return list(map(self.seal.open_record, keys, found)) if self.seal.on else list(found)

    async def kept(self, key: bytes) -> bytes | None:
        """A value that `Change.keep` wrote."""
        found = await self.value(key)
        return None if found is None else self.seal.open_kept(key, found)

    async def ids(
        self, key: bytes, *, limit: int, newest_first: bool = True, below: int | None = None
    ) -> list[tuple[bytes, int]]:
        """Members of a list with their scores, in order, at most `limit`.

        `below` is the `mark` of the last entry of the page before: several may have one score. One round
        trip, unless more than a few have the score that the page begins with.
        """
        found: list[tuple[bytes, int]] = []
        start, count = 0, limit + (TIES if below is not None else 0)
        while True:
            (reply,) = await self.reads.answers([_listed(key, newest_first, below, start, count)])
            entries = read_scored(reply)
            found += [entry for entry in entries if below is None or _beyond(entry, below, newest_first)]
            if len(found) >= limit or len(entries) < count:
                return found[:limit]
            start += count

    async def count(self, key: bytes) -> int:
        """How many members a list has."""
        (count,) = await self.reads.answers([(b"ZCARD", key)])
        return int(count)

    async def newest(self, keys: Sequence[bytes], limit: int | None) -> list[bytes]:
        """The newest members of several lists, list by list, at most `limit` of each (None: all of them).

        One round trip.
        """
        last = limit - 1 if limit else -1
        replies = await self.reads.answers([(b"ZRANGE", key, 0, last, b"REV") for key in keys])
        return [member for reply in replies for member in reply]

    async def oldest(self, key: bytes) -> list[bytes]:
        """All members of a list, oldest first."""
        (members,) = await self.reads.answers([(b"ZRANGE", key, 0, -1)])
        return list(members)

    async def up_to(self, key: bytes, score: int, *, start: int, limit: int) -> list[bytes]:
        """Members of a list with at most this score, lowest first: `limit` of them, after `start` others."""
        command = (b"ZRANGE", key, b"-inf", score, b"BYSCORE", b"LIMIT", start, limit)
        (members,) = await self.reads.answers([command])
        return list(members)

    async def value(self, key: bytes) -> bytes | None:
        """A value that `Change.keep` or `Change.put` wrote, as it is stored."""
        (found,) = await self.reads.answers([(b"GET", key)])
        return bytes(found) if found is not None else None

    async def clock(self) -> int:
        """The store's clock in µs."""
        (reply,) = await self.reads.answers([(b"TIME",)])
        return int(reply[0]) * 1_000_000 + int(reply[1])


class Control(ControlReads):
    """Reads and commits of one tenant's control partition."""

    def __init__(
        self, connection: Connection, functions: Functions, tenant: str, sealing: Sealing | None = None
    ) -> None:
        super().__init__(connection, tenant, sealing)
        self.connection = connection
        self._functions = functions

    async def commit(self, change: Change) -> None:
        """Apply the change. Changed when a version is not the expected one; then nothing happened."""
        operation = "erase" if change.erases else "commit"
        answer = await self._functions.call(operation, list(change.keys), [change.program(self.seal)])
        if answer[0] != 1:
            raise Changed("another writer changed a record first")


async def count_lists(connection: Connection, keys: Sequence[bytes]) -> list[int | None]:
    """The size of each list, of any tenants; None where one could not be read. One round trip."""
    counts = await connection.pipeline([(b"ZCARD", key) for key in keys])
    return [count if isinstance(count, int) else None for count in counts]


TIES = 8  # further entries read because several may share the score of the page's start


def mark(entry: tuple[bytes, int]) -> int:
    """A number for an entry's place in a list: by score, then by member (16 bytes)."""
    member, score = entry
    return score << 128 | int.from_bytes(member, "big")


def _beyond(entry: tuple[bytes, int], below: int, newest_first: bool) -> bool:
    return mark(entry) < below if newest_first else mark(entry) > below


def _listed(key: bytes, newest_first: bool, below: int | None, start: int, count: int) -> tuple[Any, ...]:
    bound = b"%d" % (below >> 128) if below is not None else (b"+inf" if newest_first else b"-inf")
    ends = (bound, b"-inf", b"BYSCORE", b"REV") if newest_first else (bound, b"+inf", b"BYSCORE")
    return (b"ZRANGE", key, *ends, b"LIMIT", start, count, b"WITHSCORES")


def read_scored(reply: Any) -> list[tuple[bytes, int]]:
    """A WITHSCORES reply in either protocol's shape: pairs, or members and scores in turn."""
    if reply and isinstance(reply[0], list | tuple):
        return [(member, int(float(score))) for member, score in reply]
    items = list(reply)
    return [(member, int(float(score))) for member, score in zip(items[::2], items[1::2], strict=True)]
