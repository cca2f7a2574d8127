"""Several workers share the queues; one that is killed loses nothing."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from handoff.delivery.worker import PLACES
from handoff.services import subscriptions
from handoff.services.completeness import Monitor
from handoff.services.subscriptions import Wishes
from handoff.store.deliveries import LEASE_S, Entry, Settlement
from handoff.store.store import Store
from tests.delivery.conftest import Way, WayOut, opened
from tests.delivery.subscribers import SECRET, Received, Subscriber, subscriber, until
from tests.store.servers import cluster_of_three, redis7_server


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
    it = await subscriptions.create(store, "default", Wishes(url="https://platform.example/"), SECRET)
    queue = store.deliveries("default")
    for number in range(8):
        await queue.put(Entry(event=bytes([number]) * 16, blob=b"x", type="a"), [it.id])
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
    from handoff.delivery.delivery import Delivery
    from handoff.services.measures import Measures
    from tests.delivery.conftest import hook

    with kind() as url:  # type: ignore[operator]
        async with subscriber() as platform, opened(url) as store:
            measures, monitor = Measures(), Monitor(store, [])
            delivery = Delivery(
                store, monitor, measures, [hook(platform, types=["*"])], ["default"], "https://h.example"
            )
            async with delivery.running():
                way = Way(store, delivery, measures, monitor)
                handoffs = [await way.ask() for _ in range(5)]
                await until(lambda: len(platform.accepted) >= 5)
    assert {it.event["subject"] for it in platform.accepted} == {it.id for it in handoffs}
