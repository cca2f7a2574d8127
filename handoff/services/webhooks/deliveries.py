"""A subscription's messages as the integrator sees them: states, attempts and answers; test and replay."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from msgspec import Struct

from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.records import decode_as
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import Conflict, NotFound, WrittenByNewer
from handoff.services.events.payloads import WebhookTest
from handoff.services.events.publishing import EVENT, Event, event_id, pack_event, stored_event, unpack_event
from handoff.store.repositories.deliveries import NO_DEADLINE, Message, QueueEntry, QueueState
from handoff.store.store import Store

from .subscriptions import Subscription, public_id

REPLAY_PAGE = 200
MAX_REPLAYED = 10_000  # messages per call; the answer states where to continue


class DeliveryAttempt(Struct, frozen=True, kw_only=True):
    """A stored attempt. `answer` is the first 1 KB of the response."""

    at: Micros
    status: int | None
    error: str | None
    latency_ms: float
    answer: bytes
    verdict: str
    wait_s: float | None = None


class AttemptView(Struct, frozen=True, kw_only=True):
    """One attempt. `error` is set if there was no response; `next_in_s` is the wait until the next one."""

    at: str
    status: int | None
    error: str | None
    latency_ms: float
    answer: str
    next_in_s: float | None


class DeliveryView(Struct, frozen=True, kw_only=True):
    """One message of a subscription. `id` is its `webhook-id`, the same in all attempts."""

    id: str
    type: str
    state: str
    created_at: str
    next_attempt_at: str | None
    deadline: str | None
    attempts: list[AttemptView]
    attempts_total: int
    reason: str | None
    superseded_by: str | None
    supersedes: list[str]


class StatusView(Struct, frozen=True, kw_only=True):
    """The state of a subscription's queue, with totals since the subscription was created."""

    delivered: int
    retried: int
    dead: int
    superseded: int
    pending: int
    oldest_pending_at: str | None
    failures_in_a_row: int
    failing_since: str | None
    paused_until: str | None
    last_success_at: str | None


class Replayed(Struct, frozen=True, kw_only=True):
    """The result of a replay. `next` is the time to continue from, if there is more to replay."""

    queued: int
    next: str | None = None


class DeliveryPage(Struct, frozen=True, kw_only=True):
    """A page of messages, newest first. `bound` is where the next page begins."""

    deliveries: list[DeliveryView]
    bound: int | None
    total: int


def _time(milliseconds: int) -> str | None:
    return format_time(milliseconds * 1000) if milliseconds else None


def status_view(state: QueueState) -> StatusView:
    return StatusView(
        delivered=state.delivered,
        retried=state.retried,
        dead=state.dead,
        superseded=state.superseded,
        pending=state.pending,
        oldest_pending_at=_time(state.oldest_pending),
        failures_in_a_row=state.failures,
        failing_since=_time(state.failing_since),
        paused_until=_time(state.paused_until),
        last_success_at=_time(state.last_success),
    )


def delivery_view(message: Message, hashes: KeyedHash) -> DeliveryView:
    """A message with its attempts, oldest first."""
    waiting = message.state == "pending"
    superseded = message.state == "superseded"
    return DeliveryView(
        id=hashes.public(EVENT, message.event),
        type=message.type,
        state=message.state,
        created_at=format_time(message.born * 1000),
        next_attempt_at=_time(message.next_at) if waiting else None,
        deadline=format_time(message.deadline * 1000) if message.deadline < NO_DEADLINE else None,
        attempts=[_attempt_view(decode_as(raw, DeliveryAttempt)) for raw in message.log],
        attempts_total=message.attempts,
        reason=message.why.decode() if message.state == "dead" else None,
        superseded_by=hashes.public(EVENT, message.why) if superseded else None,
        supersedes=[hashes.public(EVENT, event) for event in message.supersedes],
    )


def _attempt_view(attempt: DeliveryAttempt) -> AttemptView:
    return AttemptView(
        at=format_time(attempt.at),
        status=attempt.status,
        error=attempt.error,
        latency_ms=attempt.latency_ms,
        answer=attempt.answer.decode("utf-8", "replace"),
        next_in_s=attempt.wait_s,
    )


async def page(
    store: Store, subscription: Subscription, *, dead: bool, limit: int, below: int | None
) -> DeliveryPage:
    """A subscription's messages or its dead letters, newest first; two round trips."""
    queue, hashes = store.deliveries(subscription.tenant), store.hashes(subscription.tenant)
    messages, bound, total = await queue.log(subscription.id, dead=dead, limit=limit, below=below)
    return DeliveryPage(deliveries=[delivery_view(it, hashes) for it in messages], bound=bound, total=total)


async def one(store: Store, subscription: Subscription, id_: str) -> DeliveryView:
    """One message by its `webhook-id`. Raises NotFound for an unknown one."""
    hashes = store.hashes(subscription.tenant)
    found = await store.deliveries(subscription.tenant).messages(subscription.id, hashes.private(EVENT, id_))
    if not found:
        raise NotFound("there is no such delivery")
    return delivery_view(found[0], hashes)


async def queue_test(store: Store, subscription: Subscription, by: str) -> str:
    """Queue a `webhook.test` message; returns its id. Conflict (`webhook_disabled`) if disabled."""
    await _require_enabled(store, subscription)
    queue, hashes = store.deliveries(subscription.tenant), store.hashes(subscription.tenant)
    id_ = public_id(hashes, subscription.id)
    now = await store.of(subscription.tenant).clock()
    key = f"test/{id_}/{secrets.token_hex(8)}"
    data = WebhookTest(message="This is a test.", subscription=id_, by=by)
    event = Event(key=key, type="webhook.test", subject=id_, at=now, data=data)
    stored = stored_event(event, hashes, now)
    entry = QueueEntry(event=event_id(hashes, key), blob=pack_event(stored), type=event.type)
    await queue.put(entry, [subscription.id])
    return stored.id


async def _require_enabled(store: Store, subscription: Subscription) -> None:
    (state,) = await store.deliveries(subscription.tenant).states([subscription.id])
    if not state.enabled:
        raise Conflict("the subscription is disabled; enable it first", code="webhook_disabled")


async def replay_one(store: Store, subscription: Subscription, id_: str) -> Replayed:
    """Send one stored event again, in whatever state it is. Raises NotFound if it is no longer stored."""
    await _require_enabled(store, subscription)
    events = store.hashes(subscription.tenant).private(EVENT, id_)
    blobs = await store.deliveries(subscription.tenant).blobs(events)
    known = await store.deliveries(subscription.tenant).messages(subscription.id, events)
    if not blobs or not (known or _wants(subscription, blobs[0][1])):
        raise NotFound("there is no such event, or it is no longer stored")
    return Replayed(queued=await _again(store, subscription, blobs))


async def replay_since(
    store: Store, subscription: Subscription, since: Micros, until: Micros, *, only_failed: bool
) -> Replayed:
    """Send the stored events from `since` to `until` again that match this subscription.

    With `only_failed`, delivered events are skipped.
    """
    await _require_enabled(store, subscription)
    queue = store.deliveries(subscription.tenant)
    queued, at = 0, since
    while True:
        found, beyond = await queue.events(at, until, REPLAY_PAGE)
        wanted = [(event, blob) for event, blob in found if _wants(subscription, blob)]
        if only_failed:
            known = await queue.messages(subscription.id, [event for event, _ in wanted])
            delivered = {it.event for it in known if it.state == "delivered"}
            wanted = [(event, blob) for event, blob in wanted if event not in delivered]
        queued += await _again(store, subscription, wanted)
        if beyond is None:
            return Replayed(queued=queued)
        if queued >= MAX_REPLAYED:
            return Replayed(queued=queued, next=format_time(beyond))
        at = beyond


def _wants(subscription: Subscription, blob: bytes) -> bool:
    try:
        event = unpack_event(blob)
    except WrittenByNewer:
        return False
    return subscription.wants(event.type, event.channels, event.queues)


async def _again(store: Store, subscription: Subscription, found: Sequence[tuple[bytes, bytes]]) -> int:
    """Queue the events again. A replay ignores deadlines."""
    queue = store.deliveries(subscription.tenant)
    queued = 0
    for event, blob in found:
        stored = unpack_event(blob)
        entry = QueueEntry(
            event=event, blob=blob, type=stored.type, line=stored.line.encode(), order=stored.version
        )
        queued += await queue.put(entry, [subscription.id], again=True)
    return queued
