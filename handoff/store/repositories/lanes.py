"""Group commit on a Cluster: a queue, a call in flight and a share of what may wait for each primary.

A touchpoint may be written to several primaries: first the pointers to it, each on its own primary, then the
touchpoint on that of its home. A primary that hangs delays its own items until their deadline; all others
continue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextvars import Context
from functools import partial

import structlog
from msgspec import Struct

from handoff.domain.errors import Overloaded, StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.errors import unavailable
from handoff.store.functions.library import Functions
from handoff.store.keys import Keys
from handoff.store.resp.wire import HostPort

from .recorder import (
    MAX_BATCH,
    MAX_WAITING,
    MAX_WAITING_BYTES,
    OVERLOADED,
    Awaited,
    Entry,
    Pointer,
    Recorded,
    Recorder,
    fail,
    merged,
    times_of,
)

BRISK_S = 0.05  # several times the round of a healthy primary, with its fsync or its replicas
BYTES_EACH = MAX_WAITING_BYTES // MAX_WAITING  # of a share that is full

log = structlog.get_logger(__name__)


class ClusterLane:
    """The jobs that wait for one primary, and the number and size of its unfinished items."""

    def __init__(self) -> None:
        self.pointing: deque[Job] = deque()
        self.storing: deque[Job] = deque()
        self.call: asyncio.Task[None] | None = None
        self.since = 0.0
        self.works = 0
        self.size = 0

    @property
    def jobs(self) -> Iterable[Job]:
        return (*self.pointing, *self.storing)

    def add(self, job: Job) -> None:
        (self.pointing if job.pointers else self.storing).append(job)

    def drop_done(self) -> None:
        self.pointing = deque(job for job in self.pointing if not job.work.done())
        self.storing = deque(job for job in self.storing if not job.work.done())

    def take(self, *, pointing: bool) -> list[Job]:
        """The next jobs of one kind, at most MAX_BATCH."""
        jobs, batch = self.pointing if pointing else self.storing, list[Job]()
        while jobs and len(batch) < MAX_BATCH:
            job = jobs.popleft()
            if not job.work.done():
                batch.append(job)
        return batch


class LaneWork:
    """An item on its way: finished once, by `due` at the latest. `left` of its pointers are not written."""

    __slots__ = ("_entry", "due", "item", "lanes", "left")

    def __init__(self, entry: Entry, due: float, lanes: frozenset[ClusterLane]) -> None:
        self._entry: Entry | None = entry
        self.item = entry[0]
        self.due = due
        self.left = 0
        self.lanes = lanes
        for lane in lanes:
            lane.works += 1
            lane.size += self.item.size

    def done(self) -> bool:
        return self._entry is None

    def set_result(self, recorded: Recorded) -> None:
        awaited = self._end()
        if not awaited.done():
            awaited.set_result(recorded)

    def set_exception(self, error: Exception) -> None:
        awaited = self._end()
        if not awaited.done():
            awaited.set_exception(error)

    def _end(self) -> Awaited:
        assert self._entry is not None
        (item, awaited), self._entry = self._entry, None
        for lane in self.lanes:
            lane.works -= 1
            lane.size -= item.size
        return awaited


class Job(Struct, frozen=True):
    """One step of an item in a lane: write some of its pointers or, if there are none, the item."""

    work: LaneWork
    partition: int
    pointers: tuple[Pointer, ...] = ()


class ClusterRecorder(Recorder):
    """The writer of touchpoints to a Cluster."""

    def __init__(self, functions: Functions, keys: Keys, connection: Connection) -> None:
        super().__init__(functions, keys, in_flight=1)
        self._connection = connection
        self._lanes: dict[HostPort | None, ClusterLane] = {}
        self._works: deque[LaneWork] = deque()
        self._following: dict[bytes, deque[LaneWork]] = {}
        self._due: asyncio.TimerHandle | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._pointed = False
        self._version = -1
        self._primaries = 1

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        for timer in (self._due, self._wake):
            if timer is not None:
                timer.cancel()

    @property
    def waiting(self) -> int:
        self._forget_done()
        return sum(not work.done() for work in self._works)

    def _take(self, entries: Sequence[Entry]) -> None:
        loop = asyncio.get_running_loop()
        due, share = loop.time() + self._connection.timeout_s, self._share()
        known: dict[int, ClusterLane] = {}
        for entry in entries:
            item = entry[0]
            home = self._keys.partition(item.home)
            parts: dict[int, list[Pointer]] = {}
            for pointer in item.pointers:
                parts.setdefault(self._keys.partition(pointer.hash), []).append(pointer)
            lanes = frozenset([self._lane(part, known) for part in (home, *parts)])
            if any(lane.works >= share or lane.size > share * BYTES_EACH for lane in lanes):
                fail([entry], Overloaded(OVERLOADED))
                continue
            work = LaneWork(entry, due, lanes)
            self._works.append(work)
            self._put(work, [Job(work, part, tuple(its)) for part, its in parts.items()], home, known)
        self._forget_done()
        if self._due is None and self._works:
            self._due = loop.call_at(self._works[0].due, self._fail_due)

    def _share(self) -> int:
        """How many items may wait for one primary: one that hangs must leave room for the others."""
        if self._version != self._connection.version:
            self._version = self._connection.version
            outboxes = map(self._keys.outbox, range(self._keys.partitions))
            self._primaries = len({self._connection.primary_of(key) for key in outboxes})
        return MAX_WAITING // self._primaries

    def _lane(self, partition: int, known: dict[int, ClusterLane]) -> ClusterLane:
        lane = known.get(partition)
        if lane is None:
            place = self._connection.primary_of(self._keys.outbox(partition))
            lane = known[partition] = self._lanes.setdefault(place, ClusterLane())
        return lane

    def _put(self, work: LaneWork, jobs: list[Job], home: int, known: dict[int, ClusterLane]) -> None:
        """Pointers immediately; the item when they are written and no item of its home is ahead of it."""
        behind = self._following.get(work.item.home)
        if not jobs and behind is None:
            self._lane(home, known).add(Job(work, home))
            return
        if behind is None:
            behind = self._following[work.item.home] = deque()
        behind.append(work)
        work.left = len(jobs)
        for job in jobs:
            self._lane(job.partition, known).add(job)

    def _begin_calls(self) -> None:
        """Start the jobs of all idle lanes together: larger batches are cheaper. A lane whose call takes
        longer than BRISK_S is not waited for."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        brisk = max((lane.since + BRISK_S for lane in self._lanes.values() if lane.call), default=0.0)
        if brisk > now:
            if self._wake is None:
                self._wake = loop.call_at(brisk, self._woken)
            return
        # Items whose pointers are written come before further pointers, with the items that arrived since.
        first = not self._pointed
        for pointing in (first, not first):
            if self._begin_round(pointing=pointing, now=now):
                self._pointed = pointing
                break
        for place, lane in tuple(self._lanes.items()):
            if lane.call is None and not lane.works:
                del self._lanes[place]

    def _begin_round(self, *, pointing: bool, now: float) -> bool:
        """Start the jobs of one kind in all idle lanes; whether there were any."""
        begun = False
        for lane in self._lanes.values():
            batch = lane.take(pointing=pointing) if lane.call is None else []
            if batch:
                # In its own context: its log lines belong to no single request.
                call = asyncio.get_running_loop().create_task(self._round(batch), context=Context())
                lane.call, lane.since, begun = call, now, True
                self._calls.add(call)
                call.add_done_callback(partial(self._lane_ended, lane))
        return begun

    def _woken(self) -> None:
        self._wake = None
        self._begin_calls()

    def _lane_ended(self, lane: ClusterLane, call: asyncio.Task[None]) -> None:
        lane.call = None
        self._ended(call)

    async def _round(self, batch: list[Job]) -> None:
        """Run the jobs of a lane, a call for each slot and kind, side by side."""
        pointing: dict[int, list[Job]] = {}
        storing: dict[int, list[Entry]] = {}
        for job in batch:
            if job.pointers:
                pointing.setdefault(job.partition, []).append(job)
            else:
                storing.setdefault(job.partition, []).append((job.work.item, job.work))
        try:
            calls = [*map(self._point, pointing.values()), *(self._store(it, {}) for it in storing.values())]
            await asyncio.gather(*calls)
        except Exception as error:  # the outermost loop: later batches must continue
            log.exception("recorder_failed")
            failed = StoreUnavailable("the store layer failed", reason=type(error).__name__)
            fail([(job.work.item, job.work) for job in batch], failed)
            self._go_on({job.work.item.home for job in batch})

    async def _point(self, jobs: list[Job]) -> None:
        try:
            times = merged(times_of((it, job.work.item) for job in jobs for it in job.pointers))
            await self.point(list(times), times)
        except StoreUnavailable as error:
            self._fail_all([(job.work.item, job.work) for job in jobs], error)
        else:
            for job in jobs:
                job.work.left -= 1
        self._go_on({job.work.item.home for job in jobs})

    def _go_on(self, homes: Iterable[bytes]) -> None:
        """Store the items whose pointers are all written, in the order of each home."""
        for home in homes:
            behind = self._following.get(home)
            while behind and (behind[0].done() or not behind[0].left):
                work = behind.popleft()
                if not work.done():
                    partition = self._keys.partition(home)
                    self._lane(partition, {}).add(Job(work, partition))
            if behind is not None and not behind:
                del self._following[home]
        self._begin_calls()

    def _fail_all(self, batch: list[Entry], error: StoreUnavailable) -> None:
        """Fail the items waiting for the same slots too: they would only wait as long again."""
        fail(batch, error)
        lost = {self._keys.partition(item.home) for item, _ in batch}
        behind = [it.work for lane in self._lanes.values() for it in lane.jobs if it.partition in lost]
        fail([(work.item, work) for work in behind], error)
        self._go_on({work.item.home for work in behind})

    def _fail_due(self) -> None:
        """Fail the items that waited as long as a call may take; their outcome is unknown."""
        self._due = None
        loop, failed = asyncio.get_running_loop(), unavailable("timeout")
        while self._works and (self._works[0].done() or self._works[0].due <= loop.time()):
            work = self._works.popleft()
            fail([(work.item, work)], failed)
        if self._works:
            self._due = loop.call_at(self._works[0].due, self._fail_due)
        for lane in self._lanes.values():
            lane.drop_done()
        self._go_on(tuple(self._following))

    def _forget_done(self) -> None:
        while self._works and self._works[0].done():
            self._works.popleft()
