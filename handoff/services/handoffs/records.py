"""Hand-offs and conversation chains as they lie in a tenant's control partition, and as they are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct, field

from handoff.codec.compression import compress, decompress
from handoff.codec.keyed_hash import CUSTOMER, HANDOFF, KeyedHash
from handoff.codec.records import encode_record
from handoff.domain.clock import format_time
from handoff.domain.errors import NotFound
from handoff.domain.handoff import Fallback, Handoff, Hop, Party
from handoff.domain.open_record import OpenRecord
from handoff.services.timeline.views import public_conversation
from handoff.store.repositories.control import Change, Control, ControlReads, decode_record

MAX_HANDOFFS = 50  # shown in one context, newest first


class Chain(OpenRecord, frozen=True, kw_only=True):
    """Conversations about one matter: their owner and the one hand-off that may be pending."""

    root: bytes
    home: bytes
    owner: str | None = None
    owning: bytes | None = None
    pending: bytes | None = None
    latest: bytes | None = None
    members: tuple[tuple[bytes, bytes | None], ...] = ()

    def previous_of(self, conversation: bytes) -> bytes | None:
        return next((previous for it, previous in self.members if it == conversation), None)


class PartyView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side of a hand-off."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None


class FallbackView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is asked after a decline or a missed deadline, and how long."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None
    deadline_s: float | None = None


class SnapshotView(Struct, frozen=True, kw_only=True):
    """A pinned context: `sha256` is over exactly the bytes that `/snapshot` returns."""

    id: str
    sha256: str
    at: str
    rules: int


class HopView(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """An earlier hand-off of the chain; `waited_s` from its request to its answer."""

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
    """One change of a hand-off."""

    state: str
    at: str
    by: str
    reason: str | None


class HandoffView(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A hand-off as the contract shows it. `owner` owns the conversation now."""

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


def _party(it: Party) -> PartyView:
    return PartyView(channel=it.channel, party=it.party, queue=it.queue, agent=it.agent)


def _fallback(it: Fallback) -> FallbackView:
    to = it.to
    return FallbackView(
        channel=to.channel, party=to.party, queue=to.queue, agent=to.agent, deadline_s=it.deadline_s
    )


def _hop(it: Hop) -> HopView:
    return HopView(
        id=it.id,
        sender=_party(it.sender),
        to=_party(it.to),
        reason=it.reason,
        outcome=it.outcome,
        requested_at=format_time(it.requested_at),
        ended_at=format_time(it.ended_at),
        waited_s=it.waited_us / 1e6,
        agent=it.owner,
    )


def handoff_view(it: Handoff, hashes: KeyedHash, customer_id: str | None = None) -> HandoffView:
    """How clients see a hand-off; without a customer id, the one of its home (which reads as well)."""
    snapshots = [
        SnapshotView(id=ref.id, sha256=ref.sha256, at=ref.at, rules=ref.rules) for ref in it.snapshots
    ]
    return HandoffView(
        id=it.id,
        state=it.state,
        version=it.version,
        owner=it.owner,
        customer_id=customer_id or hashes.public(CUSTOMER, it.home),
        conversation_id=public_conversation(hashes, it.conversation),
        root=public_conversation(hashes, it.root),
        sender=_party(it.sender),
        to=_party(it.to),
        reason=it.reason,
        requested_at=format_time(it.requested_at),
        requested_by=it.requested_by,
        deadline=format_time(it.deadline),
        offer_until=format_time(it.offer_until) if it.offer_until else None,
        snapshot=snapshots[-1] if snapshots else None,
        hops=[_hop(hop) for hop in it.hops],
        fallback=[_fallback(step) for step in it.fallback],
        fallback_used=it.fallback_used,
        history=[
            StepView(state=step.state, at=format_time(step.at), by=step.by, reason=step.reason)
            for step in it.history
        ],
        context=it.context,
        viewed_at=format_time(it.viewed_at) if it.viewed_at else None,
        viewed_by=it.viewed_by,
        snapshots=snapshots,
    )


def handoff_key(control: Control, hashes: KeyedHash, public_id: str) -> bytes:
    """The record's key. NotFound when the id is none of this tenant's."""
    (id_,) = hashes.private(HANDOFF, public_id)
    return control.keys.record("h", id_)


async def read_handoff(control: Control, hashes: KeyedHash, public_id: str) -> Handoff:
    """One hand-off by its public id; one round trip."""
    (raw,) = await control.read([handoff_key(control, hashes, public_id)])
    if raw is None:
        raise NotFound("there is no such hand-off")
    return decode_record(raw, Handoff)


async def read_handoffs(control: ControlReads, ids: Iterable[bytes]) -> list[Handoff]:
    """The hand-offs with these ids, in order; one round trip."""
    raws = await control.read([control.keys.record("h", id_) for id_ in ids])
    return [decode_record(raw, Handoff) for raw in raws if raw is not None]


async def read_of_homes(
    control: ControlReads, homes: Sequence[bytes], limit: int | None = MAX_HANDOFFS
) -> list[Handoff]:
    """The newest hand-offs of a customer's homes, newest first, or all of them; two round trips."""
    if not homes:
        return []
    keys = [control.keys.set("home:", home) for home in homes]
    ids = await control.newest(keys, limit)
    found = await read_handoffs(control, dict.fromkeys(ids))
    found.sort(key=lambda it: (it.requested_at, it.id), reverse=True)
    return found[:limit]


async def read_chains(control: ControlReads, conversations: Sequence[bytes]) -> dict[bytes, Chain]:
    """The chain of each conversation that has one; two round trips."""
    roots = await control.read([control.keys.record("m", it) for it in conversations])
    by_conversation = {
        it: (decode_record(raw, bytes) if raw else it) for it, raw in zip(conversations, roots, strict=True)
    }
    raws = await control.read([control.keys.record("r", root) for root in by_conversation.values()])
    return {
        it: decode_record(raw, Chain)
        for it, raw in zip(by_conversation, raws, strict=True)
        if raw is not None
    }


def pin(control: Control, change: Change, content: bytes) -> str:
    """Keep the bytes under their SHA-256, once; the hex digest."""
    digest = hashlib.sha256(content).digest()
    codec, packed = compress(content)
    change.keep(control.keys.snapshot(digest), bytes((codec,)) + packed)
    return digest.hex()


async def read_pinned(control: Control, sha256: str) -> bytes:
    """The bytes that were pinned. NotFound after erasure, which leaves only the hash."""
    (raw,) = await control.read([control.keys.snapshot(bytes.fromhex(sha256))])
    if raw is None:
        raise NotFound("the snapshot is gone; its hash stays with the hand-off", sha256=sha256)
    return decompress(raw[0], raw[1:])


def encode_event(type_: str, handoff: Handoff) -> bytes:
    """An outbox entry: what happened and the full state after it."""
    return encode_record(("handoff", type_, handoff))
