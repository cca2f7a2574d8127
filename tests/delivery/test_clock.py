"""Deliveries that were queued, retried or paused while the store's clock was ahead, after it was set back."""

from __future__ import annotations

import time

import pytest

from handoff.domain.clock import SECOND
from handoff.domain.clock_guard import ClockGuard
from handoff.services.webhooks import subscriptions
from handoff.services.webhooks.spec import SubscriptionSpec
from handoff.store.repositories.deliveries import LEASE_S, Claimed, Deliveries, QueueEntry, Settlement
from handoff.store.store import Store
from tests.delivery.conftest import StartDelivery
from tests.delivery.subscribers import SECRET, subscriber, until

AHEAD_MS = 86_400_000


@pytest.fixture
def queue(store: Store) -> Deliveries:
    return store.deliveries("default")


async def subscribed(store: Store) -> bytes:
    wanted = SubscriptionSpec(url="https://platform.example/")
    return (await subscriptions.create(store, "default", wanted, SECRET)).id


def entry(number: int, line: bytes = b"") -> QueueEntry:
    return QueueEntry(event=bytes([number]) * 16, blob=b"x", type="a", line=line, order=number)


async def claimed(queue: Deliveries, most: int = 10) -> list[Claimed]:
    return (await queue.claim("worker.1", most, most)).messages


@pytest.mark.parametrize("line", [b"", b"line"])
async def test_a_message_queued_while_the_clock_was_ahead_is_due(
    store: Store, queue: Deliveries, line: bytes
) -> None:
    """The whole line: its later messages wait for the first one only."""
    subscription = await subscribed(store)
    queue.skip_ms = AHEAD_MS
    for number in range(3):
        await queue.put(entry(number, line), [subscription])
    queue.skip_ms = 0
    sent = []
    for _ in range(3):
        (message,) = await claimed(queue, 1)
        sent.append(message.event[0])
        await queue.settle(message, Settlement(verdict="ok"))
    assert sent == [0, 1, 2]


async def test_a_message_queued_after_the_correction_hides_no_jump(store: Store, queue: Deliveries) -> None:
    subscription = await subscribed(store)
    queue.skip_ms = AHEAD_MS
    await queue.put(entry(0), [subscription])
    queue.skip_ms = 0
    await queue.put(entry(1), [subscription])
    for _ in range(2):
        (message,) = await claimed(queue, 1)
        await queue.settle(message, Settlement(verdict="ok"))
    assert not await claimed(queue)


@pytest.mark.parametrize("line", [b"", b"line"])
async def test_a_retry_keeps_its_wait(store: Store, queue: Deliveries, line: bytes) -> None:
    """Its pause ends: one probe too many does no harm."""
    subscription = await subscribed(store)
    queue.skip_ms = AHEAD_MS
    await queue.put(entry(0, line), [subscription])
    (message,) = await claimed(queue)
    retry = Settlement(verdict="retry", wait_ms=60_000, pause_ms=60_000, against=True)
    await queue.settle(message, retry)
    queue.skip_ms = 0
    assert not await claimed(queue)
    queue.skip_ms = 58_000
    assert not await claimed(queue)
    queue.skip_ms = 61_000
    (message,) = await claimed(queue)
    assert message.first_failure <= message.now
    (state,) = await queue.states([subscription])
    assert state.paused_until <= message.now
    assert state.failing_since <= message.now


async def test_a_limited_rate_does_not_wait_for_the_clock_to_be_ahead_again(
    store: Store, queue: Deliveries
) -> None:
    wanted = SubscriptionSpec(url="https://platform.example/", rate_per_s=1)
    subscription = (await subscriptions.create(store, "default", wanted, SECRET)).id
    queue.skip_ms = AHEAD_MS
    for number in range(2):
        await queue.put(entry(number), [subscription])
    (message,) = await claimed(queue)
    await queue.settle(message, Settlement(verdict="ok"))
    queue.skip_ms = 0
    (message,) = await claimed(queue)
    assert message.event[0] == 1


async def test_retries_of_before_a_jump_are_unaffected_by_it(store: Store, queue: Deliveries) -> None:
    subscription = await subscribed(store)
    await queue.put(entry(0), [subscription])
    (message,) = await claimed(queue)
    await queue.settle(message, Settlement(verdict="retry", wait_ms=3 * AHEAD_MS))
    queue.skip_ms = AHEAD_MS
    await queue.put(entry(1), [subscription])
    queue.skip_ms = 0
    (message,) = await claimed(queue)
    assert message.event[0] == 1
    await queue.settle(message, Settlement(verdict="ok"))
    queue.skip_ms = 3 * AHEAD_MS - 60_000
    assert not await claimed(queue)
    queue.skip_ms = 3 * AHEAD_MS + 1_000
    assert [it.event[0] for it in await claimed(queue)] == [0]


async def test_a_lease_taken_while_the_clock_was_ahead_expires(store: Store, queue: Deliveries) -> None:
    subscription = await subscribed(store)
    queue.skip_ms = AHEAD_MS
    await queue.put(entry(0), [subscription])
    assert await claimed(queue)
    queue.skip_ms = 0
    assert not await claimed(queue)
    queue.skip_ms = round(LEASE_S * 1000) + 500
    assert await claimed(queue)


async def test_a_queue_without_jumps_is_left_alone(store: Store, queue: Deliveries) -> None:
    """A failover to a server whose clock is a little behind changes nothing."""
    subscription = await subscribed(store)
    queue.skip_ms = 400
    await queue.put(entry(0), [subscription])
    (message,) = await claimed(queue)
    await queue.settle(message, Settlement(verdict="retry", wait_ms=5_000, pause_ms=5_000, against=True))
    (before,) = await queue.states([subscription])
    queue.skip_ms = 0
    assert not await claimed(queue)
    (after,) = await queue.states([subscription])
    assert after == before


async def test_a_deadline_that_a_jump_has_passed_drops_nothing(
    store: Store, delivering: StartDelivery
) -> None:
    """While timers are held, the handoff is still pending and its event still wanted."""
    guard = ClockGuard()
    now = await store.control("default").clock()
    guard.look(now - 3_600 * SECOND, time.monotonic_ns() // 1000)  # it was an hour earlier a moment ago
    async with subscriber() as platform, delivering(platform, clock_guard=guard) as harness:
        await harness.request(deadline_s=0.001)
        await until(lambda: platform.accepted)
    assert platform.types() == ["handoff.requested"]
