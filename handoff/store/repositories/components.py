"""Walks evidence: the connected component of identities around the requested ones.

An edge is followed while its evidence is not withdrawn and could join. Claims and references are not walked,
however many there are; evidence of agents is read first. Each round is one round trip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from msgspec import Struct

from handoff.codec.data_key import DataKey
from handoff.domain.clock import Micros
from handoff.domain.evidence import (
    MAX_COMPONENT,
    Evidence,
    Node,
    effective,
    joins,
    shared_identities,
)
from handoff.store.connection import Connection
from handoff.store.functions.library import Functions
from handoff.store.keys import Keys
from handoff.store.resp.commands import Reads
from handoff.store.sealing.sealing import FIELD, seal_text

from .identities import (
    NOT_SHARED,
    SHARED,
    EntryKind,
    IdentityRecord,
    as_mapping,
    kind_of,
    named_by_evidence,
    read_record,
)

NEAR_ROUNDS = 3
MAX_NEAR = 12  # identities that any evidence connects: most customers have two or three
STEP = 100  # neighbours of one identity read in one round: a busy shared one is known by its first


class Component(Struct, frozen=True, kw_only=True):
    """The result of a walk from some identities.

    `reached` are connected with them, and all evidence about them was read. `edge` are others that were
    read on the way: their records are known, but not whose they are. `evidence` is all evidence of both,
    with `withdrawn` set where it is overruled.
    """

    reached: dict[bytes, IdentityRecord]
    edge: dict[bytes, IdentityRecord]
    evidence: tuple[Evidence, ...]

    @property
    def records(self) -> dict[bytes, IdentityRecord]:
        return self.reached | self.edge

    @property
    def nodes(self) -> dict[bytes, Node]:
        """Everything that `resolve` needs to judge the reached identities."""
        return {key: record.node for key, record in self.records.items()}


async def read_records(
    reads: Reads, keys: Keys, wanted: Iterable[bytes], *, withheld: bool = False
) -> dict[bytes, IdentityRecord]:
    """The records of the identities that exist, by key; one round trip. Without those that are `withheld`."""
    order = list(wanted)
    if not order:
        return {}
    replies = await reads.answers([(b"HGETALL", keys.record(key)) for key in order])
    found: dict[bytes, IdentityRecord] = {}
    for key, fields in zip(order, replies, strict=True):
        record = read_record(key, as_mapping(fields), keys.sealing)
        if record and (withheld or key not in keys.withheld):
            found[key] = record
    return found


async def read_surroundings(
    reads: Reads, keys: Keys, wanted: Iterable[bytes]
) -> dict[bytes, frozenset[bytes] | None]:
    """For each identity all that any evidence connects it with, directly or not, and itself: its customer
    has no others. None where there are more than MAX_NEAR, or evidence is not readable here.

    Much cheaper than `walk`, because nothing is decoded. One to three round trips for all of them.
    """
    starts = frozenset(wanted)
    ends: dict[bytes, set[bytes] | None] = {}
    ahead = set(starts)
    for _round in range(NEAR_ROUNDS):
        order = list(ahead)
        replies = await reads.answers([(b"HGETALL", keys.record(key)) for key in order])
        ahead = set()
        for key, fields in zip(order, replies, strict=True):
            found = ends[key] = named_by_evidence(as_mapping(fields))
            if found and len(found) <= MAX_NEAR:
                ahead |= found
        ahead -= ends.keys()
        if not ahead:
            break
    return {key: _surroundings(key, ends) for key in starts}


def _surroundings(start: bytes, ends: Mapping[bytes, set[bytes] | None]) -> frozenset[bytes] | None:
    """The identities connected with one; None unless all of them were read."""
    near, todo = {start}, [start]
    while todo:
        found = ends.get(todo.pop())
        if found is None:
            return None
        todo += found - near
        near |= found
        if len(near) > MAX_NEAR:
            return None
    return frozenset(near)


class EvidenceReader:
    """The records read for one answer, each once, so that the whole answer uses the same state."""

    def __init__(self, reads: Reads, keys: Keys) -> None:
        self._reads = reads
        self._keys = keys
        self.records: dict[bytes, IdentityRecord] = {}
        self.asked: set[bytes] = set()

    async def read(self, wanted: Iterable[bytes]) -> None:
        """Read the records that were not read yet; one round trip, none if there are none."""
        missing = sorted(set(wanted) - self.asked)
        self.asked.update(missing)
        self.records |= await read_records(self._reads, self._keys, missing)


async def walk(reading: EvidenceReader, start: Iterable[bytes]) -> Component:
    """The component around `start`.

    It ends where more than MAX_COMPONENT identities are connected, and `resolve` reports that. The
    result does not depend on the identity of the component that it starts from.
    """
    begin = tuple(dict.fromkeys(start))
    await reading.read(begin)
    while True:
        area = _Area(reading)
        ahead = area.explore(begin)
        if not ahead:
            return Component(
                reached={key: reading.records[key] for key in area.reached},
                edge={key: it for key, it in reading.records.items() if key not in area.reached},
                evidence=tuple(area.evidence),
            )
        await reading.read(ahead)


class _Area:
    """A component as far as the records read so far show it."""

    def __init__(self, reading: EvidenceReader) -> None:
        self._records = reading.records
        self._asked = reading.asked
        self.evidence = effective(piece for it in self._records.values() for piece in it.evidence)
        self._shared = shared_identities({key: it.node for key, it in self._records.items()}, self.evidence)
        self._neighbours: dict[bytes, list[bytes]] = {}
        for piece in self.evidence:
            if joins(piece):
                self._neighbours.setdefault(piece.one, []).append(piece.other)
                self._neighbours.setdefault(piece.other, []).append(piece.one)
        self.reached: set[bytes] = set()

    def explore(self, start: Iterable[bytes]) -> set[bytes]:
        """Fill `reached`; the identities to read next, empty when all is known."""
        ahead: set[bytes] = set()
        for key in start:
            if key in self._records and key not in self.reached:
                ahead |= self._explore_from(key)
        return ahead

    def _explore_from(self, start: bytes) -> set[bytes]:
        """One part: through identities that are fully known and not shared. Only those are counted, so that
        the count does not depend on where the walk started."""
        ahead: set[bytes] = set()
        todo, joined = [start], 0
        while todo:
            key = todo.pop()
            if key in self.reached:
                continue
            self.reached.add(key)
            unread = self._unread(key)
            if unread:
                ahead |= unread
            elif key not in self._shared and not self._records[key].crowded:
                joined += 1
                todo += [other for other in self._neighbours.get(key, ()) if other in self._records]
        return ahead if joined <= MAX_COMPONENT else set()

    def _unread(self, key: bytes) -> set[bytes]:
        """The identities to read next to know all about one: first the evidence of agents, then, unless it
        is already known to be shared, some of the evidence of senders."""
        record = self._records[key]
        by_agents = {end for end in _agents_ends(record) if end not in self._asked}
        if by_agents or key in self._shared:
            return by_agents
        if record.crowded:  # it is not joined: the first are enough to see whether it is shared
            return set(islice(_senders_ends(record), STEP)) - self._asked
        return set(islice((end for end in _senders_ends(record) if end not in self._asked), STEP))


def _agents_ends(record: IdentityRecord) -> Iterator[bytes]:
    """The identities with agents' evidence about an identity, and those that agents joined it with."""
    yield from (it.home for it in record.pointers if it.kind is EntryKind.AGENT)
    yield from (it.other for it in record.evidence if kind_of(it) is EntryKind.AGENT and joins(it))


def _senders_ends(record: IdentityRecord) -> Iterator[bytes]:
    """The identities that senders joined an identity with."""
    yield from (it.home for it in record.pointers if it.kind is EntryKind.JOINS)
    yield from (it.other for it in record.evidence if kind_of(it) is EntryKind.JOINS and joins(it))


class People:
    """Reads of identity records by their hashes, and the mark of a shared identity."""

    def __init__(self, connection: Connection, functions: Functions, keys: Keys, tenant: str) -> None:
        self._connection = connection
        self._functions = functions
        self._keys = keys
        self._tenant = tenant

    async def sealed(self, identity: bytes, field: bytes, content: bytes) -> bytes:
        """A field of an identity's record that an agent states, as it is stored.

        No round trip, one or two if the store is sealed.
        """
        return seal_text(await self._lock(identity), field, content)

    async def _lock(self, identity: bytes) -> DataKey | None:
        sealing, record = self._keys.sealing, self._keys.record(identity)
        if sealing is None:
            return None
        standing = await self._connection.call(b"HGET", record, FIELD, key=record)
        if standing is None:  # recorded before the store was sealed
            made = sealing.candidate(self._tenant, identity).wrapped
            places = [record, self._keys.timeline(identity)]
            ours, other = await self._functions.call("reseal", places, [made, 0])
            standing = made if ours else other
        return sealing.standing(identity, standing)

    def reader(self, reads: Reads | None = None) -> EvidenceReader:
        """A reader for one answer; `reads` replaces the connection where the reads are logged."""
        return EvidenceReader(reads or self._connection, self._keys)

    async def records(
        self, wanted: Iterable[bytes], *, withheld: bool = False
    ) -> dict[bytes, IdentityRecord]:
        """The records of the identities that exist, by key; one round trip. See `read_records`."""
        return await read_records(self._connection, self._keys, wanted, withheld=withheld)

    async def clock(self, identity: bytes) -> Micros:
        """The clock of the server that holds an identity, in µs."""
        seconds, micros = await self._connection.call(b"TIME", key=self._keys.record(identity))
        return int(seconds) * 1_000_000 + int(micros)

    async def set_field(self, identity: bytes, field: bytes, attribution: bytes | None) -> None:
        """Set a hold or a restriction, or lift it (None); durable. One round trip, more if it is sealed."""
        key = self._keys.record(identity)
        self._functions.gate.check()
        if attribution is None:
            await self._connection.call_durable(b"HDEL", key, field, key=key)
        else:
            value = await self.sealed(identity, field, attribution)
            await self._connection.call_durable(b"HSET", key, field, value, key=key)

    async def mark_shared(self, identity: bytes, attribution: bytes, *, shared: bool) -> None:
        """Mark an identity as shared by several people, or as not shared; durable. One round trip."""
        key = self._keys.record(identity)
        self._functions.gate.check()
        value = (SHARED if shared else NOT_SHARED) + await self.sealed(identity, b"s", attribution)
        await self._connection.call_durable(b"HSET", key, b"s", value, key=key)
