"""A store on a real server, and a way out over it, for each test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from handoff.codec.keyed_hash import HANDOFF
from handoff.delivery.delivery import DeliveryService
from handoff.delivery.sender import Sender
from handoff.delivery.settings import WebhookSettings
from handoff.domain.clock import SECOND
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
    async with opened(server_url) as store:
        yield store


async def everything(store: Store) -> bytes:
    """All that lies in the store, as one text."""
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


class Way:
    """A running way out and what tests do with it."""

    def __init__(self, store: Store, delivery: DeliveryService, measures: Measures, monitor: Monitor) -> None:
        self.store = store
        self.delivery = delivery
        self.measures = measures
        self.handoffs = Handoffs(store, monitor, measures)
        self.queue = store.deliveries("default")

    async def ask(self, **changes: Any) -> Handoff:
        """Request a hand-off for a customer of its own."""
        identity = parse_identity(f"user:{secrets.token_hex(6)}")
        sender, to = Party(channel="chat", party="bot"), Party(channel="chat", queue="support")
        asked = HandoffRequest(
            **{"sender": sender, "to": to, "reason": "help", "by": "bot", "identity": identity, **changes}
        )
        return (await self.handoffs.request("default", asked)).handoff

    async def do(self, handoff: Handoff, action: Action, **changes: Any) -> Handoff:
        asked = HandoffMove(action=action, by="agent", agent="erik", **changes)
        return (await self.handoffs.move("default", handoff.id, asked)).handoff

    def skip(self, seconds: float) -> None:
        """Move the clock of the queues ahead."""
        self.queue.skip_ms += round(seconds * 1000)

    def raw(self, handoff: Handoff) -> bytes:
        return self.store.hashes("default").private(HANDOFF, handoff.id)[0]

    async def now_s(self) -> float:
        return (await self.store.control("default").clock()) / SECOND


WayOut = Callable[..., AbstractAsyncContextManager[Way]]


@pytest.fixture
def way_out(store: Store) -> WayOut:
    """Enter `way_out(subscriber, …)`; each is subscribed with `wishes`."""

    @asynccontextmanager
    async def entered(
        *subscribers: Subscriber, sender: Sender | None = None, **wishes: Any
    ) -> AsyncIterator[Way]:
        measures, monitor = Measures(), Monitor(store, [])
        hooks = [hook(it, **wishes) for it in subscribers]
        delivery = DeliveryService(
            store, monitor, measures, hooks, ["default"], "https://handoff.example", sender=sender
        )
        async with delivery.running():
            yield Way(store, delivery, measures, monitor)

    return entered


def hook(it: Subscriber, **wishes: Any) -> WebhookSettings:
    loopback = {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
    return WebhookSettings(url=it.url, **{"secret": SECRET, **loopback, **wishes})
