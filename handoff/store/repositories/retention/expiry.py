"""Deletes touchpoints whose time is over, and the records of identities of which nothing else is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgpack
from msgspec import Struct

from handoff.codec.member import ORDER, PLACE, Member, read_member
from handoff.store.connection import Connection
from handoff.store.functions.library import Call, Functions
from handoff.store.keys import Keys
from handoff.store.repositories.identities import HOLD, as_mapping, open_texts
from handoff.store.resp.commands import Command
from handoff.store.sealing.sealing import FIELD

AT_ONCE = 500  # touchpoints a call: about 2 ms of the store's time
MOST_TIED = 64  # records that are looked at, to find out whether a link among them is in use


class OldTouchpoints(Struct, frozen=True):
    """The oldest entries of a timeline that occurred before a time; `more` if there may be others."""

    members: Sequence[Member]
    more: bool


class Outdated(Struct, frozen=True):
    """A touchpoint to delete. `amends` is the id of the touchpoint that it edits, if known."""

    member: Member
    amends: bytes = b""


class TiedRecords(Struct, frozen=True):
    """The records that evidence ties together, as they were read."""

    fields: Mapping[bytes, Mapping[bytes, bytes]]


class Expiry:
    """Deletes what is older than the horizons of its tenant."""

    def __init__(self, connection: Connection, functions: Functions, keys: Keys) -> None:
        self._connection = connection
        self._functions = functions
        self._keys = keys

    async def read_old(
        self, homes: Sequence[bytes], before: bytes, after: bytes, limit: int
    ) -> list[OldTouchpoints]:
        """The touchpoints of each home before a packed time and after the place `after`. One round trip."""
        low = b"(" + after + b"\xff" * ORDER if after else b"-"
        commands: list[Command] = [
            (b"ZRANGE", self._keys.timeline(it), low, b"(" + before, b"BYLEX", b"LIMIT", 0, limit)
            for it in homes
        ]
        sealing = self._keys.sealing
        if sealing is not None:
            commands += [(b"HGET", self._keys.record(it), FIELD) for it in homes]
        replies = await self._connection.answers(commands)
        found: list[OldTouchpoints] = []
        for at, (home, raws) in enumerate(zip(homes, replies[: len(homes)], strict=True)):
            lock = sealing.passing_key(home, replies[len(homes) + at]) if sealing and raws else None
            found.append(OldTouchpoints([read_member(raw, home, lock) for raw in raws], len(raws) == limit))
        return found

    async def delete(self, outdated: Sequence[Outdated]) -> list[tuple[bytes, int, int]]:
        """Delete touchpoints, at most AT_ONCE: for each home how many were deleted, and how many entries are
        left. One round trip."""
        by_home: dict[bytes, list[bytes]] = {}
        for one in outdated:
            by_home.setdefault(one.member.home, []).append(one.member.raw[:PLACE] + one.amends)
        answers = await self._functions.call_each(
            "timeline_expire", [([self._keys.timeline(home)], places) for home, places in by_home.items()]
        )
        return [(home, int(gone), int(left)) for home, (gone, left) in zip(by_home, answers, strict=True)]

    async def is_held(self, home: bytes) -> bool:
        """Whether an identity is under a legal hold. One round trip."""
        key = self._keys.record(home)
        return await self._connection.call(b"HGET", key, HOLD, key=key) is not None

    async def tied_to(self, home: bytes) -> TiedRecords | None:
        """The records that evidence ties to an identity's, directly or through others, if none of them has a
        touchpoint. None if one has, if there are more than MOST_TIED, or if a record does not open."""
        found: dict[bytes, Mapping[bytes, bytes]] = {}
        wanted = {home}
        while wanted:
            if len(found) + len(wanted) > MOST_TIED:
                return None
            asked = sorted(wanted)
            replies = await self._connection.answers([(b"HGETALL", self._keys.record(it)) for it in asked])
            wanted = set()
            for key, reply in zip(asked, replies, strict=True):
                fields = open_texts(key, as_mapping(reply), self._keys.sealing)
                if fields is None or HOLD in fields or _filed(fields.get(b"h", b"")):
                    return None
                found[key] = fields
                wanted |= _ends(fields)
            wanted -= found.keys()
        # A tombstone stays.
        return TiedRecords({key: fields for key, fields in found.items() if fields.keys() - {b"d"}})

    async def dissolve(self, tied: TiedRecords) -> int:
        """Delete records, except those that changed since they were read; how many are gone."""
        calls: list[Call] = [
            ([self._keys.timeline(key)], [fields.get(b"h", b""), len(fields)])
            for key, fields in tied.fields.items()
        ]
        answers = await self._functions.call_each("timeline_dissolve", calls) if calls else []
        return sum(map(int, answers))


def entries_in(head: bytes) -> int:
    """How many entries the timeline with this head has at most."""
    return _filed(head)


def _filed(head: bytes) -> int:
    return int.from_bytes(head[8:12], "big")


def _ends(fields: Mapping[bytes, bytes]) -> set[bytes]:
    """The other ends of the evidence in a record, and of that to which it points."""
    ends = {raw[:16] for name, raw in fields.items() if name[:1] == b"p" and len(name) > 1}
    for name, raw in fields.items():
        if name[:1] == b"e" and len(name) > 1:
            ends.add(msgpack.unpackb(raw[8:])[0])
    return ends
