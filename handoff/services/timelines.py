"""A customer's timeline: pages of all channels in the order in which things happened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from handoff.codec.body import Body
from handoff.codec.keyed_hash import TOUCHPOINT, KeyedHash
from handoff.codec.member import Stored, channel_name
from handoff.domain.errors import NotFound
from handoff.domain.identity import ASSURANCE_RANK, Assurance
from handoff.store.components import read_records
from handoff.store.records import IdentityRecord, doubled
from handoff.store.store import Store
from handoff.store.timelines import (
    Filed,
    Page,
    Window,
    encode_cursor,
    read_amendments,
    read_at,
    read_page,
    read_places,
)

from .views import Rendering, TimelineView, TouchpointView, blank_body, touchpoint_view

MAX_SCANNED = 5_000  # touchpoints looked at for one filtered page; the answer says how far it got
PAGE = 500  # touchpoints of one round trip where a whole timeline is read
_GONE = "there is no such touchpoint"


class Filter(Struct, frozen=True, kw_only=True):
    """Which touchpoints to show; empty: all."""

    channels: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    min_assurance: Assurance = Assurance.INFERRED

    @property
    def active(self) -> bool:
        return bool(self.channels or self.types) or self.min_assurance is not Assurance.INFERRED

    def passes(self, stored: Stored, body: Body) -> bool:
        if self.types and stored.type not in self.types:
            return False
        if self.channels and channel_name(stored, body) not in self.channels:
            return False
        return ASSURANCE_RANK[body.assurance] >= ASSURANCE_RANK[self.min_assurance]


class Told(Struct, frozen=True):
    """A touchpoint read and decoded. `entry` is where it stands in this timeline: the touchpoint
    itself, or the entry of a participant that points at it."""

    stored: Stored
    body: Body
    entry: Stored
    made: dict[Any, Any] | None = None
    """What readers made of it lately and may use again; None for what is not to be kept."""

    @property
    def is_reference(self) -> bool:
        return self.entry.reference is not None


class Decoded(Struct, frozen=True):
    """Touchpoints in the order of their entries, and what renders them."""

    told: list[Told]
    rendering: Rendering

    def view(self, it: Told) -> TouchpointView:
        return touchpoint_view(it.stored, it.body, self.rendering, it.entry)


async def decode(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    entries: Sequence[Stored],
) -> Decoded:
    """The touchpoints behind the entries of a timeline, with what amends them.

    No round trip for plain ones; two where any was amended, two where any is a participant's entry.
    """
    originals, known = await _originals(store, records, entries)
    wanted = {(it.home, it.id) for it in originals if it and it.amended}
    found = await read_amendments(store.connection, store.keys, sorted(wanted))
    # An amendment that was itself deleted says nothing any more.
    amendments = {which: (it, it.body()) for which, it in found.items() if not it.blanked}
    rendering = Rendering(hashes=hashes, records=known, amendments=amendments)
    kept, until = store.decoded, store.decoded.sweep()
    told = []
    for entry, it in zip(entries, originals, strict=True):
        if it is None:
            continue
        if it.blanked:
            told.append(Told(it, _blanked(it, rendering), entry))
        else:
            lately = kept.of(it, until)
            told.append(Told(it, lately.body, entry, None if it.amended else lately.made))
    return Decoded(told, rendering)


def _blanked(it: Stored, rendering: Rendering) -> Body:
    amendment = rendering.amendment(it)
    return blank_body(it, amendment[1] if amendment else None)


async def _originals(
    store: Store, records: Mapping[bytes, IdentityRecord], entries: Sequence[Stored]
) -> tuple[Sequence[Stored | None], Mapping[bytes, IdentityRecord]]:
    """The touchpoint of each entry, None where it is gone, and the records of all their homes."""
    originals: list[Stored | None] = list(entries)
    pointing = [at for at, it in enumerate(entries) if it.reference is not None]
    if not pointing:
        return originals, records
    places = [(entries[at].reference or b"", entries[at].place) for at in pointing]
    for at, original in zip(pointing, await read_at(store.connection, store.keys, places), strict=True):
        originals[at] = original
    homes = {home for home, _place in places if home not in records}
    others = await read_records(store.connection, store.keys, sorted(homes))
    return originals, {**records, **others}


async def read_timeline(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    window: Window,
    filter_: Filter,
) -> TimelineView:
    """A page of the merged timelines of `records`. One round trip where nothing is filtered."""
    homes = _homes(records)
    if not filter_.active:
        page = await read_page(store.connection, store.keys, homes, window)
        decoded = await decode(store, hashes, records, page.members)
        return TimelineView(
            touchpoints=[decoded.view(it) for it in decoded.told],
            total=page.total - doubled(records),
            returned=len(decoded.told),
            next=encode_cursor(page.end) if page.end else None,
        )
    return await _scan(store, hashes, records, homes, window, filter_)


async def read_whole(
    store: Store, hashes: KeyedHash, records: Mapping[bytes, IdentityRecord]
) -> AsyncIterator[Decoded]:
    """The merged timelines of `records` from the oldest touchpoint on, a page at a time.

    A round trip for each, and those of `decode`; what comes meanwhile is told where its place is ahead.
    """
    homes = _homes(records)
    window, more = Window(limit=PAGE, ascending=True), True
    while more:
        page = await read_page(store.connection, store.keys, homes, window)
        yield await decode(store, hashes, records, page.members)
        more = page.more and bool(page.members)
        if more:
            window = _onwards(window, page.members[-1])


def _homes(records: Mapping[bytes, IdentityRecord]) -> list[bytes]:
    """Of the identities, those that have a timeline."""
    return [key for key, record in records.items() if record.last_arrival]


async def _scan(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    homes: Sequence[bytes],
    window: Window,
    filter_: Filter,
) -> TimelineView:
    """Look through a bounded part of the timeline for what passes the filter."""
    found: list[TouchpointView] = []
    scanned = 0
    last: Stored | None = None
    more = True
    while more and len(found) < window.limit and scanned < MAX_SCANNED:
        page: Page = await read_page(store.connection, store.keys, homes, _onwards(window, last))
        decoded = await decode(store, hashes, records, page.members)
        more = page.more
        for it in decoded.told:
            if len(found) == window.limit:
                more = True
                break
            last = it.entry
            scanned += 1
            if filter_.passes(it.stored, it.body):
                found.append(decoded.view(it))
    cursor = encode_cursor(last.place) if last else None
    return TimelineView(
        touchpoints=found,
        total=None,
        returned=len(found),
        next=cursor if more else None,
        scanned_to=cursor,
    )


def _onwards(window: Window, last: Stored | None) -> Window:
    step = max(PAGE, window.limit)
    if last is None:
        return Window(limit=step, after=window.after, before=window.before, ascending=window.ascending)
    if window.ascending:
        return Window(limit=step, after=last.place, before=window.before, ascending=True)
    return Window(limit=step, after=window.after, before=last.place)


async def read_touchpoint(store: Store, tenant: str, touchpoint_id: str) -> TouchpointView:
    """One touchpoint by its public id. NotFound where there is none. Three round trips."""
    hashes = store.hashes(tenant)
    home, id_ = hashes.private(TOUCHPOINT, touchpoint_id, 2)
    (stored,) = await read_places(store.connection, store.keys, [(home, id_)])
    records = await read_records(store.connection, store.keys, [home])
    if stored is None or home not in records:
        raise NotFound(_GONE)
    told, decoded = await _decode_one(store, hashes, stored, records[home])
    return decoded.view(told)


async def read_entry(store: Store, tenant: str, filed: Filed) -> tuple[Told, Decoded]:
    """The touchpoint in what was read of a place. NotFound where there is none. Round trips as `decode`."""
    found = filed.read()
    if found is None:
        raise NotFound(_GONE)
    return await _decode_one(store, store.hashes(tenant), *found)


async def _decode_one(
    store: Store, hashes: KeyedHash, stored: Stored, record: IdentityRecord
) -> tuple[Told, Decoded]:
    decoded = await decode(store, hashes, {record.key: record}, [stored])
    if not decoded.told:
        raise NotFound(_GONE)
    return decoded.told[0], decoded
