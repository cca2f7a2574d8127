"""The context that the next party gets before they greet the customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from handoff.codec.keyed_hash import EVIDENCE, TOUCHPOINT, KeyedHash
from handoff.codec.member import channel_name
from handoff.domain import brief as rules
from handoff.domain.clock import DAY, Micros, format_time
from handoff.domain.conversation import Conversation, ConversationItem, fold
from handoff.domain.evidence import Evidence, EvidenceClass, joins
from handoff.domain.handoff import Handoff
from handoff.domain.identity import Assurance
from handoff.services.customers.customer import Candidate, Customer, assurance_of, candidates_of
from handoff.services.customers.lookup import LookUp, Match
from handoff.services.handoffs.records import Chain, handoff_view, read_chains, read_of_homes
from handoff.services.timeline.reading import Decoded, Filter, TimelineEntry, decode
from handoff.services.timeline.views import (
    IdentityView,
    TimelineView,
    TouchpointView,
    identity_fields,
    public_conversation,
)
from handoff.store.repositories.control import ControlReads
from handoff.store.repositories.identities import doubled
from handoff.store.repositories.timelines import MemberPage, Window, encode_cursor, read_page
from handoff.store.store import Store

from .candidates import candidate_words
from .completeness import Monitor
from .items import actor_type, timeline_item
from .position import position_of
from .summary import Summariser
from .validation import ReadLog, Validator
from .views import (
    OPTIONAL_FIELDS,
    CandidateView,
    ConflictView,
    ContextSelection,
    ContextView,
    ConversationView,
    CustomerView,
    LeftOut,
)

BRIEF_TOUCHPOINTS = 1_000
BRIEF_AGE: Micros = 90 * DAY


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
    """The context of a look-up as of `now`, for `handoff` if one is given.

    With a `summariser`, the brief includes a machine-made summary. A `watch` has recorded the look-up.
    Takes one round trip each for timelines, handoffs and completeness, two if a touchpoint was amended,
    and those of `candidate_words`.
    """
    if look_up.customer is None:
        return Assembled(await _unmatched(monitor, tenant, look_up, now), None)
    read = await _read(store, tenant, look_up.customer, wanted)
    control = ControlReads(watch or store.connection, tenant)
    chains = await read_chains(control, [it.id for it in read.conversations])
    handoffs = await read_of_homes(control, read.homes)
    since = min((it.opened_at for it in read.conversations if it.open), default=None)
    completeness = await monitor.completeness(tenant, since=since, now=now)
    story = _story(store, read, now, handoff, handoffs, wanted)
    shown = wanted.fields is None or "brief" in wanted.fields
    if shown and wanted.min_assurance is not Assurance.VERIFIED:
        reads = watch or store.connection
        story.candidates = await candidate_words(store, reads, tenant, look_up.customer, story)
    context = ContextView(
        match=Match.ONE,
        match_assurance=look_up.assurance,
        as_of=position_of(look_up.customer.members).encode(),
        requested_id=look_up.requested_id,
        customer=_customer_view(store, tenant, look_up.customer, read),
        conversations=_conversations(read, chains, story),
        handoffs=[handoff_view(it, read.hashes, look_up.customer.id) for it in handoffs],
        brief=await _brief(story, summariser if shown else None),
        timeline=_timeline(read, wanted),
        completeness=completeness,
        left_out=_left_out(read, look_up.customer, wanted, handoff),
    )
    view = _selected(context, wanted.fields)
    shortened = partial(_shortened, view, read, look_up.customer, wanted, handoff)
    if watch is None or summariser or any(it.is_reference for it in read.entries):
        return Assembled(view, None, shortened)  # other timelines or a summariser may change the context
    shown_completeness = None if view.completeness is UNSET else completeness
    return Assembled(view, watch.basis(shown_completeness, monitor.questions(tenant, since=since)), shortened)


async def _brief(story: rules.Story, summariser: Summariser | None) -> rules.Brief:
    brief = rules.write_brief(story)
    return await summariser.add(story.everything, brief) if summariser else brief


async def _unmatched(monitor: Monitor, tenant: str, look_up: LookUp, now: Micros) -> ContextView:
    """The context of a look-up that matched no single customer: the candidates, and what to ask."""
    return ContextView(
        match=look_up.match,
        match_assurance=look_up.assurance,
        as_of="",
        requested_id=look_up.requested_id,
        customer=None,
        completeness=await monitor.completeness(tenant, since=None, now=now),
        left_out=LeftOut(candidates=look_up.left_out or None),
        candidates=[_candidate(it) for it in look_up.candidates],
        question=look_up.question if look_up.question else UNSET,
    )


class _Read(Struct, kw_only=True):
    """Everything read for one context, newest first."""

    hashes: KeyedHash
    homes: list[bytes]
    page: MemberPage
    total: int
    entries: list[TimelineEntry]
    hidden: int
    decoded: Decoded
    conversations: list[Conversation]


async def _read(store: Store, tenant: str, customer: Customer, wanted: ContextSelection) -> _Read:
    hashes = store.hashes(tenant)
    records = {record.key: record for record in customer.members}
    homes = list(records)
    size = max(BRIEF_TOUCHPOINTS, wanted.limit)
    page = await read_page(store.connection, store.keys, homes, Window(limit=size))
    decoded = await decode(store, hashes, records, page.members)
    shown = Filter(min_assurance=wanted.min_assurance)
    kept = [it for it in decoded.entries if shown.passes(it.stored, it.body)]
    read = _Read(
        hashes=hashes,
        homes=homes,
        page=page,
        total=page.total - doubled(records),
        entries=kept,
        hidden=len(decoded.entries) - len(kept),
        decoded=decoded,
        conversations=[],
    )
    read.conversations = fold(_line(read, it) for it in reversed(kept) if not it.is_reference)
    return read


async def customer_view(store: Store, tenant: str, customer: Customer) -> CustomerView:
    """The customer as shown in a context. Takes one round trip, two more if a touchpoint was amended."""
    return _customer_view(store, tenant, customer, await _read(store, tenant, customer, ContextSelection()))


async def conversations_of(store: Store, tenant: str, customer: Customer) -> list[Conversation]:
    """The customer's conversations within the age limit of a brief, most recently active first."""
    return (await _read(store, tenant, customer, ContextSelection())).conversations


def _line(read: _Read, entry: TimelineEntry) -> ConversationItem:
    stored, body = entry.stored, entry.body
    direction, visibility, _assurance = body.stated
    # Positional, in field order: there may be a thousand, and keywords cost more than the rest of the call.
    return ConversationItem(
        read.decoded.rendering.conversation(stored, body)[0],
        stored.home,
        _channel(entry),
        stored.type,
        direction,
        stored.occurred_at,
        body.subject,
        body.thread,
        visibility,
        actor_type(body.actor) == "bot",
    )


def _channel(entry: TimelineEntry) -> str:
    return channel_name(entry.stored, entry.body)


def _recent(read: _Read, now: Micros) -> list[rules.TimelineItem]:
    """The touchpoints that a brief is built from, oldest first."""
    oldest = now - BRIEF_AGE
    open_since = min((it.opened_at for it in read.conversations if it.open), default=now)
    since = min(oldest, open_since)
    # A touchpoint that the customer only took part in shows neither what they tried nor what they want.
    recent = [
        it
        for it in read.entries[:BRIEF_TOUCHPOINTS]
        if it.stored.occurred_at >= since and not it.is_reference
    ]
    return [timeline_item(read.decoded.rendering, it) for it in reversed(recent)]


def _story(
    store: Store,
    read: _Read,
    now: Micros,
    handoff: Handoff | None,
    handoffs: Sequence[Handoff],
    wanted: ContextSelection,
) -> rules.Story:
    pending, handoff = None, handoff or next((it for it in handoffs if it.pending), None)
    if handoff:
        pending = rules.Pending(
            id=handoff.id,
            reason=handoff.reason,
            sender=handoff.sender.name,
            to=handoff.to.name,
            requested_at=handoff.requested_at,
            hops=handoff.hops,
        )
    known = {it.id: it for it in (*handoffs, *((handoff,) if handoff else ()))}
    story, _state = rules.read_story(
        _recent(read, now),
        now=now,
        rules=store.brief_rules,
        pending=pending,
        handoffs=[_earlier(it) for it in known.values()],
        internal=wanted.internal,
    )
    return story


def _earlier(handoff: Handoff) -> rules.EarlierHandoff:
    return rules.EarlierHandoff(
        id=handoff.id,
        sender=handoff.sender.name,
        to=handoff.to.name,
        reason=handoff.reason,
        state=handoff.state.value,
        requested_at=handoff.requested_at,
        owner=handoff.owner,
        context=handoff.context,
    )


def _timeline(read: _Read, wanted: ContextSelection) -> TimelineView:
    shown = read.entries[: wanted.limit]
    more = read.page.more or len(read.entries) > len(shown)
    views: list[TouchpointView] = [read.decoded.view(it) for it in shown]
    return TimelineView(
        touchpoints=views,
        total=read.total if not read.hidden else None,
        returned=len(views),
        next=encode_cursor(shown[-1].entry.place) if more and shown else None,
    )


def _left_out(read: _Read, customer: Customer, wanted: ContextSelection, handoff: Handoff | None) -> LeftOut:
    shown = min(len(read.entries), wanted.limit)
    rest = read.total - shown - read.hidden
    last = read.entries[shown - 1].entry if shown else None
    return LeftOut(
        touchpoints=rest or None,
        timeline_next=encode_cursor(last.place) if rest and last else None,
        below_min_assurance=read.hidden or None,
        brief_older_than=format_time(read.entries[-1].stored.occurred_at)
        if read.page.more and read.entries
        else None,
        late=_late(read, handoff) or None,
        candidates=customer.claims_left_out or None,
        fields=sorted(OPTIONAL_FIELDS - wanted.fields) if wanted.fields is not None else None,
    )


def _late(read: _Read, handoff: Handoff | None) -> list[str]:
    if handoff is None or not handoff.snapshots:
        return []
    pinned = handoff.snapshots[-1].taken_at
    return [
        read.hashes.public(TOUCHPOINT, it.stored.home, it.stored.id)
        for it in read.entries
        if it.stored.occurred_at < pinned < it.stored.recorded_at
        and not it.stored.type.startswith(("handoff.", "identity."))
    ]


def _shortened(
    view: ContextView,
    read: _Read,
    customer: Customer,
    wanted: ContextSelection,
    handoff: Handoff | None,
    limit: int,
) -> ContextView:
    """The context with at most `limit` touchpoints in its timeline."""
    if not isinstance(view.timeline, TimelineView) or limit >= view.timeline.returned:
        return view
    shown = view.timeline.touchpoints[:limit]
    next_ = encode_cursor(read.entries[limit - 1].entry.place)
    return msgspec.structs.replace(
        view,
        timeline=msgspec.structs.replace(view.timeline, touchpoints=shown, returned=limit, next=next_),
        left_out=_left_out(read, customer, msgspec.structs.replace(wanted, limit=limit), handoff),
    )


def _selected(context: ContextView, fields: frozenset[str] | None) -> ContextView:
    """The context with only the requested optional fields; `customer` and `left_out` are always kept."""
    if fields is None:
        return context
    return msgspec.structs.replace(context, **dict.fromkeys(OPTIONAL_FIELDS - fields, UNSET))


def _conversations(read: _Read, chains: Mapping[bytes, Chain], story: rules.Story) -> list[ConversationView]:
    views = []
    waiting, assigned = story.waiting_by_conversation(), story.assigned()
    ids = dict(read.decoded.rendering.conversations.values())  # filled when the touchpoints were rendered
    for conversation in read.conversations:
        chain = chains.get(conversation.id)
        if chain and chain.home not in read.homes:
            chain = None  # another customer's thread that this customer only named
        id_ = ids[conversation.id]
        views.append(
            ConversationView(
                id=id_,
                state=conversation.state,
                subject=conversation.subject,
                channels=conversation.channels,
                opened_at=format_time(conversation.opened_at),
                root=public_conversation(read.hashes, chain.root) if chain else id_,
                previous=public_conversation(read.hashes, previous)
                if chain and (previous := chain.previous_of(conversation.id))
                else None,
                owner=(chain.owner if chain else None) or assigned.get(id_),
                waiting_since=format_time(waiting[id_]) if id_ in waiting else None,
            )
        )
    return views


def _customer_view(store: Store, tenant: str, customer: Customer, read: _Read) -> CustomerView:
    evidence = customer.evidence()
    return CustomerView(
        id=customer.id,
        identities=[
            IdentityView(
                **identity_fields(record.identity),
                assurance=assurance_of(record, evidence),
                via=_via(record.key, customer, evidence),
                since=format_time(record.recorded_at),
            )
            for record in customer.members
        ],
        traits=_traits(read),
        candidates=[_candidate(it) for it in candidates_of(store, tenant, customer)],
        conflicts=_conflicts(read.hashes, customer),
        shared=customer.group.shared,
    )


def _via(key: bytes, customer: Customer, evidence: Sequence[Evidence]) -> str:
    """The statement that links the identity to the customer: the strongest, then the earliest."""
    pieces = [it for it in evidence if key in it.pair and joins(it)]
    if not pieces:
        return "touchpoint"
    best = min(pieces, key=lambda it: (-it.evidence_class, it.recorded_at, it.id))
    return best.who if best.evidence_class is EvidenceClass.AGENT else f"source:{best.source}"


def _traits(read: _Read) -> dict[str, Any]:
    """The newest verified value of each trait; claims stay with their touchpoints."""
    traits: dict[str, Any] = {}
    for entry in reversed(read.entries):
        if entry.body.traits and entry.body.assurance is Assurance.VERIFIED and not entry.is_reference:
            traits.update(entry.body.traits)
    return traits


def _conflicts(hashes: KeyedHash, customer: Customer) -> list[ConflictView]:
    nodes = customer.component.nodes
    members = set(customer.group.members)
    views = []
    for refusal in customer.group.conflicts:
        one, other = refusal.evidence.one, refusal.evidence.other
        here, there = (one, other) if one in members else (other, one)
        views.append(
            ConflictView(
                identity=str(nodes[here].identity),
                other=str(nodes[there].identity),
                reason=refusal.reason,
                link=hashes.public(EVIDENCE, refusal.evidence.one, refusal.evidence.id),
            )
        )
    return views


def _candidate(candidate: Candidate) -> CandidateView:
    return CandidateView(
        customer_id=candidate.id,
        identity=str(candidate.identity),
        reason=candidate.reason,
        assurance=candidate.assurance,
        touchpoints=candidate.touchpoints,
        links=list(candidate.links),
    )
