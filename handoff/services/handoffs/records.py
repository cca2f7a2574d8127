"""Handoffs and conversation chains: how a tenant's control partition stores them and how clients see them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from handoff.codec.compression import compress, decompress
from handoff.codec.keyed_hash import CUSTOMER, HANDOFF, KeyedHash
from handoff.domain.clock import format_time
from handoff.domain.errors import NotFound
from handoff.domain.handoff import Fallback, Handoff, Hop, Party
from handoff.domain.open_record import OpenRecord
from handoff.services.timeline.views import public_conversation
from handoff.store.repositories.control import Change, decode_record
from handoff.store.repositories.tenant.handoff_records import HandoffRecords
from handoff.store.tenant import TenantStore

MAX_HANDOFFS = 50  # in one context, newest first


class Chain(OpenRecord, frozen=True, kw_only=True):
    """Conversations about one matter, with their owner and at most one pending handoff."""

    root: bytes
    home: bytes
    owner: str | None = None
    owning: bytes | None = None
    pending: bytes | None = None
    latest: bytes | None = None
    members: tuple[tuple[bytes, bytes | None], ...] = ()

    def previous_of(self, conversation: bytes) -> bytes | None:
        return next((previous for member, previous in self.members if member == conversation), None)


class PartyView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side of a handoff."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None


class FallbackView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The party to offer the handoff to after a decline or a missed deadline, and its deadline."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None
    deadline_s: float | None = None


class SnapshotView(Struct, frozen=True, kw_only=True):
    """A pinned context. `sha256` is the hash of exactly the bytes that `/snapshot` returns."""

    id: str
    sha256: str
    at: str
    rules: int


class HopView(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """An earlier handoff of the chain. `waited_s` is the time from its request to its answer."""

    id: str
    sender: PartyView
    to: PartyView
    reason: str
    outcome: str
    requested_at: str
    ended_at: str
    waited_s: float
    agent: str | None


class StepView(Struct, frozen=True, kw_only=True):
    """One change of a handoff."""

    state: str
    at: str
    by: str
    reason: str | None


class HandoffCandidate(Struct, frozen=True, kw_only=True):
    """A person whom a handoff of a shared identity may be about. Assign its touchpoints to one."""

    customer_id: str
    identity: str
    reason: str
    assurance: str
    touchpoints: int


class HandoffLanguage(Struct, frozen=True, kw_only=True):
    """The language of a handoff's customer, and whether it was `stated` or `recognised` in what they wrote.
    Platforms route by it."""

    language: str
    source: str


class HandoffView(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A handoff in the HTTP contract. `owner` is the current owner of the conversation."""

    id: str
    state: str
    version: int
    owner: str | None
    customer_id: str
    conversation_id: str
    root: str
    sender: PartyView
    to: PartyView
    reason: str
    requested_at: str
    requested_by: str
    deadline: str
    offer_until: str | None
    snapshot: SnapshotView | None
    hops: list[HopView]
    fallback: list[FallbackView]
    fallback_used: int
    history: list[StepView]
    context: Any = None
    viewed_at: str | None = None
    viewed_by: str | None = None
    snapshots: list[SnapshotView] = field(default_factory=list)
    candidates: list[HandoffCandidate] | UnsetType = UNSET
    """In the answer to a request by a shared identity: the people it may be."""
    question: str | UnsetType = UNSET
    consent_missing: str | UnsetType = UNSET
    """The purpose for which the customer has given no consent, where the configuration asks for it."""
    language: HandoffLanguage | UnsetType = UNSET
    """The customer's language when the handoff was requested, where it is known."""


def _party(side: Party) -> PartyView:
    return PartyView(channel=side.channel, party=side.party, queue=side.queue, agent=side.agent)


def _fallback(step: Fallback) -> FallbackView:
    to = step.to
    return FallbackView(
        channel=to.channel, party=to.party, queue=to.queue, agent=to.agent, deadline_s=step.deadline_s
    )


def _hop(hop: Hop) -> HopView:
    return HopView(
        id=hop.id,
        sender=_party(hop.sender),
        to=_party(hop.to),
        reason=hop.reason,
        outcome=hop.outcome,
        requested_at=format_time(hop.requested_at),
        ended_at=format_time(hop.ended_at),
        waited_s=hop.waited_us / 1e6,
        agent=hop.owner,
    )


def handoff_view(handoff: Handoff, hashes: KeyedHash, customer_id: str | None = None) -> HandoffView:
    """A handoff as clients see it. `customer_id` defaults to the id of its home, which works as well."""
    snapshots = [
        SnapshotView(id=ref.id, sha256=ref.sha256, at=ref.at, rules=ref.rules) for ref in handoff.snapshots
    ]
    return HandoffView(
        id=handoff.id,
        state=handoff.state,
        version=handoff.version,
        owner=handoff.owner,
        customer_id=customer_id or hashes.public(CUSTOMER, handoff.home),
        conversation_id=public_conversation(hashes, handoff.conversation),
        root=public_conversation(hashes, handoff.root),
        sender=_party(handoff.sender),
        to=_party(handoff.to),
        reason=handoff.reason,
        requested_at=format_time(handoff.requested_at),
        requested_by=handoff.requested_by,
        deadline=format_time(handoff.deadline),
        offer_until=format_time(handoff.offer_until) if handoff.offer_until else None,
        snapshot=snapshots[-1] if snapshots else None,
        hops=[_hop(hop) for hop in handoff.hops],
        fallback=[_fallback(step) for step in handoff.fallback],
        fallback_used=handoff.fallback_used,
        history=[
            StepView(state=step.state, at=format_time(step.at), by=step.by, reason=step.reason)
            for step in handoff.history
        ],
        context=handoff.context,
        viewed_at=format_time(handoff.viewed_at) if handoff.viewed_at else None,
        viewed_by=handoff.viewed_by,
        snapshots=snapshots,
        consent_missing=handoff.consent_missing or UNSET,
        language=HandoffLanguage(language=handoff.language, source=handoff.language_source or "recognised")
        if handoff.language
        else UNSET,
    )


def handoff_id(hashes: KeyedHash, public_id: str) -> bytes:
    """The 16 bytes behind a public id. Raises NotFound for an id that is not this tenant's."""
    return hashes.private(HANDOFF, public_id)[0]


async def read_handoff(tenant: TenantStore, public_id: str) -> Handoff:
    """One handoff by its public id; one round trip."""
    (raw,) = await tenant.handoffs.read([handoff_id(tenant.hashes, public_id)])
    if raw is None:
        raise NotFound("there is no such handoff")
    return decode_record(raw, Handoff)


async def read_handoffs(records: HandoffRecords, ids: Iterable[bytes]) -> list[Handoff]:
    """The handoffs with these ids, in order; one round trip."""
    return [decode_record(raw, Handoff) for raw in await records.read(ids) if raw is not None]


async def read_of_homes(
    records: HandoffRecords, homes: Sequence[bytes], limit: int | None = MAX_HANDOFFS
) -> list[Handoff]:
    """The handoffs of a customer's homes, newest first, up to `limit` if there is one. Two round trips."""
    if not homes:
        return []
    ids = await records.of_homes(homes, limit)
    found = await read_handoffs(records, dict.fromkeys(ids))
    found.sort(key=lambda it: (it.requested_at, it.id), reverse=True)
    return found[:limit]


async def read_chains(records: HandoffRecords, conversations: Sequence[bytes]) -> dict[bytes, Chain]:
    """The chains of those conversations that have one; two round trips."""
    roots = dict(zip(conversations, await records.read_roots(conversations), strict=True))
    raws = await records.read_chains(list(roots.values()))
    return {it: decode_record(raw, Chain) for it, raw in zip(roots, raws, strict=True) if raw is not None}


def pin(records: HandoffRecords, change: Change, content: bytes) -> str:
    """Store the bytes under their SHA-256, once; returns the hex digest."""
    digest = hashlib.sha256(content).digest()
    codec, packed = compress(content)
    records.keep_snapshot(change, digest, bytes((codec,)) + packed)
    return digest.hex()


async def read_pinned(records: HandoffRecords, sha256: str) -> bytes:
    """The pinned bytes. Raises NotFound after an erasure, which leaves only the hash."""
    raw = await records.read_snapshot(bytes.fromhex(sha256))
    if raw is None:
        raise NotFound("the snapshot was erased; its hash remains with the handoff", sha256=sha256)
    return decompress(raw[0], raw[1:])
