"""Claims cut short by an error of the store, while their worker lives: they do not wait for their leases."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from structlog.testing import capture_logs

from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import Sender
from handoff.services.webhooks import subscriptions
from handoff.services.webhooks.spec import SubscriptionSpec
from handoff.store.errors import unavailable
from handoff.store.repositories.deliveries import LEASE_S, QueueEntry, Settlement
from handoff.store.store import Store
from tests.delivery.conftest import Harness, StartDelivery, opened, running_delivery
from tests.delivery.subscribers import SECRET, Received, subscriber, until, until_async
from tests.stopwatch import Stopwatch
from tests.store.servers import server, valkey_binary

SOON_S = LEASE_S / 3
"""A claim that waits for its lease takes three times as long."""


class InterruptedSender(Sender):
    """The store fails in the middle of the first attempts, as while their context is read."""

    failures = 2

    async def post(self, *args: Any, **options: Any) -> AttemptOutcome:
        if self.failures:
            self.failures -= 1
            raise unavailable("connection")
        return await super().post(*args, **options)


async def test_an_interrupted_attempt_is_repeated_soon(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform, sender=InterruptedSender()) as harness:
        watch = Stopwatch()
        await harness.request()
        await until(lambda: platform.accepted, patience_s=LEASE_S + 10)
        assert watch.seconds < SOON_S


async def delivered(harness: Harness) -> bool:
    (subscription,) = await subscriptions.read_all(harness.store, "default")
    messages, _, _ = await harness.queue.log(subscription.id, dead=False, limit=2, below=None)
    return [it.state for it in messages] == ["delivered"]


async def test_an_outcome_that_could_not_be_stored_is_kept() -> None:
    """The subscriber has the message: it is not sent again when the store is back."""
    with server(valkey_binary()) as valkey:
        async with opened(valkey.url) as store:

            async def needs_replicas(number: int) -> None:
                await store.connection.call(b"CONFIG", b"SET", b"min-replicas-to-write", number)

            async def refuse_writes(_received: Received) -> web.Response:
                await needs_replicas(1)
                return web.Response()

            async with (
                subscriber(answer=refuse_writes) as platform,
                running_delivery(store, platform) as harness,
            ):
                with capture_logs() as logs:
                    await harness.request()
                    await until(lambda: any(it["event"] == "webhook_outcome_unknown" for it in logs))
                await needs_replicas(0)
                watch = Stopwatch()
                await until_async(lambda: delivered(harness), patience_s=LEASE_S + 10)
                assert watch.seconds < SOON_S
        assert len(platform.received) == 1


async def test_claims_in_hand_are_not_returned(store: Store) -> None:
    """Neither are those of other workers, even if their names begin alike."""
    wanted = SubscriptionSpec(url="https://platform.example/")
    queue, sent = store.deliveries("default"), []
    ids = [(await subscriptions.create(store, "default", wanted, SECRET)).id for _ in range(2)]
    await queue.put(QueueEntry(event=bytes(16), blob=b"x", type="a", line=b"l"), ids)
    for worker in ("one.1", "one.2", "onetwo.1"):
        sent += (await queue.claim(worker, 1, 1)).messages
    assert len(sent) == 2
    assert await queue.give_back("onetwo", []) == 0
    assert await queue.give_back("one", [(sent[0].subscription, sent[0].event)]) == 1
    (again,) = (await queue.claim("two.1", 9, 9)).messages
    assert again.subscription == sent[1].subscription
    assert await queue.settle(sent[0], Settlement(verdict="ok"))
    assert not await queue.settle(sent[1], Settlement(verdict="ok"))
