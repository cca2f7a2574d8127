"""Several workers share the queues; one that is killed loses nothing."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web

from handoff.delivery import heartbeat
from handoff.delivery.heartbeat import BEAT_S, DEAD_S, Heartbeat
from handoff.delivery.worker import PLACES
from handoff.domain.handoff import Handoff
from handoff.services.context.completeness import Monitor
from handoff.services.metrics import Measures
from handoff.services.webhooks import subscriptions
from handoff.services.webhooks.spec import SubscriptionSpec
from handoff.store.repositories.deliveries import LEASE_S, Deliveries, QueueEntry, Settlement, beats_key
from handoff.store.store import Store
from tests.delivery.conftest import Way, WayOut, opened
from tests.delivery.subscribers import SECRET, Received, Subscriber, subscriber, until, until_async
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


async def test_a_killed_worker_loses_nothing(server_url: str, store: Store, way_out: WayOut) -> None:
    """It holds the relay's leases and has messages on their way when it is killed."""
    hanging = asyncio.Event()

    async def hang(_received: Received) -> web.Response:
        if not hanging.is_set():
            await asyncio.sleep(60)
        return web.Response()

    async with subscriber(answer=hang) as platform:
        process = await start(server_url, platform)
        async with way_out(platform) as way:
            asked = [await way.ask() for _ in range(5)]
            await until(lambda: platform.received)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            hanging.set()
            asked += [await way.ask() for _ in range(5)]
            await asyncio.sleep(0.3)
            way.skip(LEASE_S + 1)
            await until(lambda: len({it.id for it in platform.accepted}) == 10)
            await asyncio.sleep(0.5)
    subjects = Counter(it.event["subject"] for it in platform.accepted)
    assert subjects.keys() == {it.id for it in asked}
    assert all(count == 1 for count in subjects.values())
    ids_of_subjects = {(it.event["subject"], it.id) for it in platform.received}
    assert len(ids_of_subjects) == 10, "a repeated message keeps its id"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_worker_takes_over_within_six_seconds(
    server_url: str, store: Store, how: signal.Signals
) -> None:
    """What a worker that was only paused says later changes nothing."""
    released, calls = asyncio.Event(), 0

    async def first_hangs(_received: Received) -> web.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            await released.wait()
            return web.Response(status=500)
        return web.Response()

    async with subscriber(answer=first_hangs) as platform, two_workers(server_url, store, platform) as two:
        await asyncio.sleep(2 * BEAT_S)  # the second sees the first one beat
        two.first.send_signal(how)
        died = time.monotonic()
        await until(lambda: platform.accepted, patience_s=20)
        assert time.monotonic() - died < 6
        released.set()
        if how == signal.SIGSTOP:
            two.first.send_signal(signal.SIGCONT)
            await asyncio.sleep(1.0)  # it hears the 500 and says so
        (subscription,) = await subscriptions.read_all(store, "default")
        (message,), _, _ = await two.way.queue.log(subscription.id, dead=False, limit=10, below=None)
    assert [it.event["subject"] for it in platform.received] == [two.handoff.id] * 2
    assert len({it.id for it in platform.received}) == 1
    assert (message.state, message.attempts) == ("delivered", 1)


async def test_a_slow_worker_that_lives_keeps_its_lease(server_url: str, store: Store) -> None:
    async def slow(_received: Received) -> web.Response:
        await asyncio.sleep(DEAD_S + 2 * BEAT_S + 1)
        return web.Response()

    async with subscriber(answer=slow) as platform, two_workers(server_url, store, platform):
        await until(lambda: platform.accepted, patience_s=20)
    assert len(platform.received) == 1


@dataclass
class Two:
    """Two worker processes: the first has a message on its way."""

    first: asyncio.subprocess.Process
    second: asyncio.subprocess.Process
    way: Way
    handoff: Handoff


@asynccontextmanager
async def two_workers(server_url: str, store: Store, platform: Subscriber) -> AsyncIterator[Two]:
    way = Way(store, None, Measures(), Monitor(store, []))  # type: ignore[arg-type]
    processes = [await start(server_url, platform)]
    try:
        handoff = await way.ask()
        await until(lambda: platform.received)
        processes.append(await start(server_url, platform))
        yield Two(*processes, way, handoff)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_an_outage_of_the_store_makes_no_worker_look_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.05)
    monkeypatch.setattr(heartbeat, "DEAD_S", 1.0)
    monkeypatch.setattr(heartbeat, "GAP_S", 0.5)
    with server(valkey_binary()) as valkey:
        async with opened(valkey.url) as store:
            queue, subscription = await queued(store)
            watcher = Heartbeat(store, ["default"], "two", list, lambda _tenant: None)

            async def state_is(name: str) -> bool:
                return (await queue.messages(subscription, [bytes(16)]))[0].state == name

            async def looks(number: int) -> None:
                count = watcher.beat + number
                await until(lambda: watcher.beat > count)

            assert len((await queue.claim("one.1", 1, 1, beat=1)).messages) == 1
            watching = asyncio.create_task(watcher.run())
            await looks(2)
            valkey.pause()
            await asyncio.sleep(1.5)  # longer than it takes to be taken for dead
            valkey.resume()
            await looks(2)
            assert await state_is("sending")
            await until_async(lambda: state_is("pending"))  # it does not beat in another second
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def queued(store: Store) -> tuple[Deliveries, bytes]:
    """A queue with one message, of event 0, and its subscription."""
    it = await subscriptions.create(
        store, "default", SubscriptionSpec(url="https://platform.example/"), SECRET
    )
    queue = store.deliveries("default")
    await queue.put(QueueEntry(event=bytes(16), blob=b"x", type="a"), [it.id])
    return queue, it.id


async def test_only_who_claimed_a_message_last_says_what_became_of_it(store: Store) -> None:
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


async def test_a_success_counts_when_the_lease_ran_out_and_nobody_took_it(store: Store) -> None:
    queue, _subscription = await queued(store)
    (claimed,) = (await queue.claim("one.1", 1, 1, beat=1)).messages
    assert await queue.release("one", 1) == 1
    assert await queue.settle(claimed, Settlement(verdict="ok"))
    assert (await queue.claim("two.1", 1, 1, beat=1)).messages == []


async def test_a_worker_without_heartbeats_keeps_its_lease_until_it_runs_out(store: Store) -> None:
    """As those of earlier releases do, whose claims leave no number."""
    queue, _subscription = await queued(store)
    await queue.claim("earlier.1", 1, 1)
    await store.connection.call(b"HDEL", beats_key("default"), b"earlier", key=beats_key("default"))
    assert await queue.release("earlier", 0) == -1
    queue.skip_ms += round(LEASE_S * 1000) - 1_000
    assert (await queue.claim("two.1", 1, 1)).messages == []
    queue.skip_ms += 1_100
    assert len((await queue.claim("two.1", 1, 1)).messages) == 1


async def test_a_stopped_worker_gives_back_what_is_on_its_way(way_out: WayOut) -> None:
    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with subscriber(answer=hang) as platform:
        async with way_out(platform) as way:
            await way.ask()
            await until(lambda: platform.received)
        platform.answer = None
        started = time.monotonic()
        async with way_out(platform):
            await until(lambda: platform.accepted)
        assert time.monotonic() - started < 5, "no lease has to run out"


async def test_two_workers_send_each_message_once(server_url: str, way_out: WayOut) -> None:
    async with subscriber() as platform:
        process = await start(server_url, platform)
        try:
            async with way_out(platform) as way:
                for _ in range(30):
                    await way.ask()
                await until(lambda: len({it.id for it in platform.accepted}) == 30)
                await asyncio.sleep(0.3)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    assert len(platform.accepted) == 30


async def test_hanging_subscribers_do_not_hold_up_those_who_answer(way_out: WayOut) -> None:
    """More of them than the worker sends messages at once."""

    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with subscriber(answer=hang) as dead, subscriber() as platform:
        many = [Subscriber(url=f"{dead.url}?{number}") for number in range(PLACES)]
        async with way_out(platform, *many) as way:
            await way.ask()
            await until(lambda: len(dead.received) == PLACES and platform.accepted)
            started = time.monotonic()
            await way.ask()
            await until(lambda: len(platform.accepted) == 2, patience_s=8)
            delay_s = time.monotonic() - started
    assert delay_s < 5, "not the time after which a message is given up"


async def test_a_subscriber_that_does_not_answer_gets_no_more_meanwhile(store: Store) -> None:
    it = await subscriptions.create(
        store, "default", SubscriptionSpec(url="https://platform.example/"), SECRET
    )
    queue = store.deliveries("default")
    for number in range(8):
        await queue.put(QueueEntry(event=bytes([number]) * 16, blob=b"x", type="a"), [it.id])
    (first,) = (await queue.claim("one", 10, 10)).messages
    await queue.settle(first, Settlement(verdict="ok"))
    at_once = (await queue.claim("two", 10, 10)).messages
    assert len(at_once) == 4, "it has answered before"
    queue.skip_ms += 3_000
    for claimed in at_once[:3]:
        await queue.settle(claimed, Settlement(verdict="ok"))
        assert (await queue.claim("three", 10, 10)).messages == []
    await queue.settle(at_once[3], Settlement(verdict="ok"))
    assert len((await queue.claim("three", 10, 10)).messages) == 3


@contextmanager
def redis7() -> Iterator[str]:
    with redis7_server() as url:
        yield url


@pytest.mark.parametrize("kind", [redis7, cluster_of_three], ids=["redis-7.0", "cluster"])
async def test_other_servers(kind: object) -> None:
    from handoff.delivery.delivery import DeliveryService
    from tests.delivery.conftest import hook

    with kind() as url:  # type: ignore[operator]
        async with subscriber() as platform, opened(url) as store:
            measures, monitor = Measures(), Monitor(store, [])
            delivery = DeliveryService(
                store, monitor, measures, [hook(platform, types=["*"])], ["default"], "https://h.example"
            )
            async with delivery.running():
                way = Way(store, delivery, measures, monitor)
                handoffs = [await way.ask() for _ in range(5)]
                await until(lambda: len(platform.accepted) >= 5)
    assert {it.event["subject"] for it in platform.accepted} == {it.id for it in handoffs}
