"""Shared identities in a context: their unassigned touchpoints, and summaries of their candidates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from handoff.domain import brief as rules
from handoff.domain.clock import Micros, format_time
from handoff.domain.conversation import is_system
from handoff.domain.evidence import MAX_STRONG_NEIGHBOURS, joins
from handoff.domain.identity import ANONYMOUS
from handoff.services.customers.customer import LinkCandidate, by_id
from handoff.services.customers.lookup import LookUp
from handoff.services.customers.portions import Portions, SharedPart
from handoff.services.handoffs.records import read_of_homes
from handoff.services.timeline.reading import Decoded, Filter, TimelineEntry, decode
from handoff.store.repositories.identities import EntryKind, IdentityRecord
from handoff.store.repositories.tenant.handoff_records import HandoffRecords
from handoff.store.repositories.timelines import Window, read_page
from handoff.store.store import Store

from .items import timeline_item
from .views import CandidateSummary, CandidateView, ContextSelection, SharedIdentityView, candidate_view

MAX_SHARED = 3  # shared identities of one customer that are shown
READ = 50  # touchpoints of a shared identity that are searched, the newest
SHOWN = 5
MAX_SUMMARIES = 10  # candidates of a look-up, the likeliest


async def shared_views(
    store: Store, records: HandoffRecords, portions: Portions, wanted: ContextSelection, now: Micros
) -> list[SharedIdentityView]:
    """The identities that a customer shares with others, with their unassigned touchpoints.

    A device is left out: nothing waits there. Takes no round trip without a shared identity. A mailbox of
    more than MAX_STRONG_NEIGHBOURS people shows only how much there is. Not for limited readers: what is
    there may be another customer's.
    """
    parts = [it for it in portions.parts if it.linked and it.record.identity.type != ANONYMOUS]
    if not parts or wanted.reader.limited:
        return []
    parts = parts[:MAX_SHARED]
    handoffs = await read_of_homes(records, [it.record.key for it in parts])
    found = await asyncio.gather(*(_unassigned(store, records.tenant, it, wanted) for it in parts))
    views = []
    for part, (decoded, entries) in zip(parts, found, strict=True):
        pending = [it.id for it in handoffs if it.pending and it.home == part.record.key]
        people = _people(part.record)
        shown = entries[:SHOWN] if people <= MAX_STRONG_NEIGHBOURS else []
        waiting = await _waiting_since(store, decoded, entries, now)
        views.append(
            SharedIdentityView(
                identity=str(part.record.identity),
                people=people,
                unattributed=len(entries),
                waiting_since=format_time(waiting) if waiting else None,
                newest=[decoded.view(it) for it in shown],
                pending=pending,
            )
        )
    return views


def _people(record: IdentityRecord) -> int:
    """The number of identities that verified evidence links with this one."""
    ends = {it.other for it in record.evidence if joins(it)}
    return len(ends | {it.home for it in record.pointers if it.kind is EntryKind.JOINS})


async def _unassigned(
    store: Store, tenant: str, part: SharedPart, wanted: ContextSelection
) -> tuple[Decoded, list[TimelineEntry]]:
    """The newest unassigned touchpoints on a shared identity, without system entries."""
    key = part.record.key
    page = await read_page(store.connection, store.keys, [key], Window(limit=READ))
    decoded = await decode(store, store.hashes(tenant), {key: part.record}, page.members)
    shown = Filter(min_assurance=wanted.min_assurance)
    entries = [
        it
        for it in decoded.entries
        if not it.is_reference
        and not is_system(it.stored.type)
        and shown.passes(it.stored, it.body)
        and not part.ownership.assignment(it.stored.id, decoded.rendering.conversation(it.stored, it.body)[0])
    ]
    return decoded, entries


async def _waiting_since(
    store: Store, decoded: Decoded, entries: Sequence[TimelineEntry], now: Micros
) -> Micros | None:
    items = [timeline_item(decoded.rendering, it) for it in reversed(entries)]
    reading = rules.reading_story(
        items, now=now, rules=store.brief_rules, pending=None, handoffs=(), internal=True
    )
    story, _state = await store.pace.run(decoded.rendering.hashes.tenant, reading)
    return story.waiting_since()


async def summarised(
    store: Store, tenant: str, look_up: LookUp, now: Micros, wanted: ContextSelection
) -> list[CandidateView]:
    """The candidates of an ambiguous look-up, the likeliest with a summary, unless the reader is limited.

    None for readers limited to queues: the candidates may be customers of other queues.

    Takes the round trips of `by_id` and one more, at once for all candidates.
    """
    if wanted.reader.queues is not None:
        return []
    first = () if wanted.reader.limited else look_up.candidates[:MAX_SUMMARIES]
    summaries = await asyncio.gather(*(_summary(store, tenant, it, now, wanted) for it in first))
    shown = [candidate_view(it, summary) for it, summary in zip(first, summaries, strict=True)]
    return shown + [candidate_view(it) for it in look_up.candidates[len(first) :]]


async def _summary(
    store: Store, tenant: str, candidate: LinkCandidate, now: Micros, wanted: ContextSelection
) -> CandidateSummary:
    customer = await by_id(store, tenant, candidate.id)
    records = {it.key: it for it in customer.members}
    page = await read_page(store.connection, store.keys, list(records), Window(limit=READ))
    decoded = await decode(store, store.hashes(tenant), records, page.members)
    shown = Filter(min_assurance=wanted.min_assurance)
    entries = [
        it
        for it in decoded.entries
        if not it.is_reference and not is_system(it.stored.type) and shown.passes(it.stored, it.body)
    ]
    views = [decoded.view(it) for it in entries]
    names = [it.traits.get("name") for it in views if it.assurance == "verified"]
    waiting = await _waiting_since(store, decoded, entries, now)
    return CandidateSummary(
        name=next((it for it in names if isinstance(it, str) and it), None),
        last_at=views[0].occurred_at if views else None,
        last_type=views[0].type if views else None,
        last_subject=next((it.subject for it in views if it.subject), None),
        channels=list(dict.fromkeys(it.channel for it in views)),
        waiting_since=format_time(waiting) if waiting else None,
    )
