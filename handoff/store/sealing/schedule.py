"""Rotation by a schedule: one worker begins a tenant's next epoch when the current one is old enough.

Every turn looks at the key file and does the one step that is missing, so that a worker that dies leaves
nothing to repair: another one finds the same step. A new epoch is first *prepared*: known, and not used. It
becomes the current one when every living worker states that it knows it, so that a server whose key file is a
copy never meets a key that it cannot open. An old epoch stays in the key file, and opens what it wraps, until
it is destroyed by hand.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from msgspec import Struct, field

from handoff.store.repositories.retention.lease import SweepLease
from handoff.store.workers import Workers

from .key_file import Epoch
from .rotation import RETIRED_S, RewrapProgress, Rotation

SHARE_S = 0.2  # seconds of work in a turn
AGAIN_S = 3600.0  # before keys that do not open are looked at again
PATIENCE_S = 20.0  # workers read the key file every second, and a dead one is forgotten within 15
LOG_EVERY_S = 600.0

log = structlog.get_logger(__name__)


class RotationTurn(Struct):
    """The outcome of a turn, for metrics."""

    begun: list[str] = field(default_factory=list)
    """Tenants whose prepared epoch became the current one."""
    rewrapped: int = 0
    emptied: list[str] = field(default_factory=list)
    """Epochs that were found to wrap nothing any more."""


async def _nowhere(_where: str) -> None:
    """No test wants to end this worker here."""


class ScheduledRotation:
    """Rotates all tenants' epochs every `every_s`, in turns, as long as this worker has the lease."""

    def __init__(
        self,
        rotation: Rotation,
        workers: Workers,
        lease: SweepLease,
        owner: str,
        every_s: float,
        *,
        clock: Callable[[], float] = time.time,
        at: Callable[[str], Awaitable[None]] = _nowhere,
    ) -> None:
        self._rotation = rotation
        self._epochs = rotation.epochs
        self._workers = workers
        self._lease = lease
        self._owner = owner
        self._every_s = every_s
        self._clock = clock
        self._at = at
        self._scan: AsyncIterator[RewrapProgress] | None = None
        self._scan_began = 0.0
        self._progress = RewrapProgress()
        self._rewrapped = 0
        self._next_scan = 0.0
        self._waits_since: float | None = None
        self._logged = 0.0

    async def turn(self) -> RotationTurn:
        """Do what is due now, for SHARE_S at most."""
        done = RotationTurn()
        self._epochs.refresh()
        if not self._is_anything_due() or await self._lease.take(self._owner) is None:
            return done
        if not await self._all_know():
            return done
        if any(it.prepared for it in self._epochs.content.epochs):
            await self._begin(done)
        elif due := self._due():
            await self._at("before prepare")
            self._epochs.prepare(due)
            await self._at("after prepare")
        else:
            await self._rewrap(done)
        return done

    def _is_anything_due(self) -> bool:
        content = self._epochs.content.epochs
        return bool(self._due()) or any(it.prepared or self._is_waiting(it) for it in content)

    def _due(self) -> dict[str, str]:
        """The current epochs that are old enough, by tenant."""
        latest = self._clock() - self._every_s
        return {
            it.tenant: it.id for it in self._epochs.content.epochs if it.current and it.created_at <= latest
        }

    def _is_waiting(self, epoch: Epoch) -> bool:
        """Whether an epoch may wrap keys that belong into a newer one."""
        retired = epoch.retired_at is not None and epoch.destroyed_at is None
        return retired and epoch.emptied_at is None and self._clock() >= self._next_scan

    async def _all_know(self) -> bool:
        """Whether every living worker has read the key file as it is now."""
        digest = self._epochs.digest()
        behind = [it for it in await self._workers.alive() if it.keys != digest]
        if not behind:
            self._waits_since = None
            return True
        now = self._clock()
        self._waits_since = now if self._waits_since is None else self._waits_since
        if now - self._waits_since >= PATIENCE_S and now - self._logged >= LOG_EVERY_S:
            self._logged = now
            hosts = sorted({it.host for it in behind})
            log.warning("sealing_rotation_waiting", hosts=hosts, workers=len(behind))
        return False

    async def _begin(self, done: RotationTurn) -> None:
        await self._at("before begin")
        for epoch in self._epochs.begin_prepared():
            done.begun.append(epoch.tenant)
            log.info("sealing_epoch_begun", tenant=epoch.tenant, epoch=epoch.id)
        self._scan, self._next_scan = None, 0.0
        await self._at("after begin")

    async def _rewrap(self, done: RotationTurn) -> None:
        """Continue the scan; at its end, note which epochs wrap nothing any more."""
        if self._scan is None:
            self._scan, self._scan_began = self._rotation.run(), self._clock()
            self._progress, self._rewrapped = RewrapProgress(), 0
        deadline = time.monotonic() + SHARE_S
        async for step in self._scan:
            self._progress = step
            await self._at("within scan")
            if time.monotonic() >= deadline:
                done.rewrapped = step.rewrapped - self._rewrapped
                self._rewrapped = step.rewrapped
                return
        done.rewrapped = self._progress.rewrapped - self._rewrapped
        self._scan = None
        await self._at("before emptied")
        self._finish(done)
        await self._at("after emptied")

    def _finish(self, done: RotationTurn) -> None:
        """End a scan. An epoch is empty if a scan that began after all workers left it found none of it."""
        progress, now = self._progress, self._clock()
        open_ = [it for it in self._epochs.content.epochs if it.retired_at is not None and not it.settled]
        late = [
            it for it in open_ if it.retired_at is not None and it.retired_at + RETIRED_S > self._scan_began
        ]
        done.emptied = [it.id for it in open_ if it not in late and not progress.outdated[it.id]]
        if done.emptied:
            self._epochs.mark_emptied(done.emptied)
        log.info(
            "sealing_keys_rewrapped",
            seen=progress.seen,
            rewrapped=progress.rewrapped,
            unreadable=progress.unreadable,
            emptied=done.emptied,
            took_s=round(now - self._scan_began, 1),
        )
        if progress.unreadable:
            self._next_scan = now + AGAIN_S
        elif late:
            self._next_scan = max(it.retired_at or 0 for it in late) + RETIRED_S
        else:
            self._next_scan = now
