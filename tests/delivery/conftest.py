"""A store on a real server and a delivery service on it, for each test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from handoff.codec.keyed_hash import HANDOFF
from handoff.delivery.delivery import DeliveryService
from handoff.delivery.sender import Sender
from handoff.delivery.settings import WebhookSettings
from handoff.domain.clock import SECOND
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.handoff import Action, Handoff, Party
from handoff.domain.identity import parse_identity
from handoff.services.context.completeness import Monitor
from handoff.services.handoffs.lifecycle import HandoffMove, HandoffRequest, Handoffs
from handoff.services.metrics import Measures
from handoff.store.connection import Connection
from handoff.store.settings import StoreSettings
from handoff.store.store import Store, open_store
from tests.store.servers import valkey_server

from .subscribers import SECRET, Subscriber


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with valkey_server() as url:
        yield url


@asynccontextmanager
async def opened(url: str, **changes: Any) -> AsyncIterator[Store]:
    settings = StoreSettings(url=url, partitions=4, **changes)
    async with Connection(settings) as connection, open_store(settings, connection) as store:
        yield store


@pytest.fixture
async def store(server_url: str) -> AsyncIterator[Store]:
    async with opened(server_url) as store:
        await store.connection.on_primaries(b"FLUSHALL")
    # Hundreds of attempts at once may keep the event loop of a busy machine for seconds.
    async with opened(server_url, timeout_s=30) as store:
        yield store


async def stored_values(store: Store) -> bytes:
    """Every value in the store, as one text."""
    found = []
    for key in await store.connection.call(b"KEYS", b"*"):
        kind = await store.connection.call(b"TYPE", key, key=key)
        if kind == b"string":
            found.append(await store.connection.call(b"GET", key, key=key))
        elif kind == b"hash":
            found += await store.connection.call(b"HVALS", key, key=key)
        elif kind == b"stream":
            found.append(repr(await store.connection.call(b"XRANGE", key, b"-", b"+", key=key)).encode())
        elif kind == b"list":
            found += await store.connection.call(b"LRANGE", key, 0, -1, key=key)
    return b"\0".join(found)


class Harness:
    """A running delivery service, and the actions of tests on it."""

    def __init__(self, store: Store, delivery: DeliveryService, measures: Measures, monitor: Monitor) -> None:
        self.store = store
        self.delivery = delivery
        self.measures = measures
        self.handoffs = Handoffs(store, monitor, measures)
        self.queue = store.deliveries("default")

    async def request(self, **changes: Any) -> Handoff:
        """Request a handoff for a new customer."""
        identity = parse_identity(f"user:{secrets.token_hex(6)}")
        sender, to = Party(channel="chat", party="bot"), Party(channel="chat", queue="support")
        wanted = HandoffRequest(
            **{"sender": sender, "to": to, "reason": "help", "by": "bot", "identity": identity, **changes}
        )
        return (await self.handoffs.request("default", wanted)).handoff

    async def move(self, handoff: Handoff, action: Action, **changes: Any) -> Handoff:
        wanted = HandoffMove(action=action, by="agent", agent="erik", **changes)
        return (await self.handoffs.move("default", handoff.id, wanted)).handoff

    def advance(self, seconds: float) -> None:
        """Advance the clock of the queues."""
        self.queue.skip_ms += round(seconds * 1000)

    def raw(self, handoff: Handoff) -> bytes:
        return self.store.hashes("default").private(HANDOFF, handoff.id)[0]

    async def now_s(self) -> float:
        return (await self.store.control("default").clock()) / SECOND


StartDelivery = Callable[..., AbstractAsyncContextManager[Harness]]


@asynccontextmanager
async def running_delivery(
    store: Store,
    *subscribers: Subscriber,
    sender: Sender | None = None,
    clock_guard: ClockGuard | None = None,
    **options: Any,
) -> AsyncIterator[Harness]:
    """Subscribe each with `options` and deliver to them."""
    measures, monitor = Measures(), Monitor(store, [])
    hooks = [webhook_for(it, **options) for it in subscribers]
    delivery = DeliveryService(
        store,
        monitor,
        measures,
        hooks,
        ["default"],
        "https://handoff.example",
        sender=sender,
        clock_guard=clock_guard,
    )
    async with delivery.running():
        yield Harness(store, delivery, measures, monitor)


@pytest.fixture
def delivering(store: Store) -> StartDelivery:
    """`running_delivery` on the test's store."""
    return partial(running_delivery, store)


def webhook_for(platform: Subscriber, **options: Any) -> WebhookSettings:
    loopback = {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
    return WebhookSettings(url=platform.url, **{"secret": SECRET, **loopback, **options})
