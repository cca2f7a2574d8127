"""A customer's timeline: pages of all channels in the order in which things happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from handoff.codec.body import Body
from handoff.codec.keyed_hash import TOUCHPOINT, KeyedHash
from handoff.codec.member import Stored, channel_name
from handoff.domain.errors import NotFound
from handoff.domain.identity import ASSURANCE_RANK, Assurance
from handoff.store.components import read_records
from handoff.store.records import IdentityRecord
from handoff.store.store import Store
from handoff.store.timelines import (
    Page,
    Window,
    encode_cursor,
    read_amendments,
    read_page,
    read_places,
)

from .views import Rendering, TimelineView, TouchpointView, blank_body, touchpoint_view

MAX_SCANNED = 5_000  # touchpoints looked at for one filtered page; the answer says how far it got
_SCAN_STEP = 500


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
    """A touchpoint read and decoded."""

    stored: Stored
    body: Body


async def decode(
    store: Store, members: Sequence[Stored]
) -> tuple[list[Told], dict[tuple[bytes, bytes], tuple[Stored, Body]]]:
    """The members with their bodies, and the amendments of those that have one.

    No round trip where nothing was amended or the amendments are among the members, two otherwise.
    """
    wanted = {(it.home, it.id) for it in members if it.amended}
    amendments: dict[tuple[bytes, bytes], tuple[Stored, Body]] = {}
    if wanted:
        found = await read_amendments(store.connection, store.keys, sorted(wanted))
        amendments = {which: (it, it.body()) for which, it in found.items()}
    told = []
    for it in members:
        amendment = amendments.get((it.home, it.id))
        body = blank_body(it, amendment[1] if amendment else None) if it.blanked else it.body()
        told.append(Told(it, body))
    return told, amendments


async def read_timeline(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    window: Window,
    filter_: Filter,
) -> TimelineView:
    """A page of the merged timelines of `records`. One round trip where nothing is filtered."""
    homes = [key for key, record in records.items() if record.last_arrival]
    if not filter_.active:
        page = await read_page(store.connection, store.keys, homes, window)
        told, amendments = await decode(store, page.members)
        rendering = Rendering(hashes=hashes, records=records, amendments=amendments)
        return TimelineView(
            touchpoints=[touchpoint_view(it.stored, it.body, rendering) for it in told],
            total=page.total,
            returned=len(told),
            next=encode_cursor(page.end) if page.end else None,
        )
    return await _scan(store, hashes, records, homes, window, filter_)


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
        told, amendments = await decode(store, page.members)
        rendering = Rendering(hashes=hashes, records=records, amendments=amendments)
        more = page.more
        for it in told:
            if len(found) == window.limit:
                more = True
                break
            last = it.stored
            scanned += 1
            if filter_.passes(it.stored, it.body):
                found.append(touchpoint_view(it.stored, it.body, rendering))
    cursor = encode_cursor(last.place) if last else None
    return TimelineView(
        touchpoints=found,
        total=None,
        returned=len(found),
        next=cursor if more else None,
        scanned_to=cursor,
    )


def _onwards(window: Window, last: Stored | None) -> Window:
    step = max(_SCAN_STEP, window.limit)
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
        raise NotFound("there is no such touchpoint")
    told, amendments = await decode(store, [stored])
    rendering = Rendering(hashes=hashes, records=records, amendments=amendments)
    return touchpoint_view(told[0].stored, told[0].body, rendering)
