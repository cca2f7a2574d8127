"""Several workers share the queues; killing one loses nothing."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web

from handoff.delivery.delivery import DeliveryService
from handoff.delivery.heartbeat import Heartbeat, HeartbeatTimes
from handoff.delivery.sender import Sender
from handoff.delivery.worker import SLOTS
from handoff.domain.handoff import Handoff
from handoff.services.context.completeness import Monitor
from handoff.services.metrics import Measures
from handoff.services.webhooks import subscriptions
from handoff.services.webhooks.spec import SubscriptionSpec
from handoff.store.repositories.deliveries import LEASE_S, Deliveries, QueueEntry, Settlement, beats_key
from handoff.store.store import Store
from tests.delivery.conftest import Harness, StartDelivery, opened, webhook_for
from tests.delivery.subscribers import SECRET, Received, Subscriber, subscriber, until, until_async
from tests.stopwatch import Stopwatch
from tests.store.servers import cluster_of_three, redis7_server, server, valkey_binary


async def start(server_url: str, platform: Subscriber) -> asyncio.subprocess.Process:
    command = (
        sys.executable,
        "-m",
        "tests.delivery.worker_process",
        server_url,
        platform.url,
        platform.secret,
    )
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert (await process.stdout.readline()).endswith(b"ready\n")
    return process


async def test_a_killed_worker_loses_nothing(
    server_url: str, store: Store, delivering: StartDelivery
) -> None:
    """The killed worker holds the relay's leases and has attempts in flight."""
    killed = asyncio.Event()

    async def hang(_received: Received) -> web.Response:
        if not killed.is_set():
            await asyncio.Event().wait()
        return web.Response()

    async with subscriber(answer=hang) as platform:
        process = await start(server_url, platform)
        async with delivering(platform) as harness:
            handoffs = [await harness.request() for _ in range(5)]
            await until(lambda: platform.received)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            killed.set()
            handoffs += [await harness.request() for _ in range(5)]
            harness.advance(LEASE_S + 1)
            await until_async(lambda: all_delivered(harness, 10))
    subjects = Counter(it.event["subject"] for it in platform.accepted)
    assert subjects.keys() == {it.id for it in handoffs}
    assert all(count == 1 for count in subjects.values())
    ids_of_subjects = {(it.event["subject"], it.id) for it in platform.received}
    assert len(ids_of_subjects) == 10, "a repeated message keeps its id"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_worker_takes_over_within_six_seconds(
    server_url: str, store: Store, how: signal.Signals
) -> None:
    """The late result of a worker that was only paused changes nothing."""
    released, calls = asyncio.Event(), 0

    async def first_hangs(_received: Received) -> web.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            await released.wait()
            return web.Response(status=500)
        return web.Response()

    async with subscriber(answer=first_hangs) as platform, two_workers(server_url, store, platform) as two:
        two.first.send_signal(how)
        watch = Stopwatch(two.second.pid)
        await until(lambda: platform.accepted, patience_s=20)
        assert watch.seconds < 6
        released.set()
        if how == signal.SIGSTOP:
            two.first.send_signal(signal.SIGCONT)
            two.first.send_signal(signal.SIGINT)  # it settles the attempt in flight, then ends
            await two.first.wait()
        await until_async(lambda: all_delivered(two.harness, 1))
        (subscription,) = await subscriptions.read_all(store, "default")
        (message,), _, _ = await two.harness.queue.log(subscription.id, dead=False, limit=10, below=None)
    assert [it.event["subject"] for it in platform.received] == [two.handoff.id] * 2
    assert len({it.id for it in platform.received}) == 1
    assert (message.state, message.attempts) == ("delivered", 1)


async def test_a_slow_worker_that_beats_keeps_its_lease(server_url: str, store: Store) -> None:
    times = HeartbeatTimes()

    async def slow(_received: Received) -> web.Response:
        await asyncio.sleep(times.dead_s + 2 * times.beat_s + 1)
        return web.Response()

    async with subscriber(answer=slow) as platform, two_workers(server_url, store, platform):
        await until(lambda: platform.accepted, patience_s=20)
    assert len(platform.received) == 1


async def all_delivered(harness: Harness, count: int) -> bool:
    """Whether the only subscription has `count` messages, all delivered: none can be sent again."""
    (subscription,) = await subscriptions.read_all(harness.store, "default")
    messages, _, _ = await harness.queue.log(subscription.id, dead=False, limit=count + 1, below=None)
    return [it.state for it in messages] == ["delivered"] * count


@dataclass
class Two:
    """Two worker processes: the first has an attempt in flight."""

    first: asyncio.subprocess.Process
    second: asyncio.subprocess.Process
    harness: Harness
    handoff: Handoff


@asynccontextmanager
async def two_workers(server_url: str, store: Store, platform: Subscriber) -> AsyncIterator[Two]:
    harness = Harness(store, None, Measures(), Monitor(store, []))  # type: ignore[arg-type]
    processes = [await start(server_url, platform)]
    try:
        handoff = await harness.request()
        await until(lambda: platform.received)
        processes.append(await start(server_url, platform))
        yield Two(*processes, harness, handoff)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_an_outage_of_the_store_makes_no_worker_look_dead() -> None:
    times = HeartbeatTimes(beat_s=0.05, dead_s=1.0, gap_s=0.5)
    with server(valkey_binary()) as valkey:
        async with opened(valkey.url) as store:
            queue, subscription = await queued(store)
            watcher = Heartbeat(store, ["default"], "two", list, lambda _tenant: None, times)

            async def state_is(name: str) -> bool:
                return (await queue.messages(subscription, [bytes(16)]))[0].state == name

            async def checks(number: int) -> None:
                count = watcher.beat + number
                await until(lambda: watcher.beat > count)

            assert len((await queue.claim("one.1", 1, 1, beat=1)).messages) == 1
            watching = asyncio.create_task(watcher.run())
            await checks(2)
            valkey.pause()
            await asyncio.sleep(times.dead_s + 0.5)  # the outage outlasts it
            valkey.resume()
            await checks(2)
            assert await state_is("sending")
            await until_async(lambda: state_is("pending"))  # it has not beaten for `dead_s`
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def queued(store: Store) -> tuple[Deliveries, bytes]:
    """A queue with one message, of event 0, and its subscription."""
    subscription = await subscriptions.create(
        store, "default", SubscriptionSpec(url="https://platform.example/"), SECRET
    )
    queue = store.deliveries("default")
    await queue.put(QueueEntry(event=bytes(16), blob=b"x", type="a"), [subscription.id])
    return queue, subscription.id


async def test_only_the_last_claimant_settles_a_message(store: Store) -> None:
    queue, subscription = await queued(store)
    (old,) = (await queue.claim("one.1", 1, 1, beat=7)).messages
    assert await queue.release("one", 6) == -1, "it has beaten since"
    assert await queue.release("nobody", 7) == -1
    assert await queue.release("one", 7) == 1
    (new,) = (await queue.claim("two.1", 1, 1, beat=3)).messages
    for verdict in ("ok", "retry", "dead", "back"):
        assert not await queue.settle(old, Settlement(verdict=verdict, attempt=b"old"))
    assert await queue.settle(new, Settlement(verdict="retry", wait_ms=60_000, attempt=b"new"))
    for verdict in ("ok", "retry", "dead", "back"):
        assert not await queue.settle(old, Settlement(verdict=verdict, attempt=b"old"))
    (message,) = await queue.messages(subscription, [bytes(16)])
    assert (message.state, message.log) == ("pending", (b"new",))


async def test_a_success_counts_after_the_lease_expired_unless_claimed_again(store: Store) -> None:
    queue, _subscription = await queued(store)
    (claimed,) = (await queue.claim("one.1", 1, 1, beat=1)).messages
    assert await queue.release("one", 1) == 1
    assert await queue.settle(claimed, Settlement(verdict="ok"))
    assert (await queue.claim("two.1", 1, 1, beat=1)).messages == []


async def test_a_worker_without_heartbeats_keeps_its_lease_until_it_expires(store: Store) -> None:
    """Claims of earlier releases leave no beat."""
    queue, _subscription = await queued(store)
    await queue.claim("earlier.1", 1, 1)
    await store.connection.call(b"HDEL", beats_key("default"), b"earlier", key=beats_key("default"))
    assert await queue.release("earlier", 0) == -1
    queue.skip_ms += round(LEASE_S * 1000) - 1_000
    assert (await queue.claim("two.1", 1, 1)).messages == []
    queue.skip_ms += 1_100
    assert len((await queue.claim("two.1", 1, 1)).messages) == 1


async def test_a_stopped_worker_returns_attempts_in_flight(delivering: StartDelivery) -> None:
    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with subscriber(answer=hang) as platform:
        async with delivering(platform) as harness:
            await harness.request()
            await until(lambda: platform.received)
        platform.answer = None
        async with delivering(platform):
            await until(lambda: platform.accepted, patience_s=LEASE_S / 2)  # no lease has to expire


async def test_two_workers_send_each_message_once(server_url: str, delivering: StartDelivery) -> None:
    async with subscriber() as platform:
        process = await start(server_url, platform)
        try:
            async with delivering(platform) as harness:
                for _ in range(30):
                    await harness.request()
                await until_async(lambda: all_delivered(harness, 30))
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    assert len(platform.accepted) == 30


async def test_hanging_subscribers_do_not_block_responding_ones(delivering: StartDelivery) -> None:
    """There are as many of them as the worker has slots."""

    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with subscriber(answer=hang) as dead, subscriber() as platform:
        many = [Subscriber(url=f"{dead.url}?{number}") for number in range(SLOTS)]
        sender = Sender(total_s=60.0)  # far longer than the others may take
        async with delivering(platform, *many, sender=sender) as harness:
            await harness.request()
            await until(lambda: len(dead.received) == SLOTS and platform.accepted)
            await harness.request()
            await until(lambda: len(platform.accepted) == 2)


async def test_an_unresponsive_subscriber_gets_no_more_messages(store: Store) -> None:
    subscription = await subscriptions.create(
        store, "default", SubscriptionSpec(url="https://platform.example/"), SECRET
    )
    queue = store.deliveries("default")
    for number in range(8):
        await queue.put(QueueEntry(event=bytes([number]) * 16, blob=b"x", type="a"), [subscription.id])
    (first,) = (await queue.claim("one", 10, 10)).messages
    await queue.settle(first, Settlement(verdict="ok"))
    concurrent = (await queue.claim("two", 10, 10)).messages
    assert len(concurrent) == 4, "it has responded before"
    queue.skip_ms += 3_000
    for claimed in concurrent[:3]:
        await queue.settle(claimed, Settlement(verdict="ok"))
        assert (await queue.claim("three", 10, 10)).messages == []
    await queue.settle(concurrent[3], Settlement(verdict="ok"))
    assert len((await queue.claim("three", 10, 10)).messages) == 3


@contextmanager
def redis7() -> Iterator[str]:
    with redis7_server() as url:
        yield url


@pytest.mark.parametrize("kind", [redis7, cluster_of_three], ids=["redis-7.0", "cluster"])
async def test_other_servers(kind: object) -> None:
    with kind() as url:  # type: ignore[operator]
        async with subscriber() as platform, opened(url) as store:
            measures, monitor = Measures(), Monitor(store, [])
            delivery = DeliveryService(
                store,
                monitor,
                measures,
                [webhook_for(platform, types=["*"])],
                ["default"],
                "https://h.example",
            )
            async with delivery.running():
                harness = Harness(store, delivery, measures, monitor)
                handoffs = [await harness.request() for _ in range(5)]
                await until(lambda: len(platform.accepted) >= 5)
    assert {it.event["subject"] for it in platform.accepted} == {it.id for it in handoffs}
