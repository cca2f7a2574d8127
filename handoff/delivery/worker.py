"""The worker: claims what is due, sends it, and says what became of it.

Any number of workers share the queues. When one dies, another sees that its heartbeat has stopped and gives
its messages back to their queues; without heartbeats their leases run out. They go again with the same id.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Collection
from contextlib import suppress

import msgspec
import structlog
from msgspec import Struct

from handoff.domain.errors import HandoffError, NotFound, WrittenByNewer
from handoff.services.events.publishing import EVENT, StoredEvent, unpack_event
from handoff.services.handoffs.records import read_pinned
from handoff.services.metrics import Measures
from handoff.services.webhooks.deliveries import DeliveryAttempt
from handoff.services.webhooks.subscriptions import Directory, Subscription, public_id
from handoff.store.errors import StoreError
from handoff.store.repositories.deliveries import Claimed, Settlement
from handoff.store.store import Store

from . import notices
from .connectors.posting import post_note
from .heartbeat import Heartbeat
from .messages import render
from .metrics import DeliveryMeasures
from .schedule import WARN_AFTER_S, AttemptOutcome, Verdict, judge
from .sender import Sender

PLACES = 256  # messages on their way to subscribers that answer
SLOW_PLACES = 256  # more, for those that have not answered for SLOW_S: they hold up nobody who does
SLOW_S = 1.0
FAILING_PLACES = 128  # and to those that do not, which may take all of the time they are given
GATHER_S = 0.005  # places that become free within it are filled by one claim
POLL_S = 0.5  # how soon a worker sees what another process has queued
STORE_PAUSE_S = 0.5
SETTLE_TRIES = 3
DRAIN_S = 3.0  # what is on its way at a stop gets this long; then it goes back

log = structlog.get_logger(__name__)


class Underway(Struct, frozen=True):
    """A message on its way: whose, whether its subscriber fails, and since when (monotonic seconds)."""

    tenant: str
    failing: bool
    since: float


class Worker:
    """Run it in a task, `wake` it when something was queued, and `drain` it at the end."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        sender: Sender,
        tenants: Collection[str],
        measures: Measures,
        own: DeliveryMeasures,
        public_url: str = "",
    ) -> None:
        self._store = store
        self._public_url = public_url
        self._directory = directory
        self._sender = sender
        self._tenants = tenants
        self._measures = measures
        self._own = own
        self._token = secrets.token_hex(8)
        self._claims = 0
        self._ask_at: dict[str, float] = {}
        self._woken = asyncio.Event()
        self._running: dict[asyncio.Task[None], Underway] = {}
        self.heartbeat = Heartbeat(store, tenants, self._token, self._tenants_underway, self.wake)

    def wake(self, tenant: str) -> None:
        """Something was queued for a subscription of the tenant."""
        self._ask_at[tenant] = 0.0
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled; what is on its way goes on, see `drain`."""
        while True:
            self._woken.clear()
            now = time.monotonic()
            due = [tenant for tenant in self._tenants if self._ask_at.get(tenant, 0.0) <= now]
            for tenant in due:
                try:
                    await self._claim(tenant)
                except (HandoffError, StoreError) as error:
                    log.warning("webhook_claim_failed", error=str(error))
                    self._ask_at[tenant] = time.monotonic() + STORE_PAUSE_S
            soonest = min((self._ask_at.get(tenant, 0.0) for tenant in self._tenants), default=now + POLL_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(soonest - time.monotonic(), 0.001)):
                    await self._woken.wait()
            if self._running:
                await asyncio.sleep(GATHER_S)

    async def drain(self) -> None:
        """Wait a moment for what is on its way, then put it back into its queue."""
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_S)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _claim(self, tenant: str) -> None:
        places, failing_places = self._free_places()
        self._ask_at[tenant] = time.monotonic() + POLL_S
        if places <= 0 and failing_places <= 0:
            return  # whoever finishes wakes this loop; who gets slow makes place by the next look
        self._claims += 1
        token = f"{self._token}.{self._claims}"
        claim = await self._store.deliveries(tenant).claim(
            token, max(places, 0), max(failing_places, 0), beat=self.heartbeat.beat
        )
        if claim.again_ms is not None:
            self._ask_at[tenant] = time.monotonic() + min(claim.again_ms / 1000, POLL_S)
        if not claim.messages:
            return
        self.heartbeat.claimed(tenant)
        subscriptions = {it.id: it for it in await self._directory.of(tenant)}
        for claimed in claim.messages:
            it = subscriptions.get(claimed.subscription)
            task = asyncio.create_task(self._deliver(tenant, claimed, it), name="webhook")
            self._running[task] = Underway(tenant, claimed.failures > 0, time.monotonic())
            task.add_done_callback(lambda done, tenant=tenant: self._finished(done, tenant))  # type: ignore[misc]

    def _tenants_underway(self) -> set[str]:
        return {it.tenant for it in self._running.values()}

    def _free_places(self) -> tuple[int, int]:
        """How many more messages may go to subscribers that answer, and to those that fail."""
        failing = sum(it.failing for it in self._running.values())
        slow_since = time.monotonic() - SLOW_S
        slow = sum(not it.failing and it.since <= slow_since for it in self._running.values())
        waiting = len(self._running) - failing - min(slow, SLOW_PLACES)
        return PLACES - waiting, FAILING_PLACES - failing

    def _finished(self, task: asyncio.Task[None], tenant: str) -> None:
        del self._running[task]
        if not task.cancelled() and task.exception() is not None:
            log.error("webhook_delivery_crashed", exc_info=task.exception())
        self.wake(tenant)

    async def _deliver(self, tenant: str, claimed: Claimed, it: Subscription | None) -> None:
        try:
            settlement = await self._attempt(tenant, claimed, it)
        except WrittenByNewer:
            # Not settled: it goes again when its lease has run out, to a worker that can read it.
            self._store.unknown.met("message", claimed.type)
            return
        except asyncio.CancelledError:
            await self._settle(tenant, claimed, Settlement(verdict="back"))
            raise
        await asyncio.shield(self._settle(tenant, claimed, settlement))

    async def _settle(self, tenant: str, claimed: Claimed, settlement: Settlement) -> None:
        """Tell the store; when that fails, the lease runs out and the message goes again."""
        for left in reversed(range(SETTLE_TRIES)):
            try:
                await self._store.deliveries(tenant).settle(claimed, settlement)
            except HandoffError as error:
                if not left:
                    log.warning("webhook_outcome_unknown", code=error.problem_code)
                continue
            break
        name = public_id(self._store.hashes(tenant), claimed.subscription)
        self._own.settled(name, settlement.verdict, settlement.why)
        self._measures.deliveries.labels(settlement.verdict).inc()

    async def _attempt(self, tenant: str, claimed: Claimed, it: Subscription | None) -> Settlement:
        """Send the message, unless it is of no use any more, and judge the outcome."""
        if it is None:
            return Settlement(verdict="dead", why="deleted")
        event = unpack_event(claimed.blob) if claimed.blob else None
        name = public_id(self._store.hashes(tenant), it.id)
        gone = "deadline" if claimed.now >= claimed.deadline else "expired" if event is None else ""
        if event is None or gone:
            told = notices.dead_letter_notice(claimed, event, it, name, gone)
            return Settlement(verdict="dead", why=gone, notices=tuple(told))
        started = time.time_ns() // 1000
        outcome = await self._send(tenant, claimed, event, it)
        verdict = judge(
            outcome,
            attempts=claimed.attempts,
            failures=claimed.failures,
            failing_s=(claimed.now - claimed.failing_since) / 1000 if claimed.failing_since else 0.0,
            schedule_s=it.wishes.schedule_s,
            chance=random.random(),
        )
        log.debug("webhook_attempt", subscription=name, verdict=verdict.kind, why=verdict.why)
        return _settlement(claimed, event, it, name, outcome, verdict, started)

    async def _send(
        self, tenant: str, claimed: Claimed, event: StoredEvent, it: Subscription
    ) -> AttemptOutcome:
        if it.wishes.desktop is not None:
            return await post_note(self._store, self._sender, self._public_url, event, it)
        hashes = self._store.hashes(tenant)
        context = None
        if it.wishes.include == "context" and event.snapshot is not None:
            with suppress(NotFound):  # erased: the hash stays with the hand-off, and goes without it
                context = await read_pinned(self._store.control(tenant), event.snapshot)
        supersedes = [hashes.public(EVENT, older) for older in claimed.supersedes]
        return await self._sender.post(
            it.wishes.url,
            it.wishes.policy,
            message_id=event.id,
            body=render(event, tenant, supersedes, context),
            keys=it.signing_keys(time.time_ns() // 1000),
            headers=it.wishes.headers,
        )


def _settlement(
    claimed: Claimed,
    event: StoredEvent,
    it: Subscription,
    name: str,
    outcome: AttemptOutcome,
    verdict: Verdict,
    started: int,
) -> Settlement:
    """What the store is told, with the notices that follow from it."""
    retry = verdict.kind == "retry"
    attempt = DeliveryAttempt(
        at=started,
        status=outcome.status,
        error=outcome.skipped or outcome.error,
        latency_ms=round(outcome.latency_s * 1000, 3),
        answer=outcome.answer,
        verdict=verdict.kind,
        wait_s=round(verdict.wait_s, 3) if retry else None,
    )
    told: list[bytes] = []
    failed = not outcome.ok and not outcome.skipped
    if verdict.kind == "dead" and failed:
        told += notices.dead_letter_notice(claimed, event, it, name, verdict.why)
    if verdict.disable:
        told.append(notices.disabled_notice(claimed, it, name, verdict.disable))
    failing_ms = claimed.now - claimed.failing_since if claimed.failing_since else 0
    warn = failed and not claimed.noticed and failing_ms >= WARN_AFTER_S * 1000
    if warn and not verdict.disable:
        told.append(notices.failing_notice(claimed, it, name))
    return Settlement(
        verdict=verdict.kind,
        wait_ms=round(verdict.wait_s * 1000),
        pause_ms=round(verdict.pause_s * 1000),
        attempt=msgspec.msgpack.encode(attempt),
        why=verdict.why,
        against=failed,
        disable=verdict.disable,
        failing_noticed=warn,
        notices=tuple(told),
    )
