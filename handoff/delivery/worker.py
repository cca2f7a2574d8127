"""The worker: claims due deliveries, sends them, and settles the outcome.

Any number of workers share the queues. When one dies, another notices that its heartbeat has stopped and
returns its deliveries to their queues; without heartbeats their leases expire. They are sent again with
the same id.
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

from handoff.domain.clock_guard import ClockGuard
from handoff.domain.errors import HandoffError, NotFound, StoreUnavailable, WrittenByNewer
from handoff.services.conversations.vendor_threads import TRANSCRIBER
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
from .connectors.transcribing import Transcribers
from .heartbeat import Heartbeat
from .messages import render
from .metrics import DeliveryMeasures
from .recovery import Recovery
from .schedule import WARN_AFTER_S, AttemptOutcome, Verdict, judge
from .sender import Sender

SLOTS = 256  # concurrent attempts to subscribers that respond
SLOW_SLOTS = 256  # more, for attempts without a response for SLOW_S: they do not block the others
SLOW_S = 1.0
FAILING_SLOTS = 128  # for failing subscribers, whose attempts may take the whole time limit
GATHER_S = 0.005  # one claim fills all slots that become free within it
POLL_S = 0.5  # until a worker sees deliveries that another process has queued
STORE_PAUSE_S = 0.5
SETTLE_TRIES = 3
DRAIN_S = 3.0  # for attempts in flight at a stop; then their deliveries return to the queue

log = structlog.get_logger(__name__)


class InFlight(Struct, frozen=True):
    """An attempt in flight: its tenant, its claim, and its start (monotonic seconds)."""

    tenant: str
    claimed: Claimed
    since: float

    @property
    def failing(self) -> bool:
        """Whether its subscriber fails."""
        return self.claimed.failures > 0


class Worker:
    """Run it in a task, `wake` it when deliveries are queued, and `drain` it at the end."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        sender: Sender,
        tenants: Collection[str],
        measures: Measures,
        delivery_measures: DeliveryMeasures,
        public_url: str = "",
        clock_guard: ClockGuard | None = None,
        transcribers: Transcribers | None = None,
    ) -> None:
        self._store = store
        self._transcribers = transcribers or Transcribers()
        self._public_url = public_url
        self._clock_guard = clock_guard or ClockGuard()
        self._directory = directory
        self._sender = sender
        self._tenants = tenants
        self._measures = measures
        self._delivery_measures = delivery_measures
        self._token = secrets.token_hex(8)
        self._claims = 0
        self._claim_at: dict[str, float] = {}
        self._woken = asyncio.Event()
        self._in_flight: dict[asyncio.Task[None], InFlight] = {}
        self._recovery = Recovery(store, self._token, self._claims_in_flight, self._count)
        self.heartbeat = Heartbeat(store, tenants, self._token, self._tenants_in_flight, self.wake)

    def wake(self, tenant: str) -> None:
        """Claim deliveries of the tenant now."""
        self._claim_at[tenant] = 0.0
        self._woken.set()

    async def run(self) -> None:
        """Claim and send until cancelled. Attempts in flight continue; see `drain`."""
        while True:
            self._woken.clear()
            now = time.monotonic()
            due = [tenant for tenant in self._tenants if self._claim_at.get(tenant, 0.0) <= now]
            for tenant in due:
                try:
                    await self._claim(tenant)
                except (HandoffError, StoreError) as error:
                    log.warning("webhook_claim_failed", error=str(error))
                    self._recovery.interrupted(tenant)
                    self._claim_at[tenant] = time.monotonic() + STORE_PAUSE_S
            soonest = min((self._claim_at.get(tenant, 0.0) for tenant in self._tenants), default=now + POLL_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(soonest - time.monotonic(), 0.001)):
                    await self._woken.wait()
            if self._in_flight:
                await asyncio.sleep(GATHER_S)

    async def drain(self) -> None:
        """Wait up to DRAIN_S for attempts in flight, then return their deliveries to the queues."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=DRAIN_S)
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def _claim(self, tenant: str) -> None:
        self._claim_at[tenant] = time.monotonic() + POLL_S
        await self._recovery.recover(tenant)
        slots, failing_slots = self._free_slots()
        if slots <= 0 and failing_slots <= 0:
            return  # a finished attempt wakes this loop; a slow one frees its slot by the next claim
        self._claims += 1
        token = f"{self._token}.{self._claims}"
        claim = await self._store.deliveries(tenant).claim(
            token, max(slots, 0), max(failing_slots, 0), beat=self.heartbeat.beat
        )
        if claim.again_ms is not None:
            self._claim_at[tenant] = time.monotonic() + min(claim.again_ms / 1000, POLL_S)
        if not claim.messages:
            return
        self.heartbeat.claimed(tenant)
        subscriptions = {it.id: it for it in await self._directory.of(tenant)}
        for claimed in claim.messages:
            subscription = subscriptions.get(claimed.subscription)
            task = asyncio.create_task(self._deliver(tenant, claimed, subscription), name="webhook")
            self._in_flight[task] = InFlight(tenant, claimed, time.monotonic())
            task.add_done_callback(lambda done, tenant=tenant: self._finished(done, tenant))  # type: ignore[misc]

    def _tenants_in_flight(self) -> set[str]:
        return {it.tenant for it in self._in_flight.values()}

    def _claims_in_flight(self, tenant: str) -> list[Claimed]:
        return [it.claimed for it in self._in_flight.values() if it.tenant == tenant]

    def _free_slots(self) -> tuple[int, int]:
        """Free slots for subscribers that respond, and for those that fail."""
        failing = sum(it.failing for it in self._in_flight.values())
        slow_since = time.monotonic() - SLOW_S
        slow = sum(not it.failing and it.since <= slow_since for it in self._in_flight.values())
        waiting = len(self._in_flight) - failing - min(slow, SLOW_SLOTS)
        return SLOTS - waiting, FAILING_SLOTS - failing

    def _finished(self, task: asyncio.Task[None], tenant: str) -> None:
        del self._in_flight[task]
        if not task.cancelled() and task.exception() is not None:
            log.error("webhook_delivery_crashed", exc_info=task.exception())
        self.wake(tenant)

    async def _deliver(self, tenant: str, claimed: Claimed, subscription: Subscription | None) -> None:
        try:
            settlement = await self._attempt(tenant, claimed, subscription)
        except WrittenByNewer:
            # Not settled: when its lease expires, a worker that can read it claims it.
            self._store.unknown.met("message", claimed.type)
            return
        except StoreUnavailable:
            self._recovery.interrupted(tenant)
            return
        except asyncio.CancelledError:
            await self._settle(tenant, claimed, Settlement(verdict="back"))
            raise
        await asyncio.shield(self._settle(tenant, claimed, settlement))

    async def _settle(self, tenant: str, claimed: Claimed, settlement: Settlement) -> None:
        """Store the outcome, or keep it until the store answers again."""
        for left in reversed(range(SETTLE_TRIES)):
            try:
                await self._store.deliveries(tenant).settle(claimed, settlement)
            except HandoffError as error:
                if not left:
                    log.warning("webhook_outcome_unknown", code=error.problem_code)
                    self._recovery.keep(tenant, claimed, settlement)
                    return
                continue
            break
        self._count(tenant, claimed, settlement)

    def _count(self, tenant: str, claimed: Claimed, settlement: Settlement) -> None:
        name = public_id(self._store.hashes(tenant), claimed.subscription)
        self._delivery_measures.settled(name, settlement.verdict, settlement.why)
        self._measures.deliveries.labels(settlement.verdict).inc()

    async def _attempt(self, tenant: str, claimed: Claimed, subscription: Subscription | None) -> Settlement:
        """Send the message unless it has expired, and judge the outcome."""
        if subscription is None:
            return Settlement(verdict="dead", why="deleted")
        event = unpack_event(claimed.blob) if claimed.blob else None
        name = public_id(self._store.hashes(tenant), subscription.id)
        gone = "deadline" if self._too_late(claimed) else "expired" if event is None else ""
        if event is None or gone:
            notice = notices.dead_notice(claimed, event, subscription, name, gone)
            return Settlement(verdict="dead", why=gone, notices=tuple(notice))
        started = time.time_ns() // 1000
        outcome = await self._send(tenant, claimed, event, subscription)
        verdict = judge(
            outcome,
            attempts=claimed.attempts,
            failures=claimed.failures,
            failing_s=(claimed.now - claimed.failing_since) / 1000 if claimed.failing_since else 0.0,
            schedule_s=subscription.wishes.schedule_s,
            chance=random.random(),
        )
        log.debug("webhook_attempt", subscription=name, verdict=verdict.kind, why=verdict.why)
        return _settlement(claimed, event, subscription, name, outcome, verdict, started)

    def _too_late(self, claimed: Claimed) -> bool:
        """Whether the deadline has passed, and not only because the store's clock jumped ahead."""
        if claimed.now < claimed.deadline:
            return False
        return self._clock_guard.trusts(claimed.now * 1000, time.monotonic_ns() // 1000)

    async def _send(
        self, tenant: str, claimed: Claimed, event: StoredEvent, subscription: Subscription
    ) -> AttemptOutcome:
        desktop = subscription.wishes.desktop
        if desktop is not None and desktop.kind == TRANSCRIBER:
            return await self._transcribers.attempt(
                self._store, self._sender, event, subscription, desktop.source
            )
        masking = self._store.masking
        event = msgspec.structs.replace(event, data=masking.json(tenant, event.data))
        if desktop is not None:
            return await post_note(self._store, self._sender, self._public_url, event, subscription)
        hashes = self._store.hashes(tenant)
        context = None
        if subscription.wishes.include == "context" and event.snapshot is not None:
            with suppress(NotFound):  # erased: the event is sent without the context
                pinned = await read_pinned(self._store.of(tenant).handoffs, event.snapshot)
                context = masking.json(tenant, pinned)
        supersedes = [hashes.public(EVENT, older) for older in claimed.supersedes]
        return await self._sender.post(
            subscription.wishes.url,
            subscription.wishes.policy,
            message_id=event.id,
            body=render(event, tenant, supersedes, context),
            keys=subscription.signing_keys(time.time_ns() // 1000),
            headers=subscription.wishes.headers,
        )


def _settlement(
    claimed: Claimed,
    event: StoredEvent,
    subscription: Subscription,
    name: str,
    outcome: AttemptOutcome,
    verdict: Verdict,
    started: int,
) -> Settlement:
    """The outcome for the store, with the notices it causes."""
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
    issued: list[bytes] = []
    failed = not outcome.ok and not outcome.skipped
    if verdict.kind == "dead" and failed:
        issued += notices.dead_notice(claimed, event, subscription, name, verdict.why)
    if verdict.disable:
        issued.append(notices.disabled_notice(claimed, subscription, name, verdict.disable))
    failing_ms = claimed.now - claimed.failing_since if claimed.failing_since else 0
    warn = failed and not claimed.noticed and failing_ms >= WARN_AFTER_S * 1000
    if warn and not verdict.disable:
        issued.append(notices.failing_notice(claimed, subscription, name))
    return Settlement(
        verdict=verdict.kind,
        wait_ms=round(verdict.wait_s * 1000),
        pause_ms=round(verdict.pause_s * 1000),
        attempt=msgspec.msgpack.encode(attempt),
        why=verdict.why,
        against=failed,
        disable=verdict.disable,
        failing_noticed=warn,
        notices=tuple(issued),
    )
