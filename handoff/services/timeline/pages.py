"""Pages of a customer's timeline, and single touchpoints, as their reader may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handoff.codec.keyed_hash import TOUCHPOINT, KeyedHash
from handoff.codec.member import Member
from handoff.domain.errors import NotFound, Restricted
from handoff.services.access.reader import EVERYTHING, Reader
from handoff.store.repositories.identities import IdentityRecord, doubled
from handoff.store.repositories.timelines import Window, encode_cursor, read_places
from handoff.store.store import Store

from .deriving import complete_views
from .reading import (
    GONE,
    NOTHING_GIVEN,
    Filter,
    Given,
    TimelineEntry,
    decode,
    decode_one,
    homes_of,
    onwards,
    read_merged,
)
from .same_acts import PageReading, page_views, read_page_beside
from .seeing import seen
from .views import TimelineView, TouchpointView

MAX_SCANNED = 5_000  # touchpoints read for one filtered page; the answer states where it stopped


async def read_timeline(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    window: Window,
    filter_: Filter,
    reader: Reader = EVERYTHING,
    given: Given = NOTHING_GIVEN,
) -> TimelineView:
    """A page of the merged timelines of `records`; one round trip without a filter,
    or two at once.

    Copies are shown with their originals, unless there is a filter: it finds what is stored.
    """
    homes = homes_of(records)
    if not filter_.active and reader.internal:
        reading = PageReading(homes=homes, records=records, given=given, window=window, reader=reader)
        page, beside = await read_page_beside(store, reading)
        every = await decode(store, hashes, {**records, **given.records}, page.members, given.ownership)
        decoded = await seen(store, every, reader)
        views = await page_views(store, hashes, reading, decoded, beside)
        return TimelineView(
            touchpoints=views,
            total=page.total - doubled(records),
            returned=len(views),
            next=encode_cursor(page.end) if page.end else None,
        )
    return await _scan(store, hashes, records, homes, window, filter_, reader, given)


async def _scan(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    homes: Sequence[bytes],
    window: Window,
    filter_: Filter,
    reader: Reader,
    given: Given,
) -> TimelineView:
    """Search a bounded part of the timeline for touchpoints that pass the filter."""
    found: list[TouchpointView] = []
    scanned = 0
    last: Member | None = None
    more = True
    while more and len(found) < window.limit and scanned < MAX_SCANNED:
        page = await read_merged(store, homes, given, onwards(window, last))
        decoded = await decode(store, hashes, {**records, **given.records}, page.members, given.ownership)
        more = page.more
        visible = await seen(store, decoded, reader)
        shown = {id(it.entry): it for it in visible.entries}
        fitting: list[TimelineEntry] = []
        for entry in decoded.entries:
            if len(found) + len(fitting) == window.limit:
                more = True
                break
            last = entry.entry
            scanned += 1
            mine = shown.get(id(entry.entry))
            if mine is not None and filter_.passes(mine.stored, mine.body):
                fitting.append(mine)
        found += await complete_views(store, visible, fitting)
    cursor = encode_cursor(last.place) if last else None
    return TimelineView(
        touchpoints=found,
        total=None,
        returned=len(found),
        next=cursor if more else None,
        scanned_to=cursor,
    )


async def read_touchpoint(
    store: Store, tenant: str, touchpoint_id: str, reader: Reader = EVERYTHING
) -> TouchpointView:
    """One touchpoint by its public id. Raises NotFound if it is unknown or hidden from the reader.

    Three round trips, two more if texts were derived at its home.
    """
    hashes = store.hashes(tenant)
    home, id_ = hashes.private(TOUCHPOINT, touchpoint_id, 2)
    (stored,) = await read_places(store.connection, store.keys, [(home, id_)])
    reading = store.of(tenant).people.reader()
    await reading.read([home])
    records = reading.records
    if stored is None or home not in records:
        raise NotFound(GONE)
    if records[home].restricted:
        raise Restricted()
    _entry, decoded = await decode_one(store, hashes, stored, records[home])
    visible = await seen(store, decoded, reader)
    if not visible.entries:
        raise NotFound(GONE)
    (view,) = await complete_views(store, visible, visible.entries[:1])
    return view
