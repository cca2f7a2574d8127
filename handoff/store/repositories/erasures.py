"""Graves: what erased identities had, out of sight until it is deleted in steps.

An erasure moves all keys of an identity to a grave in one call. The identity's record then has only the time
of the erasure: earlier touchpoints are refused, later ones start a new history.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from msgspec import Struct

from handoff.codec.compression import SEALED
from handoff.codec.data_key import DataKey
from handoff.codec.member import PLACE, Member, pack_occurred, read_member, sealed_at
from handoff.domain.clock import Micros
from handoff.store.connection import Connection
from handoff.store.functions.library import Functions
from handoff.store.keys import Keys
from handoff.store.sealing.sealing import FIELD

from .identities import IdentityRecord, as_mapping, read_record
from .recorder import IDENTITY, Pointer
from .timelines import read_at

IDS_KEPT_S = 30 * 86400  # for senders that repeat an event with another time
AT_ONCE = 500  # entries a call: about 2 ms of the store's time
KINDS = b"tian"
"""The kinds of keys that are moved: timeline, index, arrivals, record."""
BIAS = 1 << 63


class Tombstone(Struct, frozen=True):
    """The last erasure of an identity."""

    erased_at: Micros
    job: bytes


class Graves:
    """The graves of one store, by home and job (16 bytes each)."""

    def __init__(self, connection: Connection, functions: Functions, keys: Keys) -> None:
        self._connection = connection
        self._functions = functions
        self._keys = keys

    async def bury(self, home: bytes, job: bytes, erased_at: Micros) -> int:
        """Take an identity out of sight, once; the number of its touchpoints."""
        arguments = [pack_occurred(erased_at), job]
        return int(await self._functions.call("timeline_bury", [self._keys.timeline(home)], arguments))

    async def clear(self, home: bytes, job: bytes) -> int:
        """Delete some of the touchpoints; the number of those left. The grave goes with the last one."""
        arguments: list[bytes | int | str] = [job, AT_ONCE, IDS_KEPT_S]
        answer = await self._functions.call("timeline_clear", [self._keys.timeline(home)], arguments)
        return int(answer[1])

    async def tombstones(self, homes: Sequence[bytes]) -> list[Tombstone | None]:
        """The tombstone of each identity, also of one that has a new history. One round trip."""
        if not homes:
            return []
        replies = await self._connection.answers([(b"HGET", self._keys.record(it), b"d") for it in homes])
        return [
            Tombstone(int.from_bytes(raw[:8], "big") - BIAS, raw[8:24]) if raw else None for raw in replies
        ]

    async def record(self, home: bytes, job: bytes) -> IdentityRecord | None:
        """The record in a grave, None once it is deleted."""
        key = self._keys.grave(b"n", job, home)
        fields = as_mapping(await self._connection.call(b"HGETALL", key, key=key))
        return read_record(home, fields, self._keys.sealing)

    async def _lock(self, home: bytes, job: bytes) -> DataKey | None:
        """The data key in a grave, if the store is sealed."""
        if self._keys.sealing is None:
            return None
        key = self._keys.grave(b"n", job, home)
        return self._keys.sealing.key(home, await self._connection.call(b"HGET", key, FIELD, key=key))

    async def members(self, home: bytes, job: bytes) -> AsyncIterator[list[Member]]:
        """The touchpoints in a grave, oldest first, in pages."""
        key, lock = self._keys.grave(b"t", job, home), await self._lock(home, job)
        after = b"-"
        while True:
            raws = await self._connection.call(
                b"ZRANGE", key, after, b"+", b"BYLEX", b"LIMIT", 0, AT_ONCE, key=key
            )
            if not raws:
                return
            yield [read_member(raw, home, lock) for raw in raws]
            after = b"(" + raws[-1]

    async def count_keys(self, homes: Sequence[bytes], job: bytes) -> int:
        """How many of the graves have a data key. One round trip."""
        keys = [self._keys.grave(b"n", job, home) for home in homes]
        return sum(map(int, await self._connection.answers([(b"HEXISTS", key, FIELD) for key in keys])))

    async def destroy_keys(self, homes: Sequence[bytes], job: bytes) -> None:
        """Destroy the data keys in graves: what is not deleted yet is noise from then on. Durable."""
        for home in homes:
            key = self._keys.grave(b"n", job, home)
            await self._connection.call_durable(b"HDEL", key, FIELD, key=key)

    async def forget(
        self, home: bytes, gone: bytes, places: Sequence[bytes], fields: Sequence[bytes] = ()
    ) -> int:
        """Remove references to an erased identity's touchpoints, and fields of the record; how many."""
        removed = 0
        for at in range(0, max(len(places), len(fields), 1), AT_ONCE):
            some, named = places[at : at + AT_ONCE], fields[at : at + AT_ONCE]
            arguments: list[bytes | int | str] = [gone, len(some), *some, *named]
            removed += int(
                await self._functions.call("timeline_forget", [self._keys.timeline(home)], arguments)
            )
        return removed

    async def rewrite(self, member: Member, codec: int, body: bytes) -> bool:
        """Replace a touchpoint's body; False if it changed meanwhile."""
        if member.lock is not None:
            codec |= SEALED
            head = member.raw[:35] + bytes((codec,))
            body = member.lock.seal(body, sealed_at(member.home, head))
        arguments = [member.raw, bytes((codec,)), body]
        return bool(
            await self._functions.call("timeline_rewrite", [self._keys.timeline(member.home)], arguments)
        )

    async def read_again(self, member: Member) -> Member | None:
        """The touchpoint as it is now."""
        (found,) = await read_at(self._connection, self._keys, [(member.home, member.raw[:PLACE])])
        return found

    async def drop_conversations(self, home: bytes, conversations: Sequence[bytes]) -> None:
        """Forget that these conversations began with a home. Two round trips."""
        wanted = [(self._keys.conversations(it), it) for it in conversations]
        if not wanted:
            return
        homes = await self._connection.answers([(b"HGET", key, it) for key, it in wanted])
        gone = [(b"HDEL", key, it) for (key, it), found in zip(wanted, homes, strict=True) if found == home]
        if gone:
            await self._connection.answers(gone)

    async def take_back(self, home: bytes, pointers: Sequence[Pointer]) -> None:
        """Undo the pointers of a refused touchpoint: they were written before the store refused it.

        Pointers that a later touchpoint of the same identity has stated as well remain.
        """
        record = self._keys.record(home)
        stated = set(await self._connection.call(b"HKEYS", record, key=record))
        for pointer in pointers:
            if pointer.fields[0][0] == IDENTITY:
                ids = [name[1:] for name, _value in pointer.fields if name[:1] == b"p"]
                gone = [kind + it for it in ids if b"e" + it not in stated for kind in (b"e", b"p")]
                if gone:
                    await self.forget(pointer.hash, home, (), gone)
            elif b"v" not in stated:
                await self.drop_conversations(home, [pointer.hash])

    async def left_of(self, homes: Sequence[bytes], job: bytes) -> int:
        """How many keys of the graves are left. One round trip."""
        keys = [self._keys.grave(bytes((kind,)), job, home) for home in homes for kind in KINDS]
        replies = await self._connection.answers([(b"EXISTS", key) for key in keys])
        return sum(map(int, replies))
