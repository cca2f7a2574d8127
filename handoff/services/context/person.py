"""The customer of a context: identities and how they belong together, traits, candidates, conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from handoff.codec.keyed_hash import EVIDENCE, KeyedHash
from handoff.domain.clock import format_time
from handoff.domain.consent import CONSENT_TYPES, current_consents
from handoff.domain.evidence import Evidence, EvidenceClass, joins
from handoff.services.access.reader import Reader
from handoff.services.customers.consents import ConsentView, consent_view, statements
from handoff.services.customers.customer import Customer, assurance_of, candidates_of
from handoff.services.timeline.reading import Decoded
from handoff.services.timeline.views import IdentityView, identity_fields
from handoff.store.store import Store

from .history import History, read_history
from .views import ConflictView, ContextSelection, CustomerView, candidate_view


async def customer_view(store: Store, tenant: str, customer: Customer, reader: Reader) -> CustomerView:
    """The customer as shown in a context. Takes one round trip, two more if a touchpoint was amended."""
    history = await read_history(store, tenant, customer, ContextSelection(reader=reader))
    return await person_view(store, tenant, customer, history, reader)


async def person_view(
    store: Store, tenant: str, customer: Customer, history: History, reader: Reader
) -> CustomerView:
    """The customer by what was read of their history."""
    others = reader.queues is None  # may be customers of other queues
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
        traits=_traits(history),
        candidates=[candidate_view(it) for it in candidates_of(store, tenant, customer)] if others else [],
        conflicts=_conflicts(history.hashes, customer) if others else [],
        shared=customer.group.shared,
        shared_identities=list(history.shared),
        consents=await _consents(store, history),
    )


async def _consents(store: Store, history: History) -> list[ConsentView] | UnsetType:
    """Current consents among the touchpoints that were read; unset if nobody has stated any."""
    entries = history.entries
    read = await store.pace.each(history.hashes.tenant, entries.__getitem__, entries.places_of(CONSENT_TYPES))
    stated = [it for it in read if it.stored.type in CONSENT_TYPES]
    if not stated:
        return UNSET
    found = await statements(store, Decoded(stated, history.rendering, history.ownership), stated)
    return [consent_view(it) for it in current_consents(found)]


def _via(key: bytes, customer: Customer, evidence: Sequence[Evidence]) -> str:
    """The statement that links the identity to the customer: the strongest, then the earliest."""
    pieces = [it for it in evidence if key in it.pair and joins(it)]
    if not pieces:
        return "touchpoint"
    best = min(pieces, key=lambda it: (-it.evidence_class, it.recorded_at, it.id))
    return best.who if best.evidence_class is EvidenceClass.AGENT else f"source:{best.source}"


def _traits(history: History) -> dict[str, Any]:
    """The newest verified value of each trait; claims stay with their touchpoints."""
    traits: dict[str, Any] = {}
    for stated in reversed(history.stated):
        if stated:
            traits.update(stated)
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
