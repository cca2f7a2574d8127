"""Requesting hand-offs and moving them along: one owner and one pending hand-off per chain."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, HANDOFF, SIZE, KeyedHash
from handoff.domain.clock import SECOND, Micros
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.handoff import (
    DEFAULT_DEADLINE_S,
    EVENTS,
    OWNING,
    PENDING,
    Act,
    Action,
    Fallback,
    Handoff,
    Party,
    State,
    Step,
    apply,
    hop_of,
    requested,
)
from handoff.domain.identity import Identity
from handoff.domain.policies import Policy, redirected
from handoff.services.context.completeness import Monitor
from handoff.store.repositories.control import Change, Changed, Control, decode_record, read_versioned
from handoff.store.store import Store

from .listing import current_customer_id
from .records import Chain, encode_event, handoff_key, handoff_view, read_handoffs
from .snapshots import pinned, pinned_content
from .targets import Target, TargetSelector, find_target, target_of

MAX_HOPS = 50
ATTEMPTS = 5  # commits tried when others change the same chain at the same time
UNVIEWED = "unviewed"
"""The list of hand-offs that were accepted and not looked at."""
UNVIEWED_AFTER: Micros = 60 * SECOND  # an agent who accepted looks within seconds; a minute is told
DEADLINE_TIMER, VIEW_TIMER = b"h", b"v"


class HandoffRequest(Struct, frozen=True, kw_only=True):
    """What is asked for. Exactly one of `identity`, `customer_id` and `conversation_id`."""

    sender: Party
    to: Party
    reason: str
    by: str
    identity: Identity | None = None
    customer_id: str | None = None
    conversation_id: str | None = None
    context: Any = None
    deadline_s: float = DEFAULT_DEADLINE_S
    fallback: tuple[Fallback, ...] = ()
    previous: bytes | None = None
    """The conversation, on another channel, that this one goes on with."""
    policies: Sequence[Policy] = ()
    """Those of the tenant that stop a conversation from being passed round."""


class Moved(Struct, frozen=True, kw_only=True):
    """The outcome of a use-case: the hand-off, every one that changed with it, and whose it is."""

    handoff: Handoff
    changed: tuple[tuple[str, Handoff], ...]
    customer_id: str
    created: bool = True


async def request(store: Store, monitor: Monitor, tenant: str, asked: HandoffRequest) -> Moved:
    """Request a hand-off, with the context pinned as it is now.

    The same request while one is pending returns that one; another is a Conflict
    (`handoff_pending`) that shows it.
    """
    control, hashes = store.control(tenant), store.hashes(tenant)
    target = await find_target(
        store,
        tenant,
        TargetSelector(
            identity=asked.identity,
            customer_id=asked.customer_id,
            conversation_id=asked.conversation_id,
            channel=asked.sender.channel,
        ),
    )
    customer_id = target.customer.id if target.customer else hashes.public(CUSTOMER, target.home)
    for _attempt in range(ATTEMPTS):
        now = await control.clock()
        found = await _chain_for(control, target, asked.previous)
        chain_key, chain_version, chain = found.key, found.version, found.chain
        before = await _members(control, chain)
        pending = before.get(chain.pending) if chain.pending else None
        if pending:
            return _same_or_conflict(pending, asked, hashes, customer_id)
        handoff = _new_handoff(tenant, hashes, asked, target, chain, before, now)
        content = await pinned_content(store, monitor, tenant, target, handoff, now)
        change = Change().expect(chain_key, chain_version)
        if found.joins:
            change.expect(found.joins, 0).put(found.joins, 1, chain.root)
        handoff = pinned(control, change, handoff, "requested", content, now)
        after = msgspec.structs.replace(chain, pending=_id(hashes, handoff), latest=_id(hashes, handoff))
        change.put(chain_key, chain_version + 1, after)
        _write(control, hashes, change, None, handoff, "handoff.requested")
        try:
            await control.commit(change)
        except Changed:
            continue
        return Moved(handoff=handoff, changed=(("handoff.requested", handoff),), customer_id=customer_id)
    raise Conflict("the conversation changes too fast, try again", code="busy_conversation")


def _same_or_conflict(pending: Handoff, asked: HandoffRequest, hashes: KeyedHash, customer_id: str) -> Moved:
    same = (pending.sender, pending.reason) == (asked.sender, asked.reason) and (
        pending.to.channel,
        pending.to.queue,
    ) == (asked.to.channel, asked.to.queue)
    if same and asked.to.agent in (None, pending.to.agent):
        return Moved(handoff=pending, changed=(), customer_id=customer_id, created=False)
    raise Conflict(
        "another hand-off of this conversation is pending",
        code="handoff_pending",
        current=handoff_view(pending, hashes, customer_id),
    )


async def _chain(control: Control, conversation: bytes, home: bytes) -> tuple[bytes, int, Chain]:
    (moved,) = await control.read([control.keys.record("m", conversation)])
    root = decode_record(moved, bytes) if moved else conversation
    key = control.keys.record("r", root)
    (raw,) = await control.read([key])
    chain = decode_record(raw, Chain) if raw else Chain(root=root, home=home, members=((root, None),))
    return key, read_versioned(raw).version, chain


class _Chained(Struct, frozen=True, kw_only=True):
    """The chain that a hand-off belongs to; `joins` is where a conversation new to it is written."""

    key: bytes
    version: int
    chain: Chain
    joins: bytes | None = None


async def _chain_for(control: Control, target: Target, previous: bytes | None) -> _Chained:
    """The conversation's own chain, or, going on with a previous one, that one's, which it joins.

    Conflict (`chains_differ`) where both are chains of their own that somebody owns or waits for.
    """
    key, version, chain = await _chain(control, target.conversation, target.home)
    if previous is None or previous == target.conversation:
        return _Chained(key=key, version=version, chain=chain)
    other_key, other_version, other = await _chain(control, previous, target.home)
    if other_key == key:
        return _Chained(key=key, version=version, chain=chain)
    if version:
        raise Conflict("both conversations have a history of hand-offs", code="chains_differ")
    joined = msgspec.structs.replace(other, members=(*other.members, (target.conversation, previous)))
    joins = control.keys.record("m", target.conversation)
    return _Chained(key=other_key, version=other_version, chain=joined, joins=joins)


async def _members(control: Control, chain: Chain) -> dict[bytes, Handoff]:
    ids = [id_ for id_ in dict.fromkeys((chain.owning, chain.pending, chain.latest)) if id_]
    found = await read_handoffs(control, ids)
    return dict(zip(ids, found, strict=True))


def _id(hashes: KeyedHash, handoff: Handoff) -> bytes:
    return hashes.private(HANDOFF, handoff.id)[0]


def _new_handoff(
    tenant: str,
    hashes: KeyedHash,
    asked: HandoffRequest,
    target: Target,
    chain: Chain,
    before: dict[bytes, Handoff],
    now: Micros,
) -> Handoff:
    latest = before.get(chain.latest) if chain.latest else None
    hops = (*latest.hops, hop_of(latest))[-MAX_HOPS:] if latest else ()
    to = redirected(asked.policies, asked.reason, hops, asked.to)
    handoff = Handoff(
        id=hashes.public(HANDOFF, secrets.token_bytes(SIZE)),
        tenant=tenant,
        state=State.REQUESTED,
        version=1,
        home=target.home,
        conversation=target.conversation,
        root=chain.root,
        sender=asked.sender,
        to=to,
        reason=asked.reason,
        requested_at=now,
        deadline=now + round(asked.deadline_s * SECOND),
        requested_by=asked.by,
        context=asked.context,
        fallback=asked.fallback,
        step_s=asked.deadline_s,
        owner=chain.owner or asked.sender.name,
        previous_owner=chain.owner or asked.sender.name,
        previous_handoff=latest.id if latest else None,
        hops=hops,
        history=(Step(state=State.REQUESTED, at=now, by=asked.by, reason=asked.reason),),
    )
    return requested(handoff)


def _lists(control: Control, it: Handoff) -> set[tuple[bytes, bytes]]:
    """The lists a hand-off stands in, as (key, member) without the member."""
    keys = control.keys
    lists = {keys.set("all"), keys.set("home:", it.home), keys.set(f"state:{it.state}")}
    if it.to.queue:
        lists.add(keys.set(f"queue:{it.to.queue}"))
    if it.to.agent:
        lists.add(keys.set(f"agent:{it.to.agent}"))
    return {(key, b"") for key in lists}


def _write(
    control: Control, hashes: KeyedHash, change: Change, before: Handoff | None, after: Handoff, event: str
) -> None:
    """Put a hand-off with everything that follows from it: lists, timer and outbox entry."""
    id_ = _id(hashes, after)
    key = control.keys.record("h", id_)
    change.expect(key, before.version if before else 0).put(key, after.version, after)
    old = _lists(control, before) if before else set()
    new = _lists(control, after)
    for list_, _ in new - old:
        change.add(list_, after.requested_at, id_)
    for list_, _ in old - new:
        change.remove(list_, id_)
    timer = DEADLINE_TIMER + id_
    if after.state in PENDING:
        change.add(control.keys.timers(), after.due, timer)
    elif before and before.state in PENDING:
        change.remove(control.keys.timers(), timer)
    _watch_viewing(control, change, before, after, id_)
    change.post(control.keys.outbox(), encode_event(event, after))


def _watch_viewing(
    control: Control, change: Change, before: Handoff | None, after: Handoff, id_: bytes
) -> None:
    """Keep count of owners whose screen has not shown the context, and a timer to say so."""
    unseen = after.owning and after.viewed_at is None
    was_unseen = before is not None and before.owning and before.viewed_at is None
    if unseen and not was_unseen:
        accepted_at = after.history[-1].at
        change.add(control.keys.set(UNVIEWED), accepted_at, id_)
        change.add(control.keys.timers(), accepted_at + UNVIEWED_AFTER, VIEW_TIMER + id_)
    elif was_unseen and not unseen:
        change.remove(control.keys.set(UNVIEWED), id_)
        change.remove(control.keys.timers(), VIEW_TIMER + id_)


class HandoffMove(Struct, frozen=True, kw_only=True):
    """One transition asked for. `version` None: whatever it is (timers, not clients)."""

    action: Action
    by: str
    version: int | None = None
    agent: str | None = None
    reason: str | None = None
    offer_s: float | None = None

    def at(self, now: Micros) -> Act:
        return Act(
            action=self.action,
            at=now,
            by=self.by,
            agent=self.agent,
            reason=self.reason,
            offer_s=self.offer_s,
        )


async def move(store: Store, monitor: Monitor, tenant: str, public_id: str, asked: HandoffMove) -> Moved:
    """Apply a transition. Conflict with the hand-off under `current` for a stale version or an
    illegal move; accepting while somebody owns the conversation ends the old one as transferred."""
    control, hashes = store.control(tenant), store.hashes(tenant)
    key = handoff_key(control, hashes, public_id)
    for _attempt in range(ATTEMPTS):
        (raw,) = await control.read([key])
        if raw is None:
            raise NotFound("there is no such hand-off")
        before = decode_record(raw, Handoff)
        if asked.version is not None and asked.version != before.version:
            raise Conflict(
                f"the hand-off has version {before.version}, not {asked.version}",
                code="stale_version",
                current=handoff_view(before, hashes),
            )
        now = await control.clock()
        if before.pending and before.deadline <= now and asked.action is Action.ACCEPT:
            raise Conflict(
                "the hand-off is past its deadline",
                code="handoff_expired",
                current=handoff_view(before, hashes),
            )
        try:
            after = apply(before, asked.at(now))
        except Conflict as error:
            error.fields["current"] = handoff_view(before, hashes)
            raise
        try:
            changed = await _commit_move(store, monitor, tenant, before, after, asked, now)
        except Changed:
            continue
        return Moved(
            handoff=changed[-1][1],
            changed=changed,
            customer_id=await current_customer_id(store, tenant, after.home),
        )
    raise Conflict("the conversation changes too fast, try again", code="busy_conversation")


async def _commit_move(
    store: Store,
    monitor: Monitor,
    tenant: str,
    before: Handoff,
    after: Handoff,
    asked: HandoffMove,
    now: Micros,
) -> tuple[tuple[str, Handoff], ...]:
    control, hashes = store.control(tenant), store.hashes(tenant)
    chain_key, chain_version, chain = await _chain(control, before.conversation, before.home)
    id_ = _id(hashes, before)
    change = Change().expect(chain_key, chain_version)
    changed: list[tuple[str, Handoff]] = []
    if asked.action is Action.ACCEPT:
        if chain.owning and chain.owning != id_:
            (old,) = await read_handoffs(control, [chain.owning])
            ended = apply(old, Act(action=Action.TRANSFER, at=now, by=asked.by, reason=after.reason))
            _write(control, hashes, change, old, ended, "handoff.transferred")
            changed.append(("handoff.transferred", ended))
            hops = tuple(hop for hop in after.hops if hop.id != ended.id)
            after = msgspec.structs.replace(after, hops=(*hops, hop_of(ended))[-MAX_HOPS:])
        target = await target_of(store, tenant, after)
        content = await pinned_content(store, monitor, tenant, target, after, now)
        after = pinned(control, change, after, "accepted", content, now)
        chain = msgspec.structs.replace(chain, owner=after.owner, owning=id_, pending=None)
    elif before.state in PENDING and after.state not in PENDING:
        chain = msgspec.structs.replace(chain, pending=None)
    elif before.state in OWNING and after.state not in OWNING:
        chain = msgspec.structs.replace(chain, owner=after.owner, owning=None)
    change.put(chain_key, chain_version + 1, chain)
    _write(control, hashes, change, before, after, EVENTS[asked.action])
    await control.commit(change)
    return (*changed, (EVENTS[asked.action], after))


class Due(Struct, frozen=True):
    """Timers whose time has come, and how many of other kinds were passed over."""

    timers: Sequence[bytes]
    passed_over: int


async def due(control: Control, now: Micros, limit: int = 100) -> Due:
    """Timers whose time has come by the store's clock; those of a newer release are left to it."""
    found: list[bytes] = []
    start = 0
    while True:
        reply = await control.up_to(control.keys.timers(), now, start=start, limit=limit)
        found += [timer for timer in reply if timer[:1] in (DEADLINE_TIMER, VIEW_TIMER)]
        start += len(reply)
        if len(found) >= limit or len(reply) < limit:
            return Due(found, start - len(found))
