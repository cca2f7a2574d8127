"""One act on several channels: its copies are shown with it, not beside it. Nothing stored changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from handoff.codec.keyed_hash import TOUCHPOINT, KeyedHash
from handoff.codec.member import Member
from handoff.domain.brief.copies import MESSAGES, Copies, Copy
from handoff.domain.clock import format_time
from handoff.services.access.reader import Reader
from handoff.services.context.items import timeline_item
from handoff.services.customers.separations import separated
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import MemberPage, Window
from handoff.store.store import Store

from .deriving import complete_views
from .reading import Decoded, Given, decode, read_merged
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
    """The parts of a timeline that a page is read from, and its reader."""

    homes: Sequence[bytes]
    records: Mapping[bytes, IdentityRecord]
    given: Given
    window: Window
    reader: Reader


async def read_page_beside(store: Store, reading: PageReading) -> tuple[MemberPage, list[Member]]:
    """A page, and the touchpoints before and after it. One round trip, two at once after the first page."""
    window = reading.window
    wider = msgspec.structs.replace(window, limit=window.limit + MARGIN)
    windows = [wider, *_back(window)]
    found = await asyncio.gather(*(read_merged(store, reading.homes, reading.given, it) for it in windows))
    first, members = found[0], found[0].members
    page = MemberPage(
        members=members[: window.limit],
        total=first.total,
        more=first.more or len(members) > window.limit,
    )
    return page, [*members[window.limit :], *(it for each in found[1:] for it in each.members)]


def _back(window: Window) -> list[Window]:
    """The part of the timeline on the other side of where a page begins."""
    if window.ascending:
        return [Window(limit=MARGIN, before=_next_to(window.after, 1))] if window.after else []
    if not window.before:
        return []
    return [Window(limit=MARGIN, after=_next_to(window.before, -1), ascending=True)]


def _next_to(place: bytes, step: int) -> bytes:
    """A bound that excludes a place no longer."""
    number = int.from_bytes(place, "big") + step
    return max(number, 0).to_bytes(len(place), "big") if number < 256 ** len(place) else place


async def page_views(
    store: Store, hashes: KeyedHash, reading: PageReading, decoded: Decoded, beside: Sequence[Member]
) -> list[TouchpointView]:
    """The views of a page, without copies of what is on it or near it. Round trips as `decode`."""
    entries = decoded.entries
    copies = Copies(apart=separated(hashes, [*reading.records.values(), *reading.given.records.values()]))
    if any(it.stored.type in MESSAGES for it in entries):
        records = {**reading.records, **reading.given.records}
        every = await decode(store, hashes, records, beside, reading.given.ownership)
        near = await seen(store, every, reading.reader)
        own = [(one, it) for one in (near, decoded) for it in one.entries if not it.is_reference]
        own.sort(key=lambda pair: pair[1].stored.place)
        items = await store.pace.each(hashes.tenant, lambda it: timeline_item(it[0].rendering, it[1]), own)
        copies.take(items)
    left_out = hidden(hashes, copies)
    shown = [it for it in entries if it.is_reference or (it.stored.home, it.stored.id) not in left_out]
    return named(await complete_views(store, decoded, shown), copies)
