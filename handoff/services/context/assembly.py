"""The context that the next party gets before they greet the customer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import UNSET, Struct

from handoff.domain import brief as rules
from handoff.domain.clock import Micros
from handoff.domain.handoff import Handoff
from handoff.domain.identity import Assurance
from handoff.services.customers.customer import Customer
from handoff.services.customers.lookup import LookUp
from handoff.services.handoffs.records import handoff_view, read_chains, read_of_homes
from handoff.store.repositories.tenant.handoff_records import HandoffRecords
from handoff.store.store import Store

from .candidates import candidate_words
from .completeness import Concern, Monitor
from .extent import deleted_by_policy, late_of, left_out, shortened, timeline_view
from .history import History, read_history
from .person import person_view
from .position import position_of
from .remembered.keeping import remember
from .shared import shared_views, summarised
from .story import making_conversation_views, story_of
from .summary import Summariser
from .validation import ReadLog, Validator
from .views import OPTIONAL_FIELDS, ContextSelection, ContextView, LeftOut

MAX_CONVERSATIONS = 50  # the newest whose quarantined deliveries are looked for, beside the open ones


class Assembled(Struct, frozen=True):
    """A context, with its basis if the reads were watched and it can be requested without its timeline."""

    view: ContextView
    basis: Validator | None
    shortened: Callable[[int], ContextView] | None = None
    """Builds the same context with a shorter timeline, without further reads; None without a timeline."""


async def assemble(
    store: Store,
    monitor: Monitor,
    tenant: str,
    look_up: LookUp,
    *,
    wanted: ContextSelection,
    now: Micros,
    handoff: Handoff | None = None,
    summariser: Summariser | None = None,
    watch: ReadLog | None = None,
) -> Assembled:
    """The context of a look-up, which `watch` recorded, as of `now`, for `handoff`. Three round trips."""
    customer = look_up.customer or (look_up.shared if wanted.reader.internal else None)
    if customer is None:
        return Assembled(await _unmatched(store, monitor, tenant, look_up, now, wanted), None)
    key, records = (tenant, *(it.key for it in customer.members)), store.of(tenant).handoffs.through(watch)
    histories, limited = store.histories, wanted.reader.limited  # all touchpoints are in a history
    cleared, known = histories.cleared, None if limited else histories.take(key)
    read = await read_history(store, tenant, customer, wanted, known, watch or store.connection)
    chains = await read_chains(records, [it.id for it in read.conversations])
    handoffs = [wanted.reader.shown(it) for it in await read_of_homes(records, read.homes)]
    handoff = handoff and wanted.reader.shown(handoff)
    assessed = await monitor.completeness(tenant, concern=_concern(customer, read), now=now)
    await _complete(store, records, read, handoff, wanted, now)
    story = await story_of(store, read, now, handoff, handoffs, wanted)
    briefed, unproved = _shows(wanted, "brief"), wanted.min_assurance is not Assurance.VERIFIED
    if briefed and unproved and wanted.reader.queues is None:
        story.candidates = await candidate_words(store, watch or store.connection, tenant, customer, story)
    person = await person_view(store, tenant, customer, read, wanted.reader) if look_up.customer else None
    view = ContextView(
        match=look_up.match,
        match_assurance=look_up.assurance,
        as_of=position_of(customer.members).encode(),
        requested_id=look_up.requested_id,
        customer=person,
        conversations=await store.pace.run(tenant, making_conversation_views(read, chains, story)),
        handoffs=[handoff_view(it, read.hashes, customer.id) for it in handoffs],
        brief=await _brief(store, tenant, story, summariser if briefed else None),
        timeline=await timeline_view(store, read, wanted),
        completeness=assessed.completeness,
        left_out=left_out(read, customer, wanted),
    )
    remember(store, tenant, key, None if summariser else read.recollection, cleared)  # its thread reads it
    basis = None
    if watch and not (look_up.shared or summariser or read.has_references):  # these change by themselves
        basis = watch.basis(assessed.basis if _shows(wanted, "completeness") else None)
    view = await _with_candidates(store, tenant, look_up, _selected(view, wanted.fields), now, wanted)
    return Assembled(view, basis, partial(shortened, view, read, customer, wanted))


async def _complete(
    store: Store,
    records: HandoffRecords,
    read: History,
    handoff: Handoff | None,
    wanted: ContextSelection,
    now: Micros,
) -> None:
    """Add to what was read what is missing in it, and what is near the customer."""
    read.late = await late_of(store, read, handoff)
    read.deleted = deleted_by_policy(store.horizons.of(records.tenant))
    read.shared = await shared_views(store, records, read.portions, wanted, now)


async def _with_candidates(
    store: Store, tenant: str, look_up: LookUp, view: ContextView, now: Micros, wanted: ContextSelection
) -> ContextView:
    """The context, for a shared identity with the people it may be."""
    if not look_up.shared:
        return view
    candidates = await summarised(store, tenant, look_up, now, wanted)
    return msgspec.structs.replace(view, candidates=candidates, question=look_up.question or UNSET)


def _concern(customer: Customer, read: History) -> Concern:
    conversations = read.conversations
    chosen = conversations[:MAX_CONVERSATIONS] + [it for it in conversations[MAX_CONVERSATIONS:] if it.open]
    return Concern(
        since=read.open_since,
        hashes=(*read.homes, *(it.id for it in chosen)),
        channels=frozenset(channel for it in customer.members for _type, channel in it.counts),
        newest=read.newest_of,
    )


def _shows(wanted: ContextSelection, field: str) -> bool:
    return wanted.fields is None or field in wanted.fields


async def _brief(store: Store, tenant: str, story: rules.Story, summariser: Summariser | None) -> rules.Brief:
    brief = await store.pace.run(tenant, rules.writing_brief(story))
    if summariser is None:
        return brief
    mask = partial(store.masking.value, tenant) if store.masking.kinds(tenant) else None
    return await summariser.add(story.everything, brief, mask)


async def _unmatched(
    store: Store, monitor: Monitor, tenant: str, look_up: LookUp, now: Micros, wanted: ContextSelection
) -> ContextView:
    """The context of a look-up that matched no single customer: the candidates, and what to ask.

    A limited reader does not learn what is in quarantine for people whom they may not see.
    """
    hashes = () if wanted.reader.limited else _people_of(store, tenant, look_up)
    assessed = await monitor.completeness(tenant, concern=Concern(hashes=hashes), now=now)
    return ContextView(
        match=look_up.match,
        match_assurance=look_up.assurance,
        as_of="",
        requested_id=look_up.requested_id,
        customer=None,
        completeness=assessed.completeness,
        left_out=LeftOut(candidates=look_up.left_out or None),
        candidates=await summarised(store, tenant, look_up, now, wanted),
        question=look_up.question if look_up.question else UNSET,
    )


def _people_of(store: Store, tenant: str, look_up: LookUp) -> tuple[bytes, ...]:
    identity = store.hashes(tenant).identity
    return (*look_up.asked, *(identity(it.identity) for it in look_up.candidates))


def _selected(context: ContextView, fields: frozenset[str] | None) -> ContextView:
    """The context with only the requested optional fields; `customer` and `left_out` are always kept."""
    if fields is None:
        return context
    return msgspec.structs.replace(context, **dict.fromkeys(OPTIONAL_FIELDS - fields, UNSET))
