"""The handoff use-cases: requesting a handoff and moving it along.

`Handoffs.request` and `Handoffs.move` finish their job: they commit the change, record its touchpoints and
count it. Webhooks are sent from the outbox entry that the commit wrote. The outbox also repeats the
touchpoints, with the same ids, so that a crash after the commit loses nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, HANDOFF, SIZE, KeyedHash
from handoff.domain.clock import SECOND, Micros
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.errors import Conflict, HandoffError, NotFound
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
from handoff.services.access.authorize import authorize
from handoff.services.access.customer_access import check_customer
from handoff.services.access.principal import Principal
from handoff.services.context.completeness import Monitor
from handoff.services.customers.consents import ConsentPolicy, check_consent
from handoff.services.customers.lookup import LookUp
from handoff.services.metrics import Measures
from handoff.store.repositories.control import Change, Changed, decode_record
from handoff.store.store import Store
from handoff.store.tenant import TenantStore

from .announcements import record_handoff_events
from .chains import chain_for, read_chain, read_members
from .listing import current_customer_id
from .records import Chain, handoff_id, handoff_view, read_handoffs
from .snapshots import pinned, pinned_content
from .targets import Target, TargetSelector, find_target, target_of
from .writing import raw_id, write_handoff

MAX_HOPS = 50
ATTEMPTS = 5  # commits tried while others change the same chain

HandoffChanges = tuple[tuple[str, Handoff], ...]
"""Event type and handoff after it, for each handoff that one use-case changed."""

log = structlog.get_logger(__name__)


class HandoffRequest(Struct, frozen=True, kw_only=True):
    """A request for a handoff. Exactly one of `identity`, `customer_id` and `conversation_id` is set."""

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
    """The conversation, on another channel, that this one continues."""
    caller: Principal | None = None
    """The caller; None for the server itself."""
    policies: Sequence[Policy] = ()
    """The tenant's policies that stop a conversation from being passed around."""
    consent_missing: str | None = None


class HandoffMove(Struct, frozen=True, kw_only=True):
    """A requested transition. `version` is the one the client saw; None applies to any version."""

    action: Action
    by: str
    version: int | None = None
    agent: str | None = None
    reason: str | None = None
    offer_s: float | None = None
    caller: Principal | None = None

    def at(self, now: Micros) -> Act:
        return Act(
            action=self.action,
            at=now,
            by=self.by,
            agent=self.agent,
            reason=self.reason,
            offer_s=self.offer_s,
        )


class HandoffResult(Struct, frozen=True, kw_only=True):
    """The result of a use-case: the handoff, all handoffs that changed with it, and its customer."""

    handoff: Handoff
    changed: HandoffChanges
    customer_id: str
    created: bool = True
    look_up: LookUp | None = None
    """Of the shared identity that was handed over: who it may be."""


class Handoffs:
    """The handoff use-cases of one server."""

    def __init__(
        self,
        store: Store,
        monitor: Monitor,
        measures: Measures,
        clock_guard: ClockGuard | None = None,
        consent: ConsentPolicy | None = None,
    ) -> None:
        self.clock_guard = clock_guard or ClockGuard()
        self._store = store
        self._monitor = monitor
        self._measures = measures
        self.consent = consent or ConsentPolicy()
        """The consent that a handoff needs."""

    async def request(self, tenant: str, wanted: HandoffRequest) -> HandoffResult:
        """Request a handoff and pin the context as it is now.

        Returns the pending handoff if the same one was requested before. Raises Conflict
        (`handoff_pending`), with the pending handoff, for a different request.
        """
        store, hashes = self._store, self._store.hashes(tenant)
        target = await _permitted_target(store, tenant, wanted)
        missing = await self._missing_consent(tenant, target, wanted)
        wanted = msgspec.structs.replace(wanted, consent_missing=missing)
        customer_id = target.customer.id if target.customer else hashes.public(CUSTOMER, target.home)
        for _attempt in range(ATTEMPTS):
            try:
                result = await self._try_request(tenant, wanted, target, customer_id)
            except Changed:
                continue
            await self._publish(result.changed)
            return msgspec.structs.replace(result, look_up=target.look_up)
        raise Conflict("the conversation changes too fast, try again", code="busy_conversation")

    async def _try_request(
        self, tenant: str, wanted: HandoffRequest, target: Target, customer_id: str
    ) -> HandoffResult:
        store, part, hashes = self._store, self._store.of(tenant), self._store.hashes(tenant)
        now = await part.clock()
        found = await chain_for(part.handoffs, target, wanted.previous)
        chain = found.chain
        before = await read_members(part.handoffs, chain)
        pending = before.get(chain.pending) if chain.pending else None
        if pending:
            result = _same_or_conflict(pending, wanted, hashes, customer_id)
            await self._confirm(part, pending)
            return result
        handoff = _new_handoff(tenant, hashes, wanted, target, chain, before, now)
        content = await pinned_content(store, self._monitor, tenant, target, handoff, now)
        change = Change()
        part.handoffs.expect_chain(change, found.root, found.version)
        if found.joins:
            part.handoffs.join(change, found.joins, chain.root)
        handoff = pinned(part.handoffs, change, handoff, "requested", content, now)
        id_ = raw_id(hashes, handoff)
        after = msgspec.structs.replace(chain, pending=id_, latest=id_)
        part.handoffs.put_chain(change, found.root, found.version + 1, after)
        write_handoff(part, change, None, handoff, "handoff.requested")
        await part.commit(change)
        changed = (("handoff.requested", handoff),)
        return HandoffResult(handoff=handoff, changed=changed, customer_id=customer_id)

    async def _missing_consent(self, tenant: str, target: Target, wanted: HandoffRequest) -> str | None:
        """The purpose to mark the handoff with. Raises Conflict (`consent_missing`) if the policy refuses.

        A handoff that a vendor's platform has made already is marked, never refused.
        """
        policy = self.consent
        if wanted.caller is None:
            policy = msgspec.structs.replace(policy, on_missing="mark")
        return await check_consent(self._store, tenant, target.customer, policy.rules.handoff, policy)

    async def _confirm(self, part: TenantStore, pending: Handoff) -> None:
        """Raise StoreUnavailable unless replicas have the handoff.

        Its own request may have failed for lack of replicas: a primary that is cut off still returns it, and
        a failover removes it. Writing the same record again waits for them.
        """
        if self._store.settings.durability == "replicated":
            change, version = Change(), pending.version
            part.handoffs.put(change, raw_id(part.hashes, pending), version, version, pending)
            await part.commit(change)

    async def move(self, tenant: str, public_id: str, wanted: HandoffMove) -> HandoffResult:
        """Apply a transition. Accepting a conversation that has an owner transfers it from that owner.

        Raises Conflict, with the handoff under `current`, for a stale version or an illegal transition.
        """
        store, part, hashes = self._store, self._store.of(tenant), self._store.hashes(tenant)
        id_ = handoff_id(hashes, public_id)
        for _attempt in range(ATTEMPTS):
            (raw,) = await part.handoffs.read([id_])
            if raw is None:
                raise NotFound("there is no such handoff")
            before, now = decode_record(raw, Handoff), await part.clock()
            if wanted.caller:
                authorize(wanted.caller, wanted.action, tenant, before)
            _check_move(before, wanted, hashes, now, self.clock_guard)
            try:
                after = apply(before, wanted.at(now))
            except Conflict as error:
                error.fields["current"] = handoff_view(_shown(before, wanted), hashes)
                raise
            try:
                changed = await self._commit_move(tenant, before, after, wanted, now)
            except Changed:
                continue
            await self._publish(changed)
            return HandoffResult(
                handoff=changed[-1][1],
                changed=changed,
                customer_id=await current_customer_id(store, tenant, after),
            )
        raise Conflict("the conversation changes too fast, try again", code="busy_conversation")

    async def _commit_move(
        self, tenant: str, before: Handoff, after: Handoff, wanted: HandoffMove, now: Micros
    ) -> HandoffChanges:
        store, part = self._store, self._store.of(tenant)
        found = await read_chain(part.handoffs, before.conversation, before.home)
        chain, id_, change = found.chain, raw_id(part.hashes, before), Change()
        part.handoffs.expect_chain(change, found.root, found.version)
        changed: HandoffChanges = ()
        if wanted.action is Action.ACCEPT:
            if chain.owning and chain.owning != id_:
                ended = await _end_ownership(part, change, chain.owning, after, wanted, now)
                changed = (("handoff.transferred", ended),)
                hops = tuple(hop for hop in after.hops if hop.id != ended.id)
                after = msgspec.structs.replace(after, hops=(*hops, hop_of(ended))[-MAX_HOPS:])
            target = await target_of(store, tenant, after)
            content = await pinned_content(store, self._monitor, tenant, target, after, now)
            after = pinned(part.handoffs, change, after, "accepted", content, now)
            chain = msgspec.structs.replace(chain, owner=after.owner, owning=id_, pending=None)
        elif before.state in PENDING and after.state not in PENDING:
            chain = msgspec.structs.replace(chain, pending=None)
        elif before.state in OWNING and after.state not in OWNING:
            chain = msgspec.structs.replace(chain, owner=after.owner, owning=None)
        part.handoffs.put_chain(change, found.root, found.version + 1, chain)
        write_handoff(part, change, before, after, EVENTS[wanted.action])
        await part.commit(change)
        return (*changed, (EVENTS[wanted.action], after))

    async def _publish(self, changed: HandoffChanges) -> None:
        """Count the changes and record their touchpoints. If recording fails, the outbox repeats it."""
        for type_, _handoff in changed:
            self._measures.handoffs.labels(type_).inc()
        try:
            await record_handoff_events(self._store, changed)
        except HandoffError as error:
            log.warning("announcing_left_to_outbox", code=error.problem_code)


async def _permitted_target(store: Store, tenant: str, wanted: HandoffRequest) -> Target:
    """The target, if the caller may read its customer: the request would make it readable for its queue."""
    selector = TargetSelector(
        identity=wanted.identity,
        customer_id=wanted.customer_id,
        conversation_id=wanted.conversation_id,
        channel=wanted.sender.channel,
    )
    caller = wanted.caller
    try:
        target = await find_target(store, tenant, selector)
    except Conflict as error:
        if caller is None or caller.queues is None:
            raise
        raise NotFound("there is no such customer") from error
    if caller is not None and target.customer is not None:
        await check_customer(store, caller, target.customer.group.members)
    return target


def _shown(handoff: Handoff, wanted: HandoffRequest | HandoffMove) -> Handoff:
    return wanted.caller.reader.shown(handoff) if wanted.caller else handoff


def _check_move(
    before: Handoff, wanted: HandoffMove, hashes: KeyedHash, now: Micros, guard: ClockGuard
) -> None:
    """Raise Conflict for a stale version, or for an acceptance after the deadline."""
    if wanted.version is not None and wanted.version != before.version:
        raise Conflict(
            f"the handoff has version {before.version}, not {wanted.version}",
            code="stale_version",
            current=handoff_view(_shown(before, wanted), hashes),
        )
    late = before.pending and before.deadline <= now and wanted.action is Action.ACCEPT
    if late and guard.trusts(now, time.monotonic_ns() // 1000):
        raise Conflict(
            "the handoff is past its deadline",
            code="handoff_expired",
            current=handoff_view(_shown(before, wanted), hashes),
        )


async def _end_ownership(
    part: TenantStore,
    change: Change,
    owning: bytes,
    successor: Handoff,
    wanted: HandoffMove,
    now: Micros,
) -> Handoff:
    """End the handoff that owns the conversation as transferred to its successor."""
    (before,) = await read_handoffs(part.handoffs, [owning])
    act = Act(action=Action.TRANSFER, at=now, by=wanted.by, reason=successor.reason)
    ended = apply(before, act)
    write_handoff(part, change, before, ended, "handoff.transferred")
    return ended


def _same_or_conflict(
    pending: Handoff, wanted: HandoffRequest, hashes: KeyedHash, customer_id: str
) -> HandoffResult:
    same = (pending.sender, pending.reason) == (wanted.sender, wanted.reason) and (
        pending.to.channel,
        pending.to.queue,
    ) == (wanted.to.channel, wanted.to.queue)
    if same and wanted.to.agent in (None, pending.to.agent):
        return HandoffResult(handoff=pending, changed=(), customer_id=customer_id, created=False)
    raise Conflict(
        "another handoff of this conversation is pending",
        code="handoff_pending",
        current=handoff_view(_shown(pending, wanted), hashes, customer_id),
    )


def _new_handoff(
    tenant: str,
    hashes: KeyedHash,
    wanted: HandoffRequest,
    target: Target,
    chain: Chain,
    before: dict[bytes, Handoff],
    now: Micros,
) -> Handoff:
    latest = before.get(chain.latest) if chain.latest else None
    hops = (*latest.hops, hop_of(latest))[-MAX_HOPS:] if latest else ()
    to = redirected(wanted.policies, wanted.reason, hops, wanted.to)
    handoff = Handoff(
        id=hashes.public(HANDOFF, secrets.token_bytes(SIZE)),
        tenant=tenant,
        state=State.REQUESTED,
        version=1,
        home=target.home,
        conversation=target.conversation,
        root=chain.root,
        sender=wanted.sender,
        to=to,
        reason=wanted.reason,
        requested_at=now,
        deadline=now + round(wanted.deadline_s * SECOND),
        requested_by=wanted.by,
        context=wanted.context,
        fallback=wanted.fallback,
        step_s=wanted.deadline_s,
        owner=chain.owner or wanted.sender.name,
        previous_owner=chain.owner or wanted.sender.name,
        previous_handoff=latest.id if latest else None,
        hops=hops,
        history=(Step(state=State.REQUESTED, at=now, by=wanted.by, reason=wanted.reason),),
        consent_missing=wanted.consent_missing,
    )
    return requested(handoff)
