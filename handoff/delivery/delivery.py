"""The delivery service: relay, webhook worker, and their metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Self

import structlog
from msgspec import Struct

from handoff.adapter.transcriber import TranscriberFactory
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.errors import HandoffError
from handoff.services.context.completeness import Monitor
from handoff.services.events.reactions import Followers
from handoff.services.metrics import Measures
from handoff.services.webhooks.configured import configure
from handoff.services.webhooks.subscriptions import Directory, public_id
from handoff.store.errors import StoreError
from handoff.store.repositories.deliveries import QueueState
from handoff.store.store import Store

from .connectors.transcribing import Transcribers
from .metrics import DeliveryMeasures
from .outbox.fan_out import FanOut
from .outbox.relay import Relay
from .sender import Sender
from .settings import ConnectorSettings, TranscriberSettings, WebhookSettings, subscriptions_of
from .worker import Worker

METRICS_S = 0.5
QUEUES_EVERY = 10  # updates of the lag for each update of the queues' gauges
MAX_BEHIND_S = 30.0  # the server is not ready above it
RESTART_S = 1.0

log = structlog.get_logger(__name__)


class MadeSecret(Struct, frozen=True, kw_only=True):
    """A secret generated for a configured subscription; shown once."""

    url: str
    secret: str


class DeliveryService:
    """Enter `running()` to start it; leaving stops it cleanly."""

    def __init__(
        self,
        store: Store,
        monitor: Monitor,
        measures: Measures,
        subscriptions: Sequence[WebhookSettings],
        tenants: Collection[str],
        public_url: str,
        *,
        sender: Sender | None = None,
        followers: Followers | None = None,
        connectors: Sequence[ConnectorSettings] = (),
        transcribers: Sequence[TranscriberSettings] = (),
        plugins: Mapping[str, TranscriberFactory] | None = None,
        clock_guard: ClockGuard | None = None,
    ) -> None:
        self._store = store
        self._measures = measures
        self._configured = subscriptions_of(subscriptions, connectors, transcribers)
        self._tenants = tenants
        self._gauges = DeliveryMeasures(measures.registry)
        self._sender = sender or Sender()
        directory = Directory(store)
        self._worker = Worker(
            store,
            directory,
            self._sender,
            tenants,
            measures,
            self._gauges,
            public_url,
            clock_guard,
            Transcribers(transcribers, plugins),
        )
        fan_out = FanOut(store, directory, public_url, self._worker.wake, followers)
        self._relay = Relay(store, fan_out, tenants, self._gauges)
        monitor.fan_out_behind_s = lambda: self._relay.behind_s
        monitor.fan_out_backlog_s = lambda: self._relay.backlog_s
        self._directory = directory
        self.made_secrets: tuple[MadeSecret, ...] = ()

    @property
    def behind_s(self) -> float:
        """Age of the oldest outbox entry that is not fanned out."""
        return self._relay.behind_s

    def ready(self) -> str | None:
        """Why the server is not ready, or None."""
        behind_s = self.behind_s
        return f"the outbox is {behind_s:.0f} s behind" if behind_s > MAX_BEHIND_S else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Apply the configured subscriptions, then run the relay and the worker."""
        configured = await configure(self._store, self._tenants, self._configured)
        self.made_secrets = tuple(
            MadeSecret(url=it.wishes.url, secret=key.key) for it in configured for key in it.keys
        )
        async with self._sender:
            runs = (
                ("relay", self._relay.run),
                ("webhooks", self._worker.run),
                ("metrics", self._measure),
            )
            tasks = [asyncio.create_task(_forever(name, run), name=name) for name, run in runs]
            # The heartbeat continues while the worker drains: it still holds leases.
            beating = asyncio.create_task(_forever("heartbeat", self._worker.heartbeat.run), name="heartbeat")
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._worker.drain()
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)

    async def _measure(self) -> None:
        """Update the outbox lag, and less often the gauges of the queues."""
        updates = 0
        while True:
            self._measures.outbox_behind.set(self.behind_s)
            if updates % QUEUES_EVERY == 0:
                with suppress(HandoffError, StoreError):
                    await self.update_queue_metrics()
            updates += 1
            await asyncio.sleep(METRICS_S)

    async def update_queue_metrics(self) -> None:
        """Set the gauges of every subscription's queue."""
        states: dict[str, QueueState] = {}
        now_ms = 0
        for tenant in self._tenants:
            subscriptions = await self._directory.of(tenant)
            hashes = self._store.hashes(tenant)
            found = await self._store.deliveries(tenant).states([it.id for it in subscriptions])
            for subscription, state in zip(subscriptions, found, strict=True):
                states[public_id(hashes, subscription.id)] = state
            now_ms = await self._store.of(tenant).clock() // 1000
        self._gauges.show(states, now_ms)


async def _forever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run it and, after an error, run it again."""
    while True:
        try:
            await run()
        except (HandoffError, StoreError) as error:
            log.warning("delivery_paused", work=name, error=str(error))
        except Exception:  # the outermost loop
            log.exception("delivery_crashed", work=name)
        await asyncio.sleep(RESTART_S)
