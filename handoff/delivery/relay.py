"""The relay: consumes every outbox, each under a lease, and fans out what it tells of.

A cursor moves only past entries that are fanned out, so that a crash repeats and never loses; the
fan-out adds nothing when it is repeated. An entry that cannot be handled is given up after
MAX_TRIES, so that it holds up nothing for ever.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

import structlog

from handoff.domain.errors import HandoffError
from handoff.store.connection import Connection
from handoff.store.errors import StoreError
from handoff.store.repositories.outbox import (
    LEASE_MS,
    Lease,
    Outbox,
    OutboxEntry,
    advance,
    is_quiet,
    newest_ids,
    read_cursors,
    read_entries,
    read_tenant,
    release_leases,
    take_leases,
)
from handoff.store.store import Store

from .fan_out import FanOut, Work
from .metrics import DeliveryMeasures

CONSUMER = "relay"
COUNT = 100  # entries of one outbox a turn
BLOCK_S = 0.5  # how long a read waits at most
POLL_S = (0.02, 0.2)  # on a Cluster, where one read cannot wait on many nodes
SWEEP_S = 1.0
MAX_TRIES = 5
TRY_PAUSE_S = 0.1
STORE_PAUSE_S = 0.5
MANY = 50  # touchpoints in one turn
PAUSE_S, FLOOD_PAUSE_S = 0.025, 0.1  # before touchpoints are read again: those of a flood share a turn
SIDE_BY_SIDE = 16  # entries of different things handled at once
RELEASE_S = 2.0

log = structlog.get_logger(__name__)


class Lane:
    """One outbox as this relay sees it: its lease, where it stands, and what it could not handle yet."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.lease: Lease | None = None
        self.cursor = b"0-0"
        self.saved = b"0-0"
        self.saved_at = 0.0
        self.waiting_ms: int | None = None
        """When the oldest entry not fanned out, of those that anybody may be told of, was written."""
        self.backlog_ms: int | None = None
        """The same of all entries: those of a quiet import count as well."""
        self.resume_at = 0.0
        self.tries: dict[bytes, int] = {}

    @property
    def control(self) -> bool:
        return self.outbox.tenant is not None

    def note(self, entries: Sequence[OutboxEntry]) -> None:
        """See how far behind the lane is, by the entries that come next."""
        if not entries:
            self.waiting_ms = self.backlog_ms = None
            return
        self.backlog_ms = _milliseconds(entries[0].id)
        loud = (_milliseconds(it.id) for it in entries if self.control or not _quiet(it))
        self.waiting_ms = next(loud, None)


class Turn:
    """What one read of a lane brought: works by their key, and what could not be read or done."""

    def __init__(self, lane: Lane, entries: list[OutboxEntry]) -> None:
        self.lane = lane
        self.entries = entries
        self.more = len(entries) == COUNT
        self.passes_over = self.more and lane.waiting_ms is None
        """Whether nothing here is told to anybody and there is more: a quiet import is under way."""
        self.groups: dict[str, list[tuple[OutboxEntry, Work]]] = {}
        self.failed: dict[bytes, Exception] = {}


class Relay:
    """Run it in a task; `behind_s` says how far it, or whoever holds the leases, is behind."""

    def __init__(
        self, store: Store, fan_out: FanOut, tenants: Collection[str], measures: DeliveryMeasures
    ) -> None:
        self._store = store
        self._fan_out = fan_out
        self._tenants = tenants
        self._measures = measures
        self._owner = secrets.token_hex(8)
        self._lanes: dict[bytes, Lane] = {}
        self._wanted = True
        self._swept_at = 0.0
        self._clock_ahead_ms = 0.0
        self._side_by_side = asyncio.Semaphore(SIDE_BY_SIDE)

    @property
    def behind_s(self) -> float:
        """Age of the oldest entry not fanned out, 0 when there is none."""
        waiting = [lane.waiting_ms for lane in self._lanes.values() if lane.waiting_ms is not None]
        if not waiting:
            return 0.0
        return self._age_s(min(waiting))

    @property
    def backlog_s(self) -> float:
        """The same of touchpoints, including those of quiet imports: for whoever can send more slowly."""
        waiting = [
            it.backlog_ms for it in self._lanes.values() if it.backlog_ms is not None and not it.control
        ]
        return self._age_s(min(waiting)) if waiting else 0.0

    def _age_s(self, since_ms: int) -> float:
        return max(time.time() * 1000 + self._clock_ahead_ms - since_ms, 0.0) / 1000

    async def run(self) -> None:
        """Until cancelled; gives the leases back then."""
        await self._take_leases()
        async with self._store.connection.blocking(BLOCK_S) as reader:
            leases = asyncio.create_task(self._keep_leases(), name="relay-leases")
            try:
                await self._turns(reader)
            finally:
                leases.cancel()
                with suppress(asyncio.CancelledError):
                    await leases
                await self._release()

    async def _turns(self, reader: Connection) -> None:
        pause_s = POLL_S[0]
        while True:
            try:
                await self._sweep()
                found = await self._turn(reader)
            except (HandoffError, StoreError) as error:
                log.warning("relay_paused", error=str(error))
                await asyncio.sleep(STORE_PAUSE_S)
                continue
            if found or not reader.cluster:
                pause_s = POLL_S[0]
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, POLL_S[1])

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
        for tenant in self._tenants:
            control = self._store.control(tenant).keys
            cursor, lease = control.named(f"cursor.{CONSUMER}"), control.named(f"lease.{CONSUMER}")
            found.append(Outbox(stream=control.outbox(), cursor=cursor, lease=lease, tenant=tenant))
        return found

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(LEASE_MS / 3000)
            try:
                await self._take_leases()
            except (HandoffError, StoreError) as error:
                log.warning("relay_leases_unknown", error=str(error))

    async def _take_leases(self) -> None:
        for outbox in self._outboxes():
            self._lanes.setdefault(outbox.stream, Lane(outbox))
        before = time.time() * 1000
        now_us = await self._store.control("default").clock()
        self._clock_ahead_ms = now_us / 1000 - (before + time.time() * 1000) / 2
        lanes = list(self._lanes.values())
        leases = await take_leases(self._store.functions, [it.outbox for it in lanes], self._owner)
        for lane, lease in zip(lanes, leases, strict=True):
            if lease is not None and (lane.lease is None or lane.lease.token != lease.token):
                lane.cursor = lane.saved = lease.cursor
                lane.tries.clear()
            lane.lease = lease

    async def _release(self) -> None:
        held = [lane for lane in self._lanes.values() if lane.lease is not None]
        with suppress(HandoffError, StoreError, TimeoutError):
            async with asyncio.timeout(RELEASE_S):
                await self._save(held)
                await release_leases(self._store.functions, [it.outbox for it in held], self._owner)

    async def _turn(self, reader: Connection) -> bool:
        """Read and handle what is new; whether there was anything."""
        now = time.monotonic()
        held = [it for it in self._lanes.values() if it.lease is not None and (it.control or self._wanted)]
        ready = [lane for lane in held if lane.resume_at <= now]
        pauses = [lane.resume_at - now for lane in held if lane.resume_at > now]
        block_s = max(min([*pauses, BLOCK_S]), 0.001)  # 0 would be for ever
        if not ready:
            await asyncio.sleep(min(block_s, POLL_S[1]))
            return False
        places = [(lane.outbox.stream, lane.cursor) for lane in ready]
        block_ms = None if reader.cluster else max(round(block_s * 1000), 1)
        found = await read_entries(reader, places, count=COUNT, block_ms=block_ms)
        for lane in ready:
            lane.note(found.get(lane.outbox.stream, ()))
        lanes = [lane for lane in ready if lane.outbox.stream in found]
        concerned: set[bytes] = set()
        for lane in lanes:
            entries = found[lane.outbox.stream]
            tenant = lane.outbox.tenant
            concerned |= {tenant.encode()} if tenant else {read_tenant(it.payload) for it in entries}
        await self._fan_out.look([it for it in self._tenants if it.encode() in concerned])
        turns = [self._sort(lane, found[lane.outbox.stream]) for lane in lanes]
        await asyncio.gather(*(self._run(it) for it in turns if it.groups))
        for turn in turns:
            self._move(turn)
        await self._save([it for it in lanes if it.control or time.monotonic() - it.saved_at > SWEEP_S])
        passing = {turn.lane for turn in turns if turn.passes_over}
        self._gather_touchpoints(sum(len(found[it.outbox.stream]) for it in lanes if not it.control), passing)
        return bool(found)

    def _gather_touchpoints(self, count: int, passing: Collection[Lane]) -> None:
        """Leave touchpoints alone for a moment after `count` of them. Hand-offs wait for nothing, nor do
        lanes that only have to get past a quiet import."""
        if count:
            resume_at = time.monotonic() + (FLOOD_PAUSE_S if count >= MANY else PAUSE_S)
            for lane in self._lanes.values():
                if not lane.control and lane not in passing:
                    lane.resume_at = max(lane.resume_at, resume_at)

    def _sort(self, lane: Lane, entries: list[OutboxEntry]) -> Turn:
        """What the entries of a lane ask for; most ask for nothing."""
        turn = Turn(lane, entries)
        for entry in entries:
            try:
                work = self._fan_out.work(lane.outbox, entry)
            except Exception as error:  # whatever a malformed entry provokes
                turn.failed[entry.id] = error
                continue
            if work is not None:
                turn.groups.setdefault(work.key, []).append((entry, work))
        return turn

    async def _run(self, turn: Turn) -> None:
        await asyncio.gather(*(self._run_group(group, turn.failed) for group in turn.groups.values()))

    def _move(self, turn: Turn) -> None:
        """Move the lane's cursor past what is done, up to the first entry that is to be tried again."""
        lane = turn.lane
        # Behind a full read there is more, as old as its last entry or younger: known with the next read.
        lane.note(turn.entries[-1:] if turn.more else ())
        for entry in turn.entries if turn.failed else ():
            failure = turn.failed.get(entry.id)
            if failure is None:
                lane.cursor = entry.id
                continue
            if self._gives_up(lane, entry, failure):
                lane.cursor = entry.id
            else:
                lane.waiting_ms = lane.backlog_ms = _milliseconds(entry.id)
            return  # what comes after it is read again: it may have waited for this one
        lane.cursor = turn.entries[-1].id

    async def _run_group(self, group: list[tuple[OutboxEntry, Work]], failed: dict[bytes, Exception]) -> None:
        async with self._side_by_side:
            for entry, work in group:
                try:
                    await work.run()
                except Exception as error:  # the outermost loop: judged by `_gives_up`
                    failed[entry.id] = error
                    return

    def _gives_up(self, lane: Lane, entry: OutboxEntry, error: Exception) -> bool:
        """Whether to go on without this entry. The store being away is waited for, without end."""
        now = time.monotonic()
        if isinstance(error, HandoffError) and error.retryable:
            lane.resume_at = now + STORE_PAUSE_S
            return False
        tries = lane.tries[entry.id] = lane.tries.get(entry.id, 0) + 1
        if tries < MAX_TRIES:
            lane.resume_at = now + TRY_PAUSE_S * tries
            return False
        del lane.tries[entry.id]
        self._measures.skipped.inc()
        log.error(
            "outbox_entry_skipped",
            entry=entry.id.decode(),
            partition=lane.outbox.partition,
            error=type(error).__name__,
            exc_info=error,
        )
        return True

    async def _save(self, lanes: Iterable[Lane]) -> None:
        """Move the stored cursors; a lane that another relay has taken over is let go."""
        steps = [(it, it.lease, it.cursor) for it in lanes if it.lease and it.cursor != it.saved]
        if not steps:
            return
        places = [(lane.outbox, lease, cursor) for lane, lease, cursor in steps]
        for (lane, _lease, cursor), mine in zip(
            steps, await advance(self._store.functions, places), strict=True
        ):
            if mine:
                lane.saved, lane.saved_at = cursor, time.monotonic()
            else:
                lane.lease = None
                lane.note(())

    async def _sweep(self) -> None:
        """Now and then: save cursors, pass by touchpoints that nobody wants, look after others' lanes."""
        if time.monotonic() - self._swept_at < SWEEP_S:
            return
        self._swept_at = time.monotonic()
        await self._pass_by()
        await self._save(self._lanes.values())
        await self._watch([lane for lane in self._lanes.values() if lane.lease is None])

    async def _pass_by(self) -> None:
        """Move on without reading where no subscription wants touchpoints.

        The newest entry is looked up before the subscriptions, so that nothing is passed by that
        came after a subscription.
        """
        if self._fan_out.follows:
            return
        lanes = [it for it in self._lanes.values() if it.lease is not None and not it.control]
        streams = [lane.outbox.stream for lane in lanes]
        newest = await newest_ids(self._store.connection, streams)
        self._wanted = await self._fan_out.wants_touchpoints(self._tenants)
        if self._wanted:
            return
        for lane, id_ in zip(lanes, newest, strict=True):
            if isinstance(id_, bytes):
                lane.cursor = id_
                lane.note(())

    async def _watch(self, lanes: list[Lane]) -> None:
        """How far others are behind: what an outbox holds after its saved cursor."""
        if not lanes:
            return
        connection = self._store.connection
        cursors = await read_cursors(connection, [lane.outbox for lane in lanes])
        places = [(lane.outbox.stream, cursor) for lane, cursor in zip(lanes, cursors, strict=True)]
        found = await read_entries(connection, places, count=1, block_ms=None)
        for lane in lanes:
            lane.note(found.get(lane.outbox.stream, ()))


def _quiet(entry: OutboxEntry) -> bool:
    """Whether nobody is told of an entry; one that cannot be read is looked into where it is handled."""
    with suppress(IndexError):
        return is_quiet(entry.payload)
    return False


def _milliseconds(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])
