"""The outboxes that a relay consumes: their leases, cursors and lag.

Each outbox has one lease, so one relay consumes it at a time. Cursors are saved under the lease: a relay
that lost it saves nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

import structlog

from handoff.domain.errors import HandoffError
from handoff.store.errors import StoreError
from handoff.store.repositories.outbox import (
    LEASE_MS,
    Lease,
    Outbox,
    OutboxEntry,
    advance,
    is_quiet,
    release_leases,
    take_leases,
)
from handoff.store.store import Store

CONSUMER = "relay"
RELEASE_S = 2.0

log = structlog.get_logger(__name__)


class OutboxConsumer:
    """One outbox: its lease, its cursor, and the entries that failed so far."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.lease: Lease | None = None
        self.cursor = b"0-0"
        self.saved = b"0-0"
        self.saved_at = 0.0
        self.waiting_ms: int | None = None
        """When the oldest entry not fanned out was written; entries of quiet imports do not count."""
        self.backlog_ms: int | None = None
        """The same, with entries of quiet imports."""
        self.resume_at = 0.0
        self.tries: dict[bytes, int] = {}

    @property
    def control(self) -> bool:
        return self.outbox.tenant is not None

    def measure(self, entries: Sequence[OutboxEntry]) -> None:
        """Measure the lag by the next entries; none means no lag."""
        if not entries:
            self.waiting_ms = self.backlog_ms = None
            return
        self.backlog_ms = milliseconds(entries[0].id)
        not_quiet = (milliseconds(it.id) for it in entries if self.control or not _quiet(it))
        self.waiting_ms = next(not_quiet, None)


class OutboxConsumers:
    """All outboxes, with those that this relay holds the lease of."""

    def __init__(self, store: Store, tenants: Collection[str]) -> None:
        self._store = store
        self._tenants = tenants
        self._owner = secrets.token_hex(8)
        self._by_stream: dict[bytes, OutboxConsumer] = {}
        self._clock_ahead_ms = 0.0

    @property
    def behind_s(self) -> float:
        """Age of the oldest entry not fanned out; 0 if there is none."""
        waiting = [it.waiting_ms for it in self._by_stream.values() if it.waiting_ms is not None]
        return self._age_s(min(waiting)) if waiting else 0.0

    @property
    def backlog_s(self) -> float:
        """The same for touchpoints, with quiet imports: an import can slow down by it."""
        waiting = [
            it.backlog_ms for it in self._by_stream.values() if it.backlog_ms is not None and not it.control
        ]
        return self._age_s(min(waiting)) if waiting else 0.0

    def _age_s(self, since_ms: int) -> float:
        return max(time.time() * 1000 + self._clock_ahead_ms - since_ms, 0.0) / 1000

    def all(self) -> list[OutboxConsumer]:
        return list(self._by_stream.values())

    def held(self) -> list[OutboxConsumer]:
        return [it for it in self._by_stream.values() if it.lease is not None]

    async def keep_leases(self) -> None:
        """Renew the leases, and take those that are free, until cancelled."""
        while True:
            await asyncio.sleep(LEASE_MS / 3000)
            try:
                await self.take_leases()
            except (HandoffError, StoreError) as error:
                log.warning("relay_leases_unknown", error=str(error))

    async def take_leases(self) -> None:
        for outbox in self._outboxes():
            self._by_stream.setdefault(outbox.stream, OutboxConsumer(outbox))
        before = time.time() * 1000
        now_us = await self._store.of("default").clock()
        self._clock_ahead_ms = now_us / 1000 - (before + time.time() * 1000) / 2
        consumers = self.all()
        leases = await take_leases(self._store.functions, [it.outbox for it in consumers], self._owner)
        for consumer, lease in zip(consumers, leases, strict=True):
            if lease is not None and (consumer.lease is None or consumer.lease.token != lease.token):
                consumer.cursor = consumer.saved = lease.cursor
                consumer.tries.clear()
            consumer.lease = lease

    async def release(self) -> None:
        """Save the cursors and release the leases, as far as the store answers."""
        held = self.held()
        with suppress(HandoffError, StoreError, TimeoutError):
            async with asyncio.timeout(RELEASE_S):
                await self.save(held)
                await release_leases(self._store.functions, [it.outbox for it in held], self._owner)

    async def save(self, consumers: Iterable[OutboxConsumer]) -> None:
        """Save cursors that have moved. An outbox that another relay has taken over is dropped."""
        moved = [(it, it.lease, it.cursor) for it in consumers if it.lease and it.cursor != it.saved]
        if not moved:
            return
        cursors = [(consumer.outbox, lease, cursor) for consumer, lease, cursor in moved]
        saved = await advance(self._store.functions, cursors)
        for (consumer, _lease, cursor), ours in zip(moved, saved, strict=True):
            if ours:
                consumer.saved, consumer.saved_at = cursor, time.monotonic()
            else:
                consumer.lease = None
                consumer.measure(())

    def _outboxes(self) -> list[Outbox]:
        keys = self._store.keys
        found = [
            Outbox(
                stream=keys.outbox(number),
                cursor=keys.cursor(number, CONSUMER),
                lease=keys.lease(number, CONSUMER),
                partition=number,
            )
            for number in range(keys.partitions)
        ]
        return found + [self._store.of(it).outbox.of_consumer(it, CONSUMER) for it in self._tenants]


def _quiet(entry: OutboxEntry) -> bool:
    """Whether the entry is of a quiet import. An unreadable entry is not: it fails where it is fanned out."""
    with suppress(IndexError):
        return is_quiet(entry.payload)
    return False


def milliseconds(entry_id: bytes) -> int:
    """When an entry was written: its id begins with the store's clock."""
    return int(entry_id.split(b"-")[0])
