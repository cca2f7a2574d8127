"""Shared identities around a customer, and what on them belongs to the customer.

The same goes for an identity whose conversation continues one of the customer's by a continuity code: that
conversation is the customer's too, without joining the identity.

A shared identity joins no customers. A touchpoint on one belongs to somebody only if an agent assigned it, or
if it happened on a device while that person alone was logged in. All of it is computed when it is read, so
that withdrawing an assignment or a link gives everything back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.member import Member
from handoff.domain.evidence import Evidence, Objections, Resolution, Statement, joins, strongest_neighbours
from handoff.domain.identities.sharing import (
    MAX_LOGINS,
    LoginPeriod,
    Ownership,
    Sighting,
    by_code,
    in_code_time,
    login_periods,
)
from handoff.domain.identity import ANONYMOUS, Assurance
from handoff.services.timeline.reading import NOTHING_GIVEN, Given, TimelineEntry, decode
from handoff.store.reads import Reads
from handoff.store.repositories.components import Component, EvidenceReader, walk
from handoff.store.repositories.identities import EntryKind, IdentityRecord
from handoff.store.repositories.timelines import Window, read_page, read_places
from handoff.store.store import Store

from .customer import Customer, resolve_component

MAX_READ = 1_000  # touchpoints of a shared identity that are searched for a person's, the newest
MAX_SIGHTINGS = 2_000  # touchpoints that are searched for logins on a device, the newest
MAX_NAMED = 50  # people of assignments on a shared identity who are named, those of the latest
MAX_ENDS = 40  # identities linked with a device; more are a kiosk


class SharedPart(Struct, frozen=True, kw_only=True):
    """A shared identity near a customer, or one with a conversation that a code gave to the customer.

    `linked`: it is shared, and verified evidence leads from the customer to it."""

    record: IdentityRecord
    ownership: Ownership
    linked: bool


class Portions(Struct, frozen=True, kw_only=True):
    """The shared identities near a customer, and what on them was given to the customer."""

    parts: Sequence[SharedPart] = ()
    given: Given = NOTHING_GIVEN


NOTHING = Portions()


async def read_portions(
    store: Store, tenant: str, customer: Customer, reads: Reads | None = None
) -> Portions:
    """The shared identities near a customer, and what on them is theirs.

    Takes no round trip if there are none, else two or more. A shared identity itself owns everything on it.
    """
    members = set(customer.group.members)
    linked = members if customer.group.shared else _linked(customer, members)
    codes = {} if customer.group.shared else _continued(customer.component.evidence, members)
    homes = linked | _assigned_homes(customer.component.evidence, members) | codes.keys()
    if not homes:
        return NOTHING
    reading = store.of(tenant).people.reader(reads)
    component = await walk(reading, sorted(homes))
    resolution = resolve_component(store, component)
    hashes = store.hashes(tenant)
    parts = []
    for key in sorted(homes & resolution.shared):
        record = component.records[key]
        periods: tuple[LoginPeriod, ...] = ()
        if _is_device(record) and not customer.group.shared:
            periods = await _periods(store, hashes, reading, record)
        ownership = Ownership(key, component.evidence, periods)
        parts.append(SharedPart(record=record, ownership=ownership, linked=key in linked))
    for key in sorted(codes.keys() - resolution.shared):
        if key in component.records:
            ownership = Ownership(key, codes[key])
            parts.append(SharedPart(record=component.records[key], ownership=ownership, linked=False))
    owned: list[Member] = []
    if not customer.group.shared:
        owned = [it for part in parts for it in await _owned(store, hashes, part, members)]
        owned.sort(key=lambda it: it.place, reverse=True)
    people = [it.other for part in parts for it in part.ownership.assignments[-MAX_NAMED:]]
    await reading.read(people)
    records = {key: reading.records[key] for key in people if key in reading.records}
    given = Given(
        members=owned,
        records=records | {it.record.key: it.record for it in parts},
        ownership={it.record.key: it.ownership for it in parts if it.ownership.assignments},
    )
    return Portions(parts=parts, given=given)


def _linked(customer: Customer, members: Collection[bytes]) -> set[bytes]:
    """The shared identities that verified evidence links with the customer."""
    shared = customer.resolution.shared
    if not shared:
        return set()
    objections = Objections(customer.component.evidence)
    found: set[bytes] = set()
    for piece in customer.component.evidence:
        if not joins(piece):
            continue
        for one, other in ((piece.one, piece.other), (piece.other, piece.one)):
            if one in shared and other in members and other not in objections.of(one):
                found.add(one)
    return found & set(customer.component.reached)


def _continued(evidence: Sequence[Evidence], members: Collection[bytes]) -> dict[bytes, list[Evidence]]:
    """Evidence of conversations that continuity codes gave to the customer, by the identity of others."""
    pieces = [it for it in evidence if by_code(it) and it.other in members and it.one not in members]
    if not pieces:
        return {}
    objections, found = Objections(evidence), dict[bytes, list[Evidence]]()
    for piece in pieces:
        if not objections.between([piece.one], members):
            found.setdefault(piece.one, []).append(piece)
    return found


def _assigned_homes(evidence: Iterable[Evidence], members: Collection[bytes]) -> set[bytes]:
    return {
        it.one
        for it in evidence
        if it.statement is Statement.ASSIGNED and not it.withdrawn and it.other in members
    }


def _is_device(record: IdentityRecord) -> bool:
    """Whether an identity is a device with a history of its own. One that an agent marked is a kiosk."""
    return (
        record.identity.type == ANONYMOUS
        and bool(record.last_arrival)
        and not record.shared_mark
        and not record.crowded
    )


async def _periods(
    store: Store, hashes: KeyedHash, reading: EvidenceReader, device: IdentityRecord
) -> tuple[LoginPeriod, ...]:
    """The login periods of a device. Takes three round trips or more; none for a kiosk."""
    ends = {it.other for it in device.evidence if joins(it)}
    ends |= {it.home for it in device.pointers if it.kind is not EntryKind.CLAIM}
    if len(ends) > MAX_ENDS:
        return ()
    component = await walk(reading, [device.key, *sorted(ends)])
    resolution = resolve_component(store, component)
    people = _people(component, resolution, device.key)
    if len(set(people.values())) > MAX_LOGINS:
        return ()
    homes = sorted(
        {it.one for it in component.evidence if device.key in it.pair and joins(it)} & {*people, device.key}
    )
    page = await read_page(store.connection, store.keys, homes, Window(limit=MAX_SIGHTINGS))
    decoded = await decode(store, hashes, component.records, page.members)
    found = await store.pace.each(
        hashes.tenant, lambda it: tuple(_sightings(hashes, it, device, people)), decoded.entries
    )
    seen = [one for each in found for one in each]
    return login_periods(seen, complete=not page.more)


def _people(component: Component, resolution: Resolution, device: bytes) -> dict[bytes, bytes]:
    """The identities linked with a device, each with the root of its customer."""
    near = strongest_neighbours(component.nodes, component.evidence).get(device, [])
    return {
        key: resolution.group_of(key).root
        for key in near
        if key in component.reached and key not in resolution.shared
    }


def _sightings(
    hashes: KeyedHash, entry: TimelineEntry, device: IdentityRecord, people: Mapping[bytes, bytes]
) -> Iterable[Sighting]:
    """The logins that a touchpoint shows on a device: it names both, and both are verified."""
    stored, body = entry.stored, entry.body
    if entry.is_reference or not body.stated_handles or body.assurance is not Assurance.VERIFIED:
        return
    for handle in body.handles:
        if handle.assurance is not Assurance.VERIFIED:
            continue
        if stored.home == device.key:
            who = people.get(hashes.identity(handle.identity))
        else:
            who = people.get(stored.home) if handle.identity == device.identity else None
        if who is not None:
            yield Sighting(stored.occurred_at, who)


async def _owned(
    store: Store, hashes: KeyedHash, part: SharedPart, members: Collection[bytes]
) -> list[Member]:
    """The customer's entries on a shared identity: those assigned one by one, and, among the newest MAX_READ,
    those of an assigned conversation or of the customer's login periods."""
    ownership, key = part.ownership, part.record.key
    if not ownership.gives_to(members):
        return []
    found: dict[bytes, Member] = {}
    if ownership.periods or any(it.whole for it in ownership.assignments):
        page = await read_page(store.connection, store.keys, [key], Window(limit=MAX_READ))
        found = {it.id: it for it in page.members}
    ids = {it.touchpoint for it in ownership.assignments if it.other in members and it.touchpoint} - set(
        found
    )
    if ids:
        places = await read_places(store.connection, store.keys, [(key, id_) for id_ in sorted(ids)])
        found |= {it.id: it for it in places if it is not None}
    decoded = await decode(store, hashes, {key: part.record}, list(found.values()))

    entries = [it for it in decoded.entries if not it.is_reference]
    times = {it.stored.id: it.stored.occurred_at for it in entries}

    def owned(entry: TimelineEntry) -> bool:
        stored, conversation = entry.stored, decoded.rendering.conversation(entry.stored, entry.body)[0]
        piece = ownership.assignment(stored.id, conversation)
        if piece is not None and by_code(piece):
            used_at = times.get(piece.touchpoint or b"", piece.recorded_at)
            return piece.other in members and in_code_time(used_at, stored.occurred_at)
        return ownership.owner(stored.id, conversation, stored.occurred_at) in members

    theirs = await store.pace.each(hashes.tenant, owned, entries)
    return [it.entry for it, is_theirs in zip(entries, theirs, strict=True) if is_theirs]
