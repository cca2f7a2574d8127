"""The outbox: a stream per partition and one per tenant's control partition, read by leased cursors.

An entry is written in the same call as the change that it announces. A consumer holds a lease per outbox and
moves its cursor only with the lease's fencing token, so that two workers never both
believe that they finished an entry. The next worker repeats what a dead one had started.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from handoff.codec.member import FLAG_ANNOUNCES, FLAG_PARTICIPANTS, FLAG_QUIET
from handoff.store.connection import Connection
from handoff.store.functions.library import Call, Functions
from handoff.store.keys import ControlKeys, Keys, tenant_of
from handoff.store.repositories.control import Change
from handoff.store.sealing.control_seal import ControlSeal
from handoff.store.sealing.sealing import Sealing

RELAY = "relay"
"""The consumer that fans out."""
LEASE_MS = 5_000  # a dead worker's outboxes wait this long; renewed at a third of it
TOUCHPOINT_ENTRY, CONTROL_ENTRY = b"t", b"c"
"""Kinds of entries. A worker passes over those that it does not know."""
BEGINNING = b"0-0"  # the cursor before the first entry
MIN_REFERENCE = 52  # bytes of a touchpoint's entry
KEEP_MS = 120_000  # entries are kept this long after they were consumed, for live readers that resume


class Outbox(Struct, frozen=True, kw_only=True):
    """The keys of one outbox and of one consumer's cursor on it. `tenant` for a control partition's."""

    stream: bytes
    cursor: bytes
    lease: bytes
    tenant: str | None = None
    partition: int | None = None


def partition_outboxes(keys: Keys, consumer: str) -> list[Outbox]:
    """The outbox of each partition, with a consumer's cursor and lease."""
    return [
        Outbox(
            stream=keys.outbox(number),
            cursor=keys.cursor(number, consumer),
            lease=keys.lease(number, consumer),
            partition=number,
        )
        for number in range(keys.partitions)
    ]


class OutboxEntry(Struct, frozen=True, kw_only=True):
    """One entry: `t` a touchpoint's reference (`read_reference`), `c` a control event."""

    id: bytes
    kind: bytes
    payload: bytes


class Lease(Struct, frozen=True, kw_only=True):
    """A held lease: its fencing token and the position of the cursor."""

    token: int
    cursor: bytes


class Reference(Struct, frozen=True, kw_only=True):
    """A reference to a stored touchpoint, from an entry of a partition's outbox."""

    home: bytes
    place: bytes
    id: bytes
    flags: int
    type_code: int
    channel_code: int
    tenant: str


def read_reference(payload: bytes) -> Reference:
    """The reference in a `t` entry: home (16) ‖ place (32, the id in its end) ‖ flags ‖ type ‖ channel ‖
    tenant.

    ValueError when it is too short to be one.
    """
    if len(payload) < MIN_REFERENCE:
        raise ValueError(f"a touchpoint's reference has at least {MIN_REFERENCE} bytes")
    return Reference(
        home=payload[:16],
        place=payload[16:48],
        id=payload[32:48],
        flags=payload[48],
        type_code=payload[49],
        channel_code=payload[50],
        tenant=payload[51:].decode(),
    )


def read_home(payload: bytes) -> bytes:
    """The home of a `t` entry's touchpoint."""
    return payload[:16]


def read_tenant(payload: bytes) -> bytes:
    """The tenant of a `t` entry; empty if there is none."""
    return payload[51:]


def names_others(payload: bytes) -> bool:
    """Whether a `t` entry's touchpoint has participants. IndexError when it is too short to be one."""
    return bool(payload[48] & FLAG_PARTICIPANTS)


def is_quiet(payload: bytes) -> bool:
    """Whether a `t` entry's touchpoint was recorded quietly. IndexError when it is too short to be one."""
    return bool(payload[48] & FLAG_QUIET)


def announces(payload: bytes) -> bool:
    """Whether the words of a `t` entry's touchpoint may announce something. IndexError when it is too
    short to be one."""
    return bool(payload[48] & FLAG_ANNOUNCES)


def read_type(payload: bytes) -> int:
    """The code of a `t` entry's type. IndexError when it is too short to be one."""
    return payload[49]


# Leases and cursors do not wait for replicas: after a failover some work is repeated.


async def take_leases(functions: Functions, outboxes: Sequence[Outbox], owner: str) -> list[Lease | None]:
    """The leases, new or renewed; None while another worker holds it. One round trip."""
    calls: list[Call] = [([it.lease, it.cursor], [owner, LEASE_MS]) for it in outboxes]
    answers = await functions.call_each("lease", calls)
    return [Lease(token=token, cursor=cursor) if token else None for token, cursor in answers]


async def release_leases(functions: Functions, outboxes: Sequence[Outbox], owner: str) -> None:
    await functions.call_each("release", [([it.lease], [owner]) for it in outboxes])


async def advance(functions: Functions, steps: Sequence[tuple[Outbox, Lease, bytes]]) -> list[bool]:
    """Move each outbox's cursor, under its lease, and trim what is old; False when another worker has
    taken over. One round trip."""
    calls: list[Call] = []
    for outbox, lease, cursor in steps:
        oldest = b"%d-0" % max(int(cursor.split(b"-")[0]) - KEEP_MS, 0)
        calls.append(([outbox.lease, outbox.cursor, outbox.stream], [str(lease.token), cursor, oldest]))
    return [bool(it) for it in await functions.call_each("advance", calls)]


async def read_entries(
    connection: Connection,
    places: list[tuple[bytes, bytes]],
    *,
    count: int,
    block_ms: int | None,
    sealing: Sealing | None = None,
) -> dict[bytes, list[OutboxEntry]]:
    """New entries by stream, after each stream's cursor; waits at most `block_ms` for the first.

    `sealing` opens the entries of control partitions; without it their payloads are as stored.
    """
    if not places:
        return {}
    streams = [stream for stream, _cursor in places]
    cursors = [cursor for _stream, cursor in places]
    if not connection.cluster:
        command: list[Any] = [b"XREAD", b"COUNT", count]
        if block_ms is not None:
            command += [b"BLOCK", block_ms]
        replies = [await connection.call(*command, b"STREAMS", *streams, *cursors)]
    else:
        replies = await connection.pipeline(
            [(b"XREAD", b"COUNT", count, b"STREAMS", s, c) for s, c in places], keys=streams
        )
    found: dict[bytes, list[OutboxEntry]] = {}
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
        for stream, entries in reply or ():
            read = [read_entry_of(id_, fields) for id_, fields in entries]
            tenant = tenant_of(stream) if sealing is not None else None
            found[stream] = read if tenant is None else _opened(read, stream, ControlSeal(sealing, tenant))
    return found


def _opened(entries: list[OutboxEntry], stream: bytes, seal: ControlSeal) -> list[OutboxEntry]:
    """The entries with their plain payloads; empty, which is unreadable, where one does not open."""
    if not seal.on:
        return entries
    return [
        msgspec.structs.replace(it, payload=seal.open(stream, it.payload) or b"")
        if it.kind == CONTROL_ENTRY
        else it
        for it in entries
    ]


async def newest_ids(connection: Connection, streams: Sequence[bytes]) -> list[bytes | Exception | None]:
    """The id of each stream's newest entry: None if it is empty, an error if it could not be read.

    One round trip.
    """
    commands = [(b"XREVRANGE", stream, b"+", b"-", b"COUNT", 1) for stream in streams]
    replies = await connection.pipeline(commands, keys=streams)
    return [it if isinstance(it, Exception) else it[0][0] if it else None for it in replies]


async def read_cursors(connection: Connection, outboxes: Sequence[Outbox]) -> list[bytes]:
    """The saved cursor of each outbox, its beginning where none is saved or readable. One round trip."""
    cursors = await connection.pipeline([(b"GET", outbox.cursor) for outbox in outboxes])
    return [cursor if isinstance(cursor, bytes) else BEGINNING for cursor in cursors]


class EntriesAfter(Struct, frozen=True):
    """The ids of a stream's oldest and newest entry, and its entries after the one that was asked about."""

    oldest: str
    newest: str
    entries: list[OutboxEntry]


class ControlOutbox:
    """The outbox of one tenant's control partition: written with a change, read by consumers and by readers
    that resume."""

    def __init__(self, connection: Connection, keys: ControlKeys, seal: ControlSeal) -> None:
        self._connection = connection
        self._seal = seal
        self._keys = keys
        self.stream = keys.outbox()

    def post(self, change: Change, payload: bytes) -> Change:
        """Append an entry with the change that it announces."""
        return change.post(self.stream, payload)

    def of_consumer(self, tenant: str, consumer: str) -> Outbox:
        """The outbox with a consumer's cursor and lease."""
        cursor, lease = self._keys.named(f"cursor.{consumer}"), self._keys.named(f"lease.{consumer}")
        return Outbox(stream=self.stream, cursor=cursor, lease=lease, tenant=tenant)

    async def newest_id(self) -> str | None:
        """The id of the newest entry, None before there is one; one round trip."""
        command = (b"XREVRANGE", self.stream, b"+", b"-", b"COUNT", 1)
        found = await self._connection.call(*command, key=self.stream)
        return str(found[0][0].decode()) if found else None

    async def after(self, id_: str, limit: int) -> EntriesAfter | None:
        """At most `limit` entries after an id. None when the stream is empty or cannot be read.

        One round trip.
        """
        oldest, newest, found = await self._connection.pipeline(
            [
                (b"XRANGE", self.stream, b"-", b"+", b"COUNT", 1),
                (b"XREVRANGE", self.stream, b"+", b"-", b"COUNT", 1),
                (b"XRANGE", self.stream, f"({id_}", b"+", b"COUNT", limit),
            ]
        )
        if any(isinstance(it, Exception) for it in (oldest, newest, found)) or not oldest or not newest:
            return None
        entries = _opened([read_entry_of(entry, fields) for entry, fields in found], self.stream, self._seal)
        return EntriesAfter(oldest[0][0].decode(), newest[0][0].decode(), entries)


def read_entry_of(id_: bytes, fields: Sequence[bytes] | None) -> OutboxEntry:
    """The entry with this id and these fields of a stream; further fields are a newer release's."""
    kind, payload = (*(fields or ()), b"", b"")[:2]
    return OutboxEntry(id=id_, kind=kind, payload=payload)
