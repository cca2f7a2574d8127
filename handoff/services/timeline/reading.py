"""A customer's timeline: pages of all channels, in the order of occurrence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from handoff.codec.body import UNREADABLE, Body
from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.member import Member, channel_name
from handoff.domain.errors import NotFound
from handoff.domain.identities.sharing import Ownership
from handoff.domain.identity import ASSURANCE_RANK, Assurance
from handoff.store.repositories.components import read_records
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import (
    Filed,
    MemberPage,
    Window,
    read_amendments,
    read_at,
    read_page,
)
from handoff.store.store import Store

from .views import (
    Rendering,
    TouchpointView,
    assigned_view,
    blank_body,
    touchpoint_view,
)

PAGE = 500  # touchpoints per round trip when a whole timeline is read
GONE = "there is no such touchpoint"


class Filter(Struct, frozen=True, kw_only=True):
    """Selects touchpoints. Empty fields select all."""

    channels: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    min_assurance: Assurance = Assurance.INFERRED

    @property
    def active(self) -> bool:
        return bool(self.channels or self.types) or self.min_assurance is not Assurance.INFERRED

    def passes(self, stored: Member, body: Body) -> bool:
        if self.types and stored.type not in self.types:
            return False
        if self.channels and channel_name(stored, body) not in self.channels:
            return False
        return ASSURANCE_RANK[body.assurance] >= ASSURANCE_RANK[self.min_assurance]


class TimelineEntry(Struct, frozen=True):
    """A decoded touchpoint on a timeline.

    `entry` is its entry on this timeline: the touchpoint itself, or a participant's reference to it.
    """

    stored: Member
    body: Body
    entry: Member
    made: dict[Any, Any] | None = None
    """Results that readers cached for reuse; None if nothing may be cached."""

    @property
    def is_reference(self) -> bool:
        return self.entry.reference is not None


class Given(Struct, frozen=True, kw_only=True):
    """Entries on shared identities that belong to the customer, newest first, with the records of their
    homes. `ownership` is by home, for homes with assignments."""

    members: Sequence[Member] = ()
    records: Mapping[bytes, IdentityRecord] = {}
    ownership: Mapping[bytes, Ownership] = {}


NOTHING_GIVEN = Given()


class Decoded(Struct, frozen=True):
    """Decoded touchpoints in the order of their entries, with their rendering."""

    entries: list[TimelineEntry]
    rendering: Rendering
    ownership: Mapping[bytes, Ownership] = {}

    def view(self, entry: TimelineEntry) -> TouchpointView:
        view = touchpoint_view(entry.stored, entry.body, self.rendering, entry.entry)
        shared = self.ownership.get(entry.stored.home) if self.ownership else None
        if shared is None:
            return view
        conversation = self.rendering.conversation(entry.stored, entry.body)[0]
        piece = shared.assignment(entry.stored.id, conversation)
        if piece is None:
            return view
        return msgspec.structs.replace(view, assigned=assigned_view(piece, self.rendering))


async def decode(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    entries: Sequence[Member],
    ownership: Mapping[bytes, Ownership] = NOTHING_GIVEN.ownership,
) -> Decoded:
    """The touchpoints behind the entries of a timeline, with their amendments.

    Takes two round trips if a touchpoint was amended, and two if an entry is a reference; none otherwise.
    """
    originals, known = await _originals(store, records, entries)
    wanted = {(it.home, it.id) for it in originals if it and it.amended}
    found = await read_amendments(store.connection, store.keys, sorted(wanted))
    # An amendment that was itself deleted no longer applies.
    edits = [(which, it) for which, it in found.items() if not it.blanked]
    bodies = await store.pace.each(hashes.tenant, lambda it: it[1].body(), edits)
    amendments = {which: (it, body) for (which, it), body in zip(edits, bodies, strict=True)}
    rendering = Rendering(hashes=hashes, records=known, amendments=amendments)
    until = store.decoded.sweep()
    pairs = [(it, entry) for it, entry in zip(originals, entries, strict=True) if it is not None]
    decoded = await store.pace.each(
        hashes.tenant, lambda pair: _entry(store, pair[0], pair[1], rendering, until), pairs
    )
    return Decoded(decoded, rendering, ownership)


async def views_of(store: Store, decoded: Decoded, entries: Sequence[TimelineEntry]) -> list[TouchpointView]:
    """The views of some decoded touchpoints."""
    return await store.pace.each(decoded.rendering.hashes.tenant, decoded.view, entries)


def decode_plain(store: Store, rendering: Rendering, stored: Member) -> TimelineEntry:
    """A touchpoint that is its own entry and was not amended."""
    return _entry(store, stored, stored, rendering, store.decoded.sweep())


def _entry(
    store: Store, original: Member, entry: Member, rendering: Rendering, until: float
) -> TimelineEntry:
    if original.blanked:
        each = TimelineEntry(original, _blanked(original, rendering), entry)
    else:
        recent = store.decoded.of(original, until)
        each = TimelineEntry(original, recent.body, entry, None if original.amended else recent.made)
    if original.unknown or each.body is UNREADABLE:
        store.unknown.met(original.unknown or "body", original.codes.hex())
    return each


def _blanked(stored: Member, rendering: Rendering) -> Body:
    amendment = rendering.amendment(stored)
    return blank_body(stored, amendment[1] if amendment else None)


async def _originals(
    store: Store, records: Mapping[bytes, IdentityRecord], entries: Sequence[Member]
) -> tuple[Sequence[Member | None], Mapping[bytes, IdentityRecord]]:
    """The touchpoint of each entry, None if it was removed, and the records of all their homes."""
    originals: list[Member | None] = list(entries)
    pointing = [at for at, it in enumerate(entries) if it.reference is not None]
    if not pointing:
        return originals, records
    places = [(entries[at].reference or b"", entries[at].place) for at in pointing]
    for at, original in zip(pointing, await read_at(store.connection, store.keys, places), strict=True):
        originals[at] = original
    homes = {home for home, _place in places if home not in records}
    others = await read_records(store.connection, store.keys, sorted(homes))
    return originals, {**records, **others}


async def read_merged(store: Store, homes: Sequence[bytes], given: Given, window: Window) -> MemberPage:
    """A page of the merged timelines of `homes`, with the entries that were given to them. One round trip."""
    return merged(await read_page(store.connection, store.keys, homes, window), given, window)


def merged(page: MemberPage, given: Given, window: Window) -> MemberPage:
    """A page with the entries that were given to its homes."""
    if not given.members:
        return page
    inside = {it.place: it for it in given.members if window.contains(it.place)}
    entries = {it.place: it for it in page.members} | inside
    ordered = [entries[place] for place in sorted(entries, reverse=not window.ascending)]
    return MemberPage(
        members=tuple(ordered[: window.limit]),
        total=page.total + len(given.members),
        more=page.more or len(ordered) > window.limit,
    )


async def read_whole(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    given: Given = NOTHING_GIVEN,
) -> AsyncIterator[Decoded]:
    """The merged timelines of `records`, oldest first, in pages; one round trip each, and those of `decode`.

    New touchpoints are included if their place has not been passed yet.
    """
    homes = homes_of(records)
    window, more = Window(limit=PAGE, ascending=True), True
    while more:
        page = await read_merged(store, homes, given, window)
        yield await decode(store, hashes, {**records, **given.records}, page.members, given.ownership)
        more = page.more and bool(page.members)
        if more:
            window = onwards(window, page.members[-1])


def homes_of(records: Mapping[bytes, IdentityRecord]) -> list[bytes]:
    """The identities that have a timeline."""
    return [key for key, record in records.items() if record.last_arrival]


def onwards(window: Window, last: Member | None) -> Window:
    step = max(PAGE, window.limit)
    if last is None:
        return Window(limit=step, after=window.after, before=window.before, ascending=window.ascending)
    if window.ascending:
        return Window(limit=step, after=last.place, before=window.before, ascending=True)
    return Window(limit=step, after=window.after, before=last.place)


async def read_entry(store: Store, tenant: str, filed: Filed) -> tuple[TimelineEntry, Decoded]:
    """Decode the touchpoint read from a place. Raises NotFound if it was removed. Round trips as `decode`."""
    found = filed.read()
    if found is None:
        raise NotFound(GONE)
    return await decode_one(store, store.hashes(tenant), *found)


async def decode_one(
    store: Store, hashes: KeyedHash, stored: Member, record: IdentityRecord
) -> tuple[TimelineEntry, Decoded]:
    decoded = await decode(store, hashes, {record.key: record}, [stored])
    if not decoded.entries:
        raise NotFound(GONE)
    return decoded.entries[0], decoded
