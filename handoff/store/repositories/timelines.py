"""Reads timelines: a customer's is the merge of its identities', page by page.

The first 32 bytes of a member decide the order within one timeline and between several, so that a
cursor is a place, and a page is the same for whichever identity it is requested.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Struct

from handoff.codec.data_key import DataKey
from handoff.codec.member import ORDER, PLACE, Member, is_reference, read_member
from handoff.domain.clock import Micros
from handoff.domain.errors import Unprocessable
from handoff.store.connection import Connection
from handoff.store.keys import Keys
from handoff.store.resp.commands import Command
from handoff.store.sealing.sealing import FIELD, Sealing

from .identities import IdentityRecord, as_mapping, has_index, read_record


class MemberPage(Struct, frozen=True, kw_only=True):
    """Members in the order asked for; `more` if another one follows the last."""

    members: tuple[Member, ...]
    total: int
    more: bool

    @property
    def end(self) -> bytes | None:
        """The place where the next page starts, or None if this is the last one."""
        return self.members[-1].place if self.more and self.members else None


def encode_cursor(place: bytes) -> str:
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode("ascii")


def decode_cursor(text: str) -> bytes:
    """The place in a cursor. Unprocessable (`invalid_cursor`) when it is not one of ours."""
    try:
        place = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unprocessable("the cursor is not one of ours", code="invalid_cursor") from error
    if len(place) != PLACE:
        raise Unprocessable("the cursor is not one of ours", code="invalid_cursor")
    return place


class Window(Struct, frozen=True, kw_only=True):
    """Which part of a timeline: strictly between two places, from the newer or the older end."""

    limit: int
    after: bytes = b""
    before: bytes = b""
    ascending: bool = False

    def contains(self, place: bytes) -> bool:
        """Whether a place is in this part."""
        return (not self.after or place > self.after) and (not self.before or place < self.before)


def _range(key: bytes, window: Window) -> tuple[bytes | int, ...]:
    # A place is a proper prefix of its member, so `(place ‖ 0xff…` excludes the member itself.
    low = b"(" + window.after + b"\xff" * 16 if window.after else b"-"
    high = b"(" + window.before if window.before else b"+"
    if window.ascending:
        return (b"ZRANGE", key, low, high, b"BYLEX", b"LIMIT", 0, window.limit + 1)
    return (b"ZRANGE", key, high, low, b"BYLEX", b"REV", b"LIMIT", 0, window.limit + 1)


Row = tuple[bytes, bytes, DataKey | None]
"""A member as it is stored, its home, and the home's data key if the store is sealed."""


class RowPage(Struct, frozen=True, kw_only=True):
    """As a `MemberPage`, of members that were not looked into, with the answers to other questions."""

    rows: list[Row]
    total: int
    more: bool
    answers: list[Any]

    def members(self) -> MemberPage:
        members = tuple([read_member(*row) for row in self.rows])
        return MemberPage(members=members, total=self.total, more=self.more)


async def read_page(
    connection: Connection, keys: Keys, identities: Sequence[bytes], window: Window
) -> MemberPage:
    """One page of the merged timelines of `identities`; one round trip."""
    return (await read_rows(connection, keys, identities, window)).members()


async def read_rows(
    connection: Connection,
    keys: Keys,
    identities: Sequence[bytes],
    window: Window,
    questions: Sequence[Command] = (),
) -> RowPage:
    """As `read_page`, with answers to `questions` in the same round trip."""
    commands: list[Command] = []
    for identity in identities:
        key = keys.timeline(identity)
        commands += (_range(key, window), (b"ZCARD", key))
    replies, locks = await _read(connection, keys, [*commands, *questions], identities)
    answers = replies[len(commands) :]
    replies = replies[: len(commands)]
    merged = _merge(list(zip(identities, replies[::2], strict=True)), window, locks)
    return RowPage(
        rows=merged[: window.limit],
        total=sum(replies[1::2]),
        more=len(merged) > window.limit,
        answers=answers,
    )


Locks = Mapping[bytes, DataKey | None]
"""The data keys of homes; empty if the store is not sealed."""


async def _read(
    connection: Connection, keys: Keys, commands: Sequence[Command], homes: Iterable[bytes]
) -> tuple[list[Any], Locks]:
    """The replies, and the data keys of the homes: read after what they open, so that nothing opens that was
    erased before it was read. One round trip, none without commands."""
    if keys.sealing is None or not commands:
        return await connection.answers(commands), {}
    order = list(dict.fromkeys(homes))
    replies = await connection.answers([*commands, *((b"HGET", keys.record(it), FIELD) for it in order)])
    wrapped = replies[len(commands) :]
    locks = {home: keys.sealing.key(home, it) for home, it in zip(order, wrapped, strict=True)}
    return replies[: len(commands)], locks


def _merge(parts: Sequence[tuple[bytes, Sequence[bytes]]], window: Window, locks: Locks) -> list[Row]:
    """At most `limit + 1` members, each part those of one identity in the order asked for; a touchpoint
    that is in two timelines (as its home's and as a participant's reference) comes once, as its home's."""
    if len(parts) == 1:
        home, raws = parts[0]
        lock = locks.get(home)
        return [(raw, home, lock) for raw in raws]
    found = [(raw[:PLACE], raw, home) for home, raws in parts for raw in raws]
    found.sort(key=itemgetter(0), reverse=not window.ascending)  # takes the parts as runs
    taken: list[Row] = []
    last = b""
    for place, raw, home in found:
        if place == last:
            if is_reference(taken[-1][0]):
                taken[-1] = (raw, home, locks.get(home))
        elif len(taken) > window.limit:
            break
        else:
            taken.append((raw, home, locks.get(home)))
            last = place
    return taken


def _at(timeline: bytes, place: bytes) -> Command:
    return (b"ZRANGE", timeline, b"[" + place, b"[" + place + b"\xff" * 16, b"BYLEX", b"LIMIT", 0, 1)


async def read_at(
    connection: Connection, keys: Keys, places: Sequence[tuple[bytes, bytes]]
) -> list[Member | None]:
    """The members at (identity, place ‖ id); one round trip, none for none."""
    commands = [_at(keys.timeline(home), place) for home, place in places]
    replies, locks = await _read(connection, keys, commands, [home for home, _place in places])
    return [
        read_member(reply[0], home, locks.get(home)) if reply else None
        for (home, _place), reply in zip(places, replies, strict=True)
    ]


class Filed(Struct, frozen=True):
    """The raw entry at one place in a timeline, and the raw record of its identity."""

    home: bytes
    members: list[bytes]
    fields: Any
    sealing: Sealing | None = None

    def read(self) -> tuple[Member, IdentityRecord] | None:
        """The member and its home's record, None if either is gone. ValueError if they cannot be read."""
        record = read_record(self.home, as_mapping(self.fields), self.sealing)
        if not self.members or record is None:
            return None
        return read_member(self.members[0], self.home, record.lock), record


async def read_filed(
    connection: Connection, keys: Keys, places: Sequence[tuple[bytes, bytes]]
) -> list[Filed]:
    """The members at (identity, place ‖ id) with the records of the identities; one round trip, none for
    none."""
    if not places:
        return []
    asked = [(_at(keys.timeline(home), place), (b"HGETALL", keys.record(home))) for home, place in places]
    replies = await connection.answers([command for commands in asked for command in commands])
    parts = zip(places, replies[::2], replies[1::2], strict=True)
    return [Filed(home, members, fields, keys.sealing) for (home, _place), members, fields in parts]


async def read_places(
    connection: Connection, keys: Keys, wanted: Sequence[tuple[bytes, bytes]]
) -> list[Member | None]:
    """The members at (identity, touchpoint id); two round trips.

    Uses the index where the timeline has one; otherwise it is short and is read whole.
    """
    commands: list[tuple[bytes, ...]] = []
    for home, id_ in wanted:
        commands += ((b"HGET", keys.record(home), b"h"), (b"HGET", keys.index(home), id_))
    replies = await connection.answers(commands)
    asked = [
        (home, id_, _asked_for(keys.timeline(home), id_, head, entry))
        for (home, id_), head, entry in zip(wanted, replies[::2], replies[1::2], strict=True)
    ]
    answers, locks = await _read(
        connection,
        keys,
        [command for *_which, command in asked if command],
        [home for home, _id, command in asked if command],
    )
    found: list[Member | None] = []
    members = iter(answers)
    for home, id_, command in asked:
        raws = next(members) if command else ()
        raw = next((raw for raw in raws if raw[ORDER:PLACE] == id_), None)
        found.append(None if raw is None else read_member(raw, home, locks.get(home)))
    return found


def _asked_for(timeline: bytes, id_: bytes, head: bytes | None, entry: bytes | None) -> Command | None:
    """The command that reads the touchpoint with an id, by head and index; None if there is none."""
    if entry is not None:
        return _at(timeline, entry[:ORDER] + id_)
    if head is None or has_index(head):
        return None
    return (b"ZRANGE", timeline, 0, -1)


async def read_amendments(
    connection: Connection, keys: Keys, amended: Sequence[tuple[bytes, bytes]]
) -> dict[tuple[bytes, bytes], Member]:
    """The newest edit or deletion of each (home, touchpoint id); two round trips, none for none."""
    if not amended:
        return {}
    replies = await connection.answers([(b"HGET", keys.index(home), b"a" + id_) for home, id_ in amended])
    known = [
        (which, reply[:PLACE])
        for which, reply in zip(amended, replies, strict=True)
        if isinstance(reply, bytes)
    ]
    members = await read_at(connection, keys, [(home, place) for (home, _id), place in known])
    return {which: member for (which, _place), member in zip(known, members, strict=True) if member}


async def read_arrivals_after(
    connection: Connection, keys: Keys, home: bytes, arrival: Micros
) -> list[Member] | None:
    """The members that were recorded in a timeline after `arrival`, in the order of their arrival. None
    where the timeline no longer knows: it keeps its last 256 arrivals. Two round trips."""
    timeline = keys.timeline(home)
    size, listed = await connection.pipeline([(b"ZCARD", timeline), (b"LRANGE", keys.arrivals(home), 0, -1)])
    if not listed:
        # No list yet: the whole timeline is short enough to be read.
        (members,), locks = await _read(connection, keys, [(b"ZRANGE", timeline, 0, size)], [home])
        found = [read_member(raw, home, locks.get(home)) for raw in members]
    else:
        numbered = [(int.from_bytes(raw[:8], "big"), raw[8:]) for raw in listed]
        if numbered[-1][0] > arrival:
            return None
        places = [place for number, place in numbered if number > arrival]
        commands = [_at(timeline, place) for place in places if len(place) == PLACE]
        replies, locks = await _read(connection, keys, commands, [home])
        found = [read_member(reply[0], home, locks.get(home)) for reply in replies if reply]
    late = [member for member in found if member.recorded_at > arrival]
    return sorted(late, key=lambda member: member.recorded_at)


async def read_conversation_home(connection: Connection, keys: Keys, conversation: bytes) -> bytes | None:
    """The home of the first touchpoint that named a conversation; one round trip."""
    key = keys.conversations(conversation)
    home: bytes | None = await connection.call(b"HGET", key, conversation, key=key)
    return home


Original = tuple[bytes, bytes]
"""A home, and the id of a touchpoint or of a conversation."""


async def read_derivations(
    connection: Connection, keys: Keys, originals: Sequence[Original]
) -> dict[Original, list[Member]]:
    """The texts derived from each original that has any, in the order of arrival. One round trip, two if any
    has one, none for none."""
    if not originals:
        return {}
    replies = await connection.answers([(b"HGET", keys.index(home), b"t" + id_) for home, id_ in originals])
    listed = {
        which: [reply[at : at + PLACE] for at in range(0, len(reply), PLACE)]
        for which, reply in zip(originals, replies, strict=True)
        if isinstance(reply, bytes)
    }
    wanted = [((home, id_), place) for (home, id_), places in listed.items() for place in places]
    members = await read_at(connection, keys, [(which[0], place) for which, place in wanted])
    found: dict[Original, list[Member]] = {}
    for (which, _place), member in zip(wanted, members, strict=True):
        if member is not None and not member.blanked:
            found.setdefault(which, []).append(member)
    return found
