"""The relay: consumes every outbox under its lease and fans out the entries.

A cursor moves only past entries that are fanned out, so a crash repeats entries and never loses one;
fanning out an entry again adds nothing. An entry that keeps failing is skipped after MAX_TRIES, so it
does not block the outbox.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import chain

import structlog

from handoff.delivery.metrics import DeliveryMeasures
from handoff.domain.errors import HandoffError
from handoff.store.connection import Connection
from handoff.store.errors import StoreError
from handoff.store.repositories.outbox import OutboxEntry, newest_ids, read_cursors, read_entries, read_tenant
from handoff.store.store import Store

from .consumers import OutboxConsumer, OutboxConsumers, milliseconds
from .fan_out import FanOut, FanOutJob

COUNT = 100  # entries of one outbox in one read
BLOCK_S = 0.5  # the longest wait of a read
POLL_S = (0.02, 0.2)  # on a Cluster, where one read cannot wait on several nodes
SWEEP_S = 1.0
MAX_TRIES = 5
TRY_PAUSE_S = 0.1
STORE_PAUSE_S = 0.5
FLOOD = 50  # touchpoints in one read
PAUSE_S, FLOOD_PAUSE_S = 0.025, 0.1  # before touchpoints are read again: a flood is read in large batches
CONCURRENCY = 16  # groups of entries fanned out at the same time

log = structlog.get_logger(__name__)


class OutboxBatch:
    """The entries of one read: their jobs by key, and the failures."""

    def __init__(self, consumer: OutboxConsumer, entries: list[OutboxEntry]) -> None:
        self.consumer = consumer
        self.entries = entries
        self.more = len(entries) == COUNT
        self.quiet_import = self.more and consumer.waiting_ms is None
        """All entries are quiet and more follow."""
        self.groups: dict[str, list[tuple[OutboxEntry, FanOutJob]]] = {}
        self.failed: dict[bytes, Exception] = {}


class Relay:
    """Run it in a task. `behind_s` is the lag of all outboxes, including those of other relays."""

    def __init__(
        self, store: Store, fan_out: FanOut, tenants: Collection[str], measures: DeliveryMeasures
    ) -> None:
        self._store = store
        self._fan_out = fan_out
        self._tenants = tenants
        self._measures = measures
        self._consumers = OutboxConsumers(store, tenants)
        self._wanted = True
        self._swept_at = 0.0
        self._concurrency = asyncio.Semaphore(CONCURRENCY)

    @property
    def behind_s(self) -> float:
        return self._consumers.behind_s

    @property
    def backlog_s(self) -> float:
        return self._consumers.backlog_s

    async def run(self) -> None:
        """Consume until cancelled, then release the leases."""
        await self._consumers.take_leases()
        async with self._store.connection.blocking(BLOCK_S) as reader:
            leases = asyncio.create_task(self._consumers.keep_leases(), name="relay-leases")
            try:
                await self._consume(reader)
            finally:
                leases.cancel()
                with suppress(asyncio.CancelledError):
                    await leases
                await self._consumers.release()

    async def _consume(self, reader: Connection) -> None:
        pause_s = POLL_S[0]
        while True:
            try:
                await self._sweep()
                found = await self._consume_once(reader)
            except (HandoffError, StoreError) as error:
                log.warning("relay_paused", error=str(error))
                await asyncio.sleep(STORE_PAUSE_S)
                continue
            if found or not reader.cluster:
                pause_s = POLL_S[0]
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, POLL_S[1])

    async def _consume_once(self, reader: Connection) -> bool:
        """Read and fan out new entries; returns whether there were any."""
        now = time.monotonic()
        active = [it for it in self._consumers.held() if it.control or self._wanted]
        ready = [it for it in active if it.resume_at <= now]
        pauses = [it.resume_at - now for it in active if it.resume_at > now]
        block_s = max(min([*pauses, BLOCK_S]), 0.001)  # 0 would block forever
        if not ready:
            await asyncio.sleep(min(block_s, POLL_S[1]))
            return False
        places = [(it.outbox.stream, it.cursor) for it in ready]
        block_ms = None if reader.cluster else max(round(block_s * 1000), 1)
        sealing = self._store.sealing
        found = await read_entries(reader, places, count=COUNT, block_ms=block_ms, sealing=sealing)
        for consumer in ready:
            consumer.measure(found.get(consumer.outbox.stream, ()))
        read = [it for it in ready if it.outbox.stream in found]
        touchpoints = chain.from_iterable(found[it.outbox.stream] for it in read if not it.control)
        await self._fan_out.refresh(self._tenants_in(read, found), touchpoints)
        batches = [self._plan(it, found[it.outbox.stream]) for it in read]
        await asyncio.gather(*(self._run(it) for it in batches if it.groups))
        for batch in batches:
            self._advance(batch)
        due = time.monotonic() - SWEEP_S
        await self._consumers.save([it for it in read if it.control or it.saved_at < due])
        importing = {it.consumer for it in batches if it.quiet_import}
        self._pause_touchpoints(sum(len(found[it.outbox.stream]) for it in read if not it.control), importing)
        return bool(found)

    def _tenants_in(
        self, read: Collection[OutboxConsumer], found: Mapping[bytes, list[OutboxEntry]]
    ) -> list[str]:
        tenants: set[bytes] = set()
        for consumer in read:
            tenant = consumer.outbox.tenant
            entries = found[consumer.outbox.stream]
            tenants |= {tenant.encode()} if tenant else {read_tenant(it.payload) for it in entries}
        return [it for it in self._tenants if it.encode() in tenants]

    def _pause_touchpoints(self, count: int, importing: Collection[OutboxConsumer]) -> None:
        """Pause touchpoints briefly after `count` of them, so that the next read finds more. Handoffs are
        never paused, and neither are quiet imports, which only have to be passed."""
        if count:
            resume_at = time.monotonic() + (FLOOD_PAUSE_S if count >= FLOOD else PAUSE_S)
            for consumer in self._consumers.all():
                if not consumer.control and consumer not in importing:
                    consumer.resume_at = max(consumer.resume_at, resume_at)

    def _plan(self, consumer: OutboxConsumer, entries: list[OutboxEntry]) -> OutboxBatch:
        """The jobs of the entries; most entries have none."""
        batch = OutboxBatch(consumer, entries)
        for entry in entries:
            try:
                job = self._fan_out.job(consumer.outbox, entry)
            except Exception as error:  # a malformed entry can raise anything
                batch.failed[entry.id] = error
                continue
            if job is not None:
                batch.groups.setdefault(job.key, []).append((entry, job))
        return batch

    async def _run(self, batch: OutboxBatch) -> None:
        await asyncio.gather(*(self._run_group(group, batch.failed) for group in batch.groups.values()))

    def _advance(self, batch: OutboxBatch) -> None:
        """Move the cursor past finished entries, up to the first one to try again."""
        consumer = batch.consumer
        # More entries follow a full read, at most as old as its last one; the next read measures them.
        consumer.measure(batch.entries[-1:] if batch.more else ())
        for entry in batch.entries if batch.failed else ():
            failure = batch.failed.get(entry.id)
            if failure is None:
                consumer.cursor = entry.id
                continue
            if self._gives_up(consumer, entry, failure):
                consumer.cursor = entry.id
            else:
                consumer.waiting_ms = consumer.backlog_ms = milliseconds(entry.id)
            return  # later entries are read again: they may depend on this one
        consumer.cursor = batch.entries[-1].id

    async def _run_group(
        self, group: list[tuple[OutboxEntry, FanOutJob]], failed: dict[bytes, Exception]
    ) -> None:
        async with self._concurrency:
            for entry, job in group:
                try:
                    await job.run()
                except Exception as error:  # `_gives_up` decides
                    failed[entry.id] = error
                    return

    def _gives_up(self, consumer: OutboxConsumer, entry: OutboxEntry, error: Exception) -> bool:
        """Whether to skip this entry. While the store is unavailable, the relay waits."""
        now = time.monotonic()
        if isinstance(error, HandoffError) and error.retryable:
            consumer.resume_at = now + STORE_PAUSE_S
            return False
        tries = consumer.tries[entry.id] = consumer.tries.get(entry.id, 0) + 1
        if tries < MAX_TRIES:
            consumer.resume_at = now + TRY_PAUSE_S * tries
            return False
        del consumer.tries[entry.id]
        self._measures.skipped.inc()
        log.error(
            "outbox_entry_skipped",
            entry=entry.id.decode(),
            partition=consumer.outbox.partition,
            error=type(error).__name__,
            exc_info=error,
        )
        return True

    async def _sweep(self) -> None:
        """Every SWEEP_S: save cursors, skip unwanted touchpoints, and measure the lag of other relays."""
        if time.monotonic() - self._swept_at < SWEEP_S:
            return
        self._swept_at = time.monotonic()
        await self._skip_unwanted()
        await self._consumers.save(self._consumers.all())
        await self._measure_others([it for it in self._consumers.all() if it.lease is None])

    async def _skip_unwanted(self) -> None:
        """Skip touchpoints without reading them while no subscription wants any.

        The newest entry is read before the subscriptions, so an entry written after a subscription is
        never skipped.
        """
        if self._fan_out.follows:
            return
        consumers = [it for it in self._consumers.held() if not it.control]
        streams = [consumer.outbox.stream for consumer in consumers]
        newest = await newest_ids(self._store.connection, streams)
        self._wanted = await self._fan_out.wants_touchpoints(self._tenants)
        if self._wanted:
            return
        for consumer, id_ in zip(consumers, newest, strict=True):
            if isinstance(id_, bytes):
                consumer.cursor = id_
                consumer.measure(())

    async def _measure_others(self, consumers: list[OutboxConsumer]) -> None:
        """Measure the lag of other relays by the first entry after each saved cursor."""
        if not consumers:
            return
        connection = self._store.connection
        cursors = await read_cursors(connection, [consumer.outbox for consumer in consumers])
        places = [
            (consumer.outbox.stream, cursor) for consumer, cursor in zip(consumers, cursors, strict=True)
        ]
        found = await read_entries(connection, places, count=1, block_ms=None)
        for consumer in consumers:
            consumer.measure(found.get(consumer.outbox.stream, ()))
