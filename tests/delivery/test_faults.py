"""Failing subscribers: current messages arrive once per id, with the newest state last."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from handoff.delivery.sender import Sender
from handoff.domain.handoff import Action
from handoff.services.webhooks import deliveries, subscriptions
from handoff.services.webhooks.subscriptions import Subscription
from tests.delivery.conftest import Harness, StartDelivery
from tests.delivery.subscribers import Received, Subscriber, subscriber, until, until_async

QUICK = [0.1] * 6
HOLD_S = 60
DAY_S = 86400


async def the_subscription(harness: Harness) -> Subscription:
    (found,) = await subscriptions.read_all(harness.store, "default")
    return found


async def states(harness: Harness) -> list[str]:
    page = await deliveries.page(
        harness.store, await the_subscription(harness), dead=False, limit=50, below=None
    )
    return [it.state for it in reversed(page.deliveries)]


async def once_then_fine(
    delivering: StartDelivery, answer: Any, *, sender: Sender | None = None
) -> list[Received]:
    """Deliver one message to a subscriber whose first response is `answer`; returns its attempts."""
    first = True

    async def respond(received: Received) -> web.StreamResponse:
        nonlocal first
        if first:
            first = False
            response: web.StreamResponse = await answer(received)
            return response
        return web.Response(text="received")

    async with (
        subscriber(answer=respond) as platform,
        delivering(platform, sender=sender, retry_schedule_s=QUICK) as harness,
    ):
        await harness.request()
        await until(lambda: platform.accepted)
        await until_async(lambda: _settled(harness))
        assert await states(harness) == ["delivered"]
    return platform.received


async def _settled(harness: Harness) -> bool:
    return (await states(harness)) == ["delivered"]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 502, 503])
async def test_any_other_status_is_retried_with_the_same_id_and_bytes(
    delivering: StartDelivery, status: int
) -> None:
    async def refuse(_received: Received) -> web.Response:
        return web.Response(status=status, headers={"Location": "http://169.254.169.254/"})

    received = await once_then_fine(delivering, refuse)
    assert len(received) == 2
    assert len({(it.id, it.body) for it in received}) == 1


async def test_a_reset_is_retried(delivering: StartDelivery) -> None:
    async def reset(received: Received) -> web.Response:
        transport = received.request.transport
        assert transport is not None
        transport.abort()
        return web.Response()

    assert len(await once_then_fine(delivering, reset)) == 2


async def test_a_timeout_is_retried(delivering: StartDelivery) -> None:
    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    assert len(await once_then_fine(delivering, hang, sender=Sender(total_s=0.3))) == 2


async def test_a_slow_acknowledgement_counts(delivering: StartDelivery) -> None:
    async def slow(_received: Received) -> web.Response:
        await asyncio.sleep(1.0)
        return web.Response(text="thank you")

    assert len(await once_then_fine(delivering, slow)) == 1


async def test_a_status_counts_even_if_the_body_never_arrives(delivering: StartDelivery) -> None:
    async def break_off(received: Received) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(received.request)
        await response.write(b"half")
        assert received.request.transport is not None
        received.request.transport.abort()
        return response

    assert len(await once_then_fine(delivering, break_off)) == 1


async def test_a_closed_port_is_retried_until_it_opens(delivering: StartDelivery) -> None:
    async with subscriber() as platform:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        here, platform.url = platform.url, f"http://127.0.0.1:{port}/hooks"
        async with delivering(platform, retry_schedule_s=[0.2] * 20) as harness:
            await harness.request()
            await until_async(lambda: _attempted(harness, 2))
            async with _forwarding(port, here):
                await until(lambda: platform.accepted)
    assert len(platform.accepted) == 1


async def _attempted(harness: Harness, times: int) -> bool:
    page = await deliveries.page(
        harness.store, await the_subscription(harness), dead=False, limit=1, below=None
    )
    return bool(page.deliveries) and page.deliveries[0].attempts_total >= times


@asynccontextmanager
async def _forwarding(port: int, target: str) -> AsyncIterator[None]:
    """A listener that forwards bytes to `target`."""
    host, _, target_port = target.removeprefix("http://").removesuffix("/hooks").partition(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            there_reader, there_writer = await asyncio.open_connection(host, int(target_port))
            with contextlib.closing(there_writer):
                await asyncio.gather(_pipe(reader, there_writer), _pipe(there_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def test_gone_disables_and_notifies_operators(delivering: StartDelivery) -> None:
    async with (
        subscriber(status=410) as platform,
        subscriber() as operator,
        subscriber() as other,
        delivering(platform, retry_schedule_s=QUICK) as harness,
    ):
        loopback = {"allow_insecure": True, "allow_networks": ("127.0.0.0/8",)}
        spec = subscriptions.SubscriptionSpec(url=operator.url, types=("webhook.*",), **loopback)
        await subscriptions.create(harness.store, "default", spec, operator.secret)
        await harness.request()
        await until(lambda: len(operator.accepted) == 2)
        await harness.request()
        witness = subscriptions.SubscriptionSpec(url=other.url, types=("handoff.*",), **loopback)
        await subscriptions.create(harness.store, "default", witness, other.secret)
        await harness.request()
        await until(lambda: other.accepted)  # the relay has passed the second request
        assert (await harness.queue.claim("probe", 10, 10)).messages == []
        found = await subscriptions.read_all(harness.store, "default")
        gone = next(it for it in found if it.wishes.url == platform.url)
        (state,) = await harness.queue.states([gone.id])
    assert sorted(operator.types()) == ["webhook.dead", "webhook.disabled"]
    assert (state.enabled, state.reason) == (False, "gone")
    assert len(platform.received) == 1, "a disabled subscription gets nothing"


async def test_retry_after_delays_the_whole_subscription(delivering: StartDelivery) -> None:
    async with (
        subscriber(status=429, headers={"Retry-After": "1"}) as platform,
        delivering(platform, retry_schedule_s=QUICK) as harness,
    ):
        await harness.request()
        await until(lambda: len(platform.received) == 1)
        platform.status = 200
        await harness.request()
        await until(lambda: len(platform.accepted) == 2)
    first, *others = platform.received
    assert all(it.at - first.at >= 0.95 for it in others)


async def test_the_schedule_ends_dead_and_a_replay_sends_the_message(
    delivering: StartDelivery,
) -> None:
    async with (
        subscriber(status=500) as platform,
        delivering(platform, retry_schedule_s=[0.1, 0.1]) as harness,
    ):
        await harness.request()
        await until_async(lambda: _is(harness, ["dead"]))
        subscription = await the_subscription(harness)
        page = await deliveries.page(harness.store, subscription, dead=True, limit=10, below=None)
        (dead,) = page.deliveries
        assert dead.reason == "exhausted: status_500"
        assert [(one.status, one.answer) for one in dead.attempts] == [(500, "received")] * 3
        assert all(one.latency_ms > 0 for one in dead.attempts)
        platform.status = 200
        assert (await deliveries.replay_one(harness.store, subscription, dead.id)).queued == 1
        await until(lambda: platform.accepted)
    assert {one.id for one in platform.received} == {dead.id}


async def _is(harness: Harness, wanted: list[str]) -> bool:
    return (await states(harness)) == wanted


async def test_a_replay_since_a_time_sends_every_wanted_event(
    delivering: StartDelivery,
) -> None:
    async with subscriber() as platform, delivering(platform) as harness:
        start = await harness.store.control("default").clock()
        for _ in range(3):
            await harness.request()
        await until(lambda: len(platform.accepted) == 3)
        subscription = await the_subscription(harness)
        now = await harness.store.control("default").clock()
        await until_async(lambda: _is(harness, ["delivered"] * 3))
        again = await deliveries.replay_since(harness.store, subscription, start, now, only_failed=True)
        assert again.queued == 0
        again = await deliveries.replay_since(harness.store, subscription, start, now, only_failed=False)
        assert again.queued == 3
        await until(lambda: len(platform.accepted) == 6)
    ids = [one.id for one in platform.accepted]
    assert sorted(ids[:3]) == sorted(ids[3:])


async def test_a_failing_message_holds_successors_then_the_newest_is_sent(
    delivering: StartDelivery,
) -> None:
    """Order per handoff: for a minute nothing overtakes; then the newest state supersedes the others."""
    async with (
        subscriber(status=500) as platform,
        delivering(platform, retry_schedule_s=[1000.0] * 5) as harness,
    ):
        handoff = await harness.request()
        await until(lambda: len(platform.received) == 1)
        platform.status = 200
        for action in (Action.OFFER, Action.ACCEPT):
            handoff = await harness.move(handoff, action)
        await until_async(lambda: _is(harness, ["pending"] * 3))
        harness.advance(HOLD_S - 5)
        assert (await harness.queue.claim("probe", 10, 10)).messages == []
        assert await _is(harness, ["pending"] * 3), "nothing overtakes a failing message for a minute"
        assert len(platform.received) == 1
        harness.advance(10)
        await until(lambda: platform.accepted)
        await until_async(lambda: _is(harness, ["superseded", "superseded", "delivered"]))
    (newest,) = platform.accepted
    assert newest.event["type"] == "handoff.accepted"
    assert newest.event["data"]["version"] == 3
    assert newest.event["supersedes"].split(",")[0] == platform.received[0].id
    assert len(newest.event["supersedes"].split(",")) == 2


async def test_other_handoffs_do_not_wait_for_a_failing_message(delivering: StartDelivery) -> None:
    async def refuse_the_first(received: Received) -> web.Response:
        bad = received.event["data"]["reason"] == "bad"
        return web.Response(status=400 if bad else 200)

    async with (
        subscriber(answer=refuse_the_first) as platform,
        delivering(platform, retry_schedule_s=[1000.0]) as harness,
    ):
        await harness.request(reason="bad")
        await until(lambda: platform.received)
        await harness.request(reason="good")
        await until(lambda: platform.accepted)
    assert [it.event["data"]["reason"] for it in platform.accepted] == ["good"]


async def test_a_request_expires_at_its_deadline_and_notifies_the_originator(
    delivering: StartDelivery,
) -> None:
    async with (
        subscriber(status=500) as platform,
        subscriber() as originator,
        delivering(platform, retry_schedule_s=[1000.0] * 5) as harness,
    ):
        loopback = {"allow_insecure": True, "allow_networks": ("127.0.0.0/8",)}
        spec = subscriptions.SubscriptionSpec(url=originator.url, types=("handoff.*",), **loopback)
        handoff = await harness.request(deadline_s=30)
        await until(lambda: platform.received)
        await subscriptions.create(harness.store, "default", spec, originator.secret)
        harness.advance(31)
        await until(lambda: originator.accepted)
    (notice,) = originator.accepted
    assert notice.event["type"] == "handoff.undelivered"
    assert notice.event["subject"] == handoff.id
    assert notice.event["data"]["state"] == "requested"
    assert notice.event["data"]["undelivered"]["message"]["reason"] == "deadline"
    assert len(platform.received) == 1, "nothing is sent after the deadline"


async def test_after_a_day_of_failures_only_current_messages_arrive(delivering: StartDelivery) -> None:
    """Simulated clock: a day of failures on the usual schedule, then every unexpired message."""
    async with subscriber(status=500) as platform, delivering(platform) as harness:
        changing = await harness.request(deadline_s=3 * DAY_S)
        others = [await harness.request(deadline_s=3 * DAY_S) for _ in range(3)]
        expiring = await harness.request(deadline_s=3600)
        for _ in range(5):
            before = len(platform.received)
            harness.advance(5 * 3600)
            with contextlib.suppress(TimeoutError):
                await until(lambda before=before: len(platform.received) > before, 0.6)  # type: ignore[misc]
        changing = await harness.move(changing, Action.ACCEPT)
        platform.status = 200
        await until_async(lambda: _queued(harness, 6))
        harness.advance(DAY_S)
        await until(lambda: len(platform.accepted) >= 4)
        await until_async(lambda: _nothing_pending(harness))
    newest = {it.event["subject"]: it.event["data"]["version"] for it in platform.accepted}
    assert newest == {changing.id: 2} | {it.id: 1 for it in others}
    assert expiring.id not in newest
    assert len({it.id for it in platform.accepted}) == len(platform.accepted), "once per id"


async def test_the_first_success_after_an_outage_sends_everything_pending(
    delivering: StartDelivery,
) -> None:
    async with (
        subscriber(status=500) as platform,
        delivering(platform, retry_schedule_s=[1000.0] * 5) as harness,
    ):
        waiting = [await harness.request() for _ in range(6)]
        await until_async(lambda: _failed(harness, 5))
        assert (await harness.queue.claim("probe", 10, 10)).messages == [], "the breaker is open"
        assert len(platform.received) <= 6
        platform.status = 200
        harness.advance(31)
        waiting.append(await harness.request())
        await until(lambda: len(platform.accepted) == 7)
    assert {it.event["subject"] for it in platform.accepted} == {it.id for it in waiting}


async def test_a_subscriber_gets_few_concurrent_messages_and_one_while_it_fails(
    delivering: StartDelivery,
) -> None:
    current, most = 0, 0

    async def slowly(received: Received) -> web.Response:
        nonlocal current, most
        current, most = current + 1, max(most, current + 1)
        await asyncio.sleep(0.3)
        current -= 1
        return web.Response(status=platform.status)

    async with (
        subscriber(answer=slowly) as platform,
        delivering(platform, retry_schedule_s=[60.0]) as harness,
    ):
        await harness.request()
        await until(lambda: platform.accepted)
        for _ in range(12):
            await harness.request()
        await until(lambda: len(platform.accepted) == 13)
        assert 2 <= most <= 4
        platform.status = 500
        await harness.request()
        await until(lambda: len(platform.received) == 14)
        await until_async(lambda: _fails(harness))
        most = 0
        for _ in range(3):
            await harness.request()
        await until(lambda: len(platform.received) == 17)
        assert most == 1


async def _queued(harness: Harness, count: int) -> bool:
    return len(await states(harness)) == count


async def _failed(harness: Harness, times: int) -> bool:
    (state,) = await harness.queue.states([(await the_subscription(harness)).id])
    return state.failures == times


async def _nothing_pending(harness: Harness) -> bool:
    (state,) = await harness.queue.states([(await the_subscription(harness)).id])
    return state.pending == 0


async def test_days_of_failure_disable_with_notice(delivering: StartDelivery) -> None:
    async with (
        subscriber(status=500) as platform,
        subscriber() as operator,
        delivering(platform, retry_schedule_s=[0.3] * 50) as harness,
    ):
        loopback = {"allow_insecure": True, "allow_networks": ("127.0.0.0/8",)}
        spec = subscriptions.SubscriptionSpec(url=operator.url, types=("webhook.*",), **loopback)
        await subscriptions.create(harness.store, "default", spec, operator.secret)
        await harness.request(deadline_s=10 * DAY_S)
        await until_async(lambda: _fails(harness))
        harness.advance(25 * 3600)
        await until(lambda: "webhook.failing" in operator.types())
        harness.advance(100 * 3600)
        await until(lambda: "webhook.disabled" in operator.types())
    notice = next(it.event for it in operator.accepted if it.event["type"] == "webhook.disabled")
    assert notice["data"]["reason"] == "failing"
    assert operator.types().count("webhook.failing") == 1


async def _fails(harness: Harness) -> bool:
    found = await subscriptions.read_all(harness.store, "default")
    return any(it.failing_since for it in await harness.queue.states([one.id for one in found]))


async def test_hanging_subscribers_do_not_delay_others(delivering: StartDelivery) -> None:
    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with contextlib.AsyncExitStack() as stack:
        dead = [await stack.enter_async_context(subscriber(answer=hang)) for _ in range(8)]
        live = [await stack.enter_async_context(subscriber()) for _ in range(8)]
        sender = Sender(total_s=60.0)  # far longer than the others may take
        harness = await stack.enter_async_context(delivering(*dead, *live, sender=sender))
        for _ in range(3):
            before = len(live[0].accepted)
            await harness.request()
            await until(lambda before=before: all(len(it.accepted) > before for it in live))  # type: ignore[misc]


async def test_hanging_webhooks_do_not_delay_others_on_the_same_host(delivering: StartDelivery) -> None:
    async def hang(received: Received) -> web.Response:
        if "dead" in received.request.query:
            await asyncio.sleep(60)
        return web.Response()

    async with subscriber(answer=hang) as platform:
        dead = [Subscriber(url=f"{platform.url}?dead={number}") for number in range(12)]
        async with delivering(platform, *dead, sender=Sender(total_s=60.0)) as harness:
            await harness.request()
            await until(lambda: len(platform.received) == 13)
            await harness.request()
            await until(lambda: len(platform.accepted) == 2)


async def test_an_unreadable_entry_does_not_block_the_outbox(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform) as harness:
        outbox = harness.store.control("default").keys.outbox()
        for unreadable in (b"\xc1", b"", msgspec.msgpack.encode(["handoff", 1, 2]), b"\x91\xa5other"):
            await harness.store.connection.call(b"XADD", outbox, b"*", b"c", unreadable)
        await harness.request()
        await until(lambda: platform.accepted)
        skipped = harness.measures.registry.get_sample_value
        await until(lambda: skipped("handoff_outbox_skipped_total") == 3)
        await harness.request()
        await until(lambda: len(platform.accepted) == 2)
        await until(lambda: harness.delivery.behind_s == 0.0)
