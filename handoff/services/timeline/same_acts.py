"""One act on several channels: its copies are shown with it, not beside it. Nothing stored changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from handoff.codec.keyed_hash import TOUCHPOINT, KeyedHash
from handoff.domain.brief.copies import MESSAGES, Copies, Copy
from handoff.domain.clock import format_time
from handoff.services.access.reader import Reader
from handoff.services.context.items import timeline_item
from handoff.services.customers.separations import separated
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import MemberPage, Window
from handoff.store.store import Store

from .reading import Decoded, Given, TimelineEntry, decode, read_merged
from .seeing import seen
from .views import AlsoView, TouchpointView, TranscriptView

MARGIN = 20  # touchpoints beside a page in which the copies of those on it are searched

StoredPlace = tuple[bytes, bytes]
"""A touchpoint: its home and its id."""


def hidden(hashes: KeyedHash, copies: Copies) -> frozenset[StoredPlace]:
    """The copies: they are shown with another touchpoint."""
    return frozenset(_place(hashes, it) for it in copies.copies)


def _place(hashes: KeyedHash, public_id: str) -> StoredPlace:
    home, id_ = hashes.private(TOUCHPOINT, public_id, 2)
    return home, id_


def named(views: Sequence[TouchpointView], copies: Copies) -> list[TouchpointView]:
    """The views, each with its copies."""
    if not copies.exist:
        return list(views)
    shown, transcripts = copies.by_shown(), copies.transcripts
    return [
        _named(it, copies, shown.get(it.id, ())) if it.id in shown or it.id in transcripts else it
        for it in views
    ]


def _named(view: TouchpointView, copies: Copies, also: Sequence[Copy]) -> TouchpointView:
    if also:
        view = msgspec.structs.replace(view, also=[_also(it) for it in also])
    transcript = copies.transcripts.get(view.id)
    if transcript is None:
        return view
    chat = TranscriptView(
        conversation_id=transcript.conversation,
        at=format_time(transcript.at),
        messages=transcript.messages,
    )
    return msgspec.structs.replace(view, transcript_of=chat)


def _also(copy: Copy) -> AlsoView:
    item = copy.item
    return AlsoView(
        id=item.id,
        source=item.source,
        channel=item.channel,
        why=copy.why,
        type=item.type,
        occurred_at=format_time(item.occurred_at),
        assurance=item.assurance,
        conversation_id=item.conversation,
    )


class PageReading(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a timeline that a page was read from, and its reader."""

    homes: Sequence[bytes]
    records: Mapping[bytes, IdentityRecord]
    given: Given
    window: Window
    reader: Reader


async def page_views(
    store: Store, hashes: KeyedHash, reading: PageReading, page: MemberPage, decoded: Decoded
) -> list[TouchpointView]:
    """The views of a page, without copies of what is on it or near it.

    Takes one round trip if there is more beside the page, and messages on it.
    """
    entries = decoded.entries
    copies = Copies(apart=separated(hashes, [*reading.records.values(), *reading.given.records.values()]))
    if any(it.stored.type in MESSAGES for it in entries):
        around = [*await _beside(store, hashes, reading, page), (decoded, entries)]
        own = [(one, it) for one, near in around for it in near if not it.is_reference]
        own.sort(key=lambda pair: pair[1].stored.place)
        items = await store.pace.each(hashes.tenant, lambda it: timeline_item(it[0].rendering, it[1]), own)
        copies.take(items)
    left_out = hidden(hashes, copies)
    shown = [it for it in entries if it.is_reference or (it.stored.home, it.stored.id) not in left_out]
    views = await store.pace.each(hashes.tenant, decoded.view, shown)
    return named(views, copies)


async def _beside(
    store: Store, hashes: KeyedHash, reading: PageReading, page: MemberPage
) -> list[tuple[Decoded, list[TimelineEntry]]]:
    """The touchpoints before and after a page."""
    window, places = reading.window, [it.place for it in page.members]
    windows = []
    if page.more or (window.after if not window.ascending else window.before):
        windows.append(_onwards(window.ascending, places[-1]))
    if window.before if not window.ascending else window.after:
        windows.append(_onwards(not window.ascending, places[0]))
    pages = await asyncio.gather(*(read_merged(store, reading.homes, reading.given, it) for it in windows))
    found = []
    for each in pages:
        records = {**reading.records, **reading.given.records}
        every = await decode(store, hashes, records, each.members, reading.given.ownership)
        near = await seen(store, every, reading.reader)
        found.append((near, near.entries))
    return found


def _onwards(ascending: bool, place: bytes) -> Window:
    if ascending:
        return Window(limit=MARGIN, after=place, ascending=True)
    return Window(limit=MARGIN, before=place)
