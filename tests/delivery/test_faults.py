"""Subscribers that fail in every way: what still matters arrives, newest state last, once per id."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
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
from tests.delivery.conftest import Way, WayOut
from tests.delivery.subscribers import Received, Subscriber, subscriber, until, until_async

QUICK = [0.1] * 6
HOLD_S = 60
DAY_S = 86400


async def the_subscription(way: Way) -> Subscription:
    (found,) = await subscriptions.read_all(way.store, "default")
    return found


async def states(way: Way) -> list[str]:
    page = await deliveries.page(way.store, await the_subscription(way), dead=False, limit=50, below=None)
    return [it.state for it in reversed(page.deliveries)]


async def once_then_fine(way_out: WayOut, answer: Any, *, sender: Sender | None = None) -> list[Received]:
    """Deliver one message to a subscriber whose first answer is `answer`; what it received."""
    first = True

    async def say(received: Received) -> web.StreamResponse:
        nonlocal first
        if first:
            first = False
            response: web.StreamResponse = await answer(received)
            return response
        return web.Response(text="said")

    async with (
        subscriber(answer=say) as platform,
        way_out(platform, sender=sender, retry_schedule_s=QUICK) as way,
    ):
        await way.ask()
        await until(lambda: platform.accepted)
        await until_async(lambda: _settled(way))
        assert await states(way) == ["delivered"]
    return platform.received


async def _settled(way: Way) -> bool:
    return (await states(way)) == ["delivered"]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 502, 503])
async def test_any_other_status_is_tried_again_with_the_same_id_and_bytes(
    way_out: WayOut, status: int
) -> None:
    async def refuse(_received: Received) -> web.Response:
        return web.Response(status=status, headers={"Location": "http://169.254.169.254/"})

    received = await once_then_fine(way_out, refuse)
    assert len(received) == 2
    assert len({(it.id, it.body) for it in received}) == 1


async def test_a_reset_is_tried_again(way_out: WayOut) -> None:
    async def reset(received: Received) -> web.Response:
        transport = received.request.transport
        assert transport is not None
        transport.abort()
        return web.Response()

    assert len(await once_then_fine(way_out, reset)) == 2


async def test_no_answer_in_time_is_tried_again(way_out: WayOut) -> None:
    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    assert len(await once_then_fine(way_out, hang, sender=Sender(total_s=0.3))) == 2


async def test_a_slow_acknowledgement_is_one(way_out: WayOut) -> None:
    async def slow(_received: Received) -> web.Response:
        await asyncio.sleep(1.0)
        return web.Response(text="thank you")

    assert len(await once_then_fine(way_out, slow)) == 1


async def test_a_status_counts_even_if_the_rest_of_the_answer_never_comes(way_out: WayOut) -> None:
    async def break_off(received: Received) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(received.request)
        await response.write(b"half")
        assert received.request.transport is not None
        received.request.transport.abort()
        return response

    assert len(await once_then_fine(way_out, break_off)) == 1


async def test_nothing_listening_is_tried_until_something_does(way_out: WayOut) -> None:
    async with subscriber() as platform:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        here, platform.url = platform.url, f"http://127.0.0.1:{port}/hooks"
        async with way_out(platform, retry_schedule_s=[0.2] * 20) as way:
            await way.ask()
            await until_async(lambda: _attempted(way, 2))
            async with _forwarding(port, here):
                await until(lambda: platform.accepted)
    assert len(platform.accepted) == 1


async def _attempted(way: Way, times: int) -> bool:
    page = await deliveries.page(way.store, await the_subscription(way), dead=False, limit=1, below=None)
    return bool(page.deliveries) and page.deliveries[0].attempts_total >= times


@asynccontextmanager
async def _forwarding(port: int, target: str) -> AsyncIterator[None]:
    """A listener that passes bytes on."""
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


async def test_gone_disables_and_tells_the_others(way_out: WayOut) -> None:
    async with (
        subscriber(status=410) as platform,
        subscriber() as operator,
        way_out(platform, retry_schedule_s=QUICK) as way,
    ):
        loopback = {"allow_insecure": True, "allow_networks": ("127.0.0.0/8",)}
        wishes = subscriptions.SubscriptionSpec(url=operator.url, types=("webhook.*",), **loopback)
        await subscriptions.create(way.store, "default", wishes, operator.secret)
        await way.ask()
        await until(lambda: len(operator.accepted) == 2)
        await way.ask()
        await asyncio.sleep(0.3)
        found = await subscriptions.read_all(way.store, "default")
        (state, _other) = await way.queue.states([it.id for it in found])
    assert sorted(operator.types()) == ["webhook.dead", "webhook.disabled"]
    assert (state.enabled, state.reason) == (False, "gone")
    assert len(platform.received) == 1, "a disabled subscription is told nothing"


async def test_retry_after_is_obeyed_by_the_whole_subscription(way_out: WayOut) -> None:
    async with (
        subscriber(status=429, headers={"Retry-After": "1"}) as platform,
        way_out(platform, retry_schedule_s=QUICK) as way,
    ):
        await way.ask()
        await until(lambda: len(platform.received) == 1)
        platform.status = 200
        await way.ask()
        await until(lambda: len(platform.accepted) == 2)
    first, *others = platform.received
    assert all(it.at - first.at >= 0.95 for it in others)


async def test_after_the_schedule_comes_the_dead_letter_and_a_replay_sends_it(way_out: WayOut) -> None:
    async with subscriber(status=500) as platform, way_out(platform, retry_schedule_s=[0.1, 0.1]) as way:
        await way.ask()
        await until_async(lambda: _is(way, ["dead"]))
        it = await the_subscription(way)
        page = await deliveries.page(way.store, it, dead=True, limit=10, below=None)
        (letter,) = page.deliveries
        assert letter.reason == "exhausted: status_500"
        assert [(one.status, one.answer) for one in letter.attempts] == [(500, "said")] * 3
        assert all(one.latency_ms > 0 for one in letter.attempts)
        platform.status = 200
        assert (await deliveries.replay_one(way.store, it, letter.id)).queued == 1
        await until(lambda: platform.accepted)
    assert {one.id for one in platform.received} == {letter.id}


async def _is(way: Way, wanted: list[str]) -> bool:
    return (await states(way)) == wanted


async def test_replay_of_everything_since_sends_what_the_subscription_wants(way_out: WayOut) -> None:
    async with subscriber() as platform, way_out(platform) as way:
        start = await way.store.control("default").clock()
        for _ in range(3):
            await way.ask()
        await until(lambda: len(platform.accepted) == 3)
        it = await the_subscription(way)
        now = await way.store.control("default").clock()
        await until_async(lambda: _is(way, ["delivered"] * 3))
        again = await deliveries.replay_since(way.store, it, start, now, only_failed=True)
        assert again.queued == 0
        again = await deliveries.replay_since(way.store, it, start, now, only_failed=False)
        assert again.queued == 3
        await until(lambda: len(platform.accepted) == 6)
    ids = [one.id for one in platform.accepted]
    assert sorted(ids[:3]) == sorted(ids[3:])


async def test_a_failing_message_holds_its_successors_then_the_newest_goes(way_out: WayOut) -> None:
    """Order per hand-off: for a minute nothing overtakes; then the newest state stands for all."""
    async with subscriber(status=500) as platform, way_out(platform, retry_schedule_s=[1000.0] * 5) as way:
        handoff = await way.ask()
        await until(lambda: len(platform.received) == 1)
        platform.status = 200
        for action in (Action.OFFER, Action.ACCEPT):
            handoff = await way.do(handoff, action)
        await until_async(lambda: _is(way, ["pending"] * 3))
        way.skip(HOLD_S - 5)
        await asyncio.sleep(1.2)
        assert len(platform.received) == 1, "nothing overtakes a failing message for a minute"
        way.skip(10)
        await until(lambda: platform.accepted)
        await until_async(lambda: _is(way, ["superseded", "superseded", "delivered"]))
    (newest,) = platform.accepted
    assert newest.event["type"] == "handoff.accepted"
    assert newest.event["data"]["version"] == 3
    assert newest.event["supersedes"].split(",")[0] == platform.received[0].id
    assert len(newest.event["supersedes"].split(",")) == 2


async def test_other_hand_offs_do_not_wait_for_a_failing_message(way_out: WayOut) -> None:
    async def refuse_the_first(received: Received) -> web.Response:
        bad = received.event["data"]["reason"] == "bad"
        return web.Response(status=400 if bad else 200)

    async with (
        subscriber(answer=refuse_the_first) as platform,
        way_out(platform, retry_schedule_s=[1000.0]) as way,
    ):
        await way.ask(reason="bad")
        await until(lambda: platform.received)
        await way.ask(reason="good")
        await until(lambda: platform.accepted)
    assert [it.event["data"]["reason"] for it in platform.accepted] == ["good"]


async def test_a_request_dies_at_its_deadline_and_the_originator_is_told(way_out: WayOut) -> None:
    async with (
        subscriber(status=500) as platform,
        subscriber() as originator,
        way_out(platform, retry_schedule_s=[1000.0] * 5) as way,
    ):
        loopback = {"allow_insecure": True, "allow_networks": ("127.0.0.0/8",)}
        wishes = subscriptions.SubscriptionSpec(url=originator.url, types=("handoff.*",), **loopback)
        handoff = await way.ask(deadline_s=30)
        await until(lambda: platform.received)
        await subscriptions.create(way.store, "default", wishes, originator.secret)
        way.skip(31)
        await until(lambda: originator.accepted)
    (told,) = originator.accepted
    assert told.event["type"] == "handoff.undelivered"
    assert told.event["subject"] == handoff.id
    assert told.event["data"]["state"] == "requested"
    assert told.event["data"]["undelivered"]["message"]["reason"] == "deadline"
    assert len(platform.received) == 1, "nobody is asked after the deadline"


async def test_a_subscriber_that_is_away_for_a_day_gets_what_still_matters(way_out: WayOut) -> None:
    """Simulated clock: a day of failures on the usual schedule, then everything, newest state last."""
    async with subscriber(status=500) as platform, way_out(platform) as way:
        changing = await way.ask(deadline_s=3 * DAY_S)
        waiting = [await way.ask(deadline_s=3 * DAY_S) for _ in range(3)]
        dying = await way.ask(deadline_s=3600)
        for _ in range(5):
            before = len(platform.received)
            way.skip(5 * 3600)
            with contextlib.suppress(TimeoutError):
                await until(lambda before=before: len(platform.received) > before, 0.6)  # type: ignore[misc]
        changing = await way.do(changing, Action.ACCEPT)
        platform.status = 200
        await asyncio.sleep(0.1)
        way.skip(DAY_S)
        await until(lambda: len(platform.accepted) >= 4)
        await until_async(lambda: _nothing_waits(way))
    newest = {it.event["subject"]: it.event["data"]["version"] for it in platform.accepted}
    assert newest == {changing.id: 2} | {it.id: 1 for it in waiting}
    assert dying.id not in newest
    assert len({it.id for it in platform.accepted}) == len(platform.accepted), "once per id"


async def test_the_first_success_after_an_outage_brings_everything_that_waits(way_out: WayOut) -> None:
    async with subscriber(status=500) as platform, way_out(platform, retry_schedule_s=[1000.0] * 5) as way:
        waiting = [await way.ask() for _ in range(6)]
        await until(lambda: len(platform.received) >= 5)
        await asyncio.sleep(0.2)
        failed = len(platform.received)
        assert failed <= 6, "the breaker is open: nothing is tried before its pause is over"
        platform.status = 200
        way.skip(31)
        waiting.append(await way.ask())
        await until(lambda: len(platform.accepted) == 7)
    assert {it.event["subject"] for it in platform.accepted} == {it.id for it in waiting}


async def test_a_subscriber_gets_a_few_messages_at_a_time_and_one_while_it_fails(way_out: WayOut) -> None:
    now, most = 0, 0

    async def slowly(received: Received) -> web.Response:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0.3)
        now -= 1
        return web.Response(status=platform.status)

    async with subscriber(answer=slowly) as platform, way_out(platform, retry_schedule_s=[60.0]) as way:
        await way.ask()
        await until(lambda: platform.accepted)
        for _ in range(12):
            await way.ask()
        await until(lambda: len(platform.accepted) == 13)
        assert 2 <= most <= 4
        platform.status = 500
        await way.ask()
        await until(lambda: len(platform.received) == 14)
        await asyncio.sleep(1.0)  # until the failure is settled
        most = 0
        for _ in range(3):
            await way.ask()
        await until(lambda: len(platform.received) == 17)
        assert most == 1


async def _nothing_waits(way: Way) -> bool:
    (state,) = await way.queue.states([(await the_subscription(way)).id])
    return state.pending == 0


async def test_days_of_failure_disable_with_notice(way_out: WayOut) -> None:
    async with (
        subscriber(status=500) as platform,
        subscriber() as operator,
        way_out(platform, retry_schedule_s=[0.3] * 50) as way,
    ):
        loopback = {"allow_insecure": True, "allow_networks": ("127.0.0.0/8",)}
        wishes = subscriptions.SubscriptionSpec(url=operator.url, types=("webhook.*",), **loopback)
        await subscriptions.create(way.store, "default", wishes, operator.secret)
        await way.ask(deadline_s=10 * DAY_S)
        await until_async(lambda: _fails(way))
        way.skip(25 * 3600)
        await until(lambda: "webhook.failing" in operator.types())
        way.skip(100 * 3600)
        await until(lambda: "webhook.disabled" in operator.types())
    notice = next(it.event for it in operator.accepted if it.event["type"] == "webhook.disabled")
    assert notice["data"]["reason"] == "failing"
    assert operator.types().count("webhook.failing") == 1


async def _fails(way: Way) -> bool:
    found = await subscriptions.read_all(way.store, "default")
    return any(it.failing_since for it in await way.queue.states([one.id for one in found]))


async def test_dead_and_slow_subscribers_delay_nobody_else(way_out: WayOut) -> None:
    async def hang(_received: Received) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with contextlib.AsyncExitStack() as stack:
        dead = [await stack.enter_async_context(subscriber(answer=hang)) for _ in range(8)]
        live = [await stack.enter_async_context(subscriber()) for _ in range(8)]
        way = await stack.enter_async_context(way_out(*dead, *live, sender=Sender(total_s=3.0)))
        for _ in range(3):
            started = time.monotonic()
            before = len(live[0].accepted)
            await way.ask()
            await until(lambda before=before: all(len(it.accepted) > before for it in live))  # type: ignore[misc]
            assert time.monotonic() - started < 1.0


async def test_dead_hooks_delay_no_other_hook_on_the_same_host(way_out: WayOut) -> None:
    async def hang(received: Received) -> web.Response:
        if "dead" in received.request.query:
            await asyncio.sleep(30)
        return web.Response()

    async with subscriber(answer=hang) as platform:
        dead = [Subscriber(url=f"{platform.url}?dead={number}") for number in range(12)]
        async with way_out(platform, *dead, sender=Sender(total_s=3.0)) as way:
            await way.ask()
            await until(lambda: len(platform.received) == 13)
            started = time.monotonic()
            await way.ask()
            await until(lambda: len(platform.accepted) == 2)
            assert time.monotonic() - started < 1.0


async def test_a_poisoned_entry_does_not_block_the_outbox(way_out: WayOut) -> None:
    async with subscriber() as platform, way_out(platform) as way:
        outbox = way.store.control("default").keys.outbox()
        for poison in (b"\xc1", b"", msgspec.msgpack.encode(["handoff", 1, 2]), b"\x91\xa5other"):
            await way.store.connection.call(b"XADD", outbox, b"*", b"c", poison)
        await way.ask()
        await until(lambda: platform.accepted)
        skipped = way.measures.registry.get_sample_value
        await until(lambda: skipped("handoff_outbox_skipped_total") == 3)
        await way.ask()
        await until(lambda: len(platform.accepted) == 2)
        assert way.delivery.behind_s == 0.0
