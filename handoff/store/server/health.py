"""Whether the store takes durable writes now and still has what it acknowledged.

A heartbeat is written every BEAT_S, after each reconnect, after a failed write and when `/readyz` needs it.
Its outcome decides readiness and, after a loss, the refusal of all further writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from pathlib import Path

import structlog

from handoff.domain.errors import StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.errors import KEYS_UNAVAILABLE, LOST_DATA, StoreError, reason_of
from handoff.store.formats import KEY_SET
from handoff.store.functions.library import Gate
from handoff.store.keys import META

from .heartbeat import Heartbeats, patience
from .memory import OUT_OF_MEMORY, MemoryUse
from .seen import Floor, write_seen

BEAT_S = 2.0
PAUSE_S = 0.2  # between heartbeats that failing writes ask for
SAVE_S = 10.0  # between writes of the file of an embedded store

REPLACED = "store_replaced"
REFUSALS = frozenset({REPLACED, LOST_DATA, KEYS_UNAVAILABLE})

log = structlog.get_logger(__name__)


class StoreHealth:
    """The state of one store as this server sees it. `on_refusal` gets the reason to refuse writes.

    `key_set` names the keys that this server has: if the store is sealed with others, it refuses writes.
    """

    def __init__(
        self,
        connection: Connection,
        gate: Gate,
        heartbeats: Heartbeats,
        pepper: bytes,
        *,
        restore: Callable[[], Awaitable[bytes]],
        on_refusal: Callable[[str | None], None],
        on_scarce: Callable[[], None] = lambda: None,
        seen: Path | None = None,
        key_set: bytes | None = None,
    ) -> None:
        self._connection = connection
        self._gate = gate
        self._heartbeats = heartbeats
        self.keys = heartbeats.keys
        self._pepper, self._key_set = pepper, key_set
        self._restore = restore
        self._on_refusal = on_refusal
        self._on_scarce = on_scarce
        self._seen = seen
        known = heartbeats.floor()
        # The file can wait after a restart: another fsync would slow down the first requests.
        began = asyncio.get_running_loop().time()
        self._saved: tuple[float, Floor] | None = (began, known) if known.accepted >= 0 else None
        self._partly: str | None = None
        self._running: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._doubted = True
        self._examining = False
        """Whether a doubt began the running heartbeat: until it ends, the last one proves nothing."""
        self._beaten_at = 0.0
        self.memory = MemoryUse()
        self.reason: str | None = None
        """Why the last heartbeat was not stored, or why the stored data cannot be trusted."""
        gate.on_failure = connection.on_reopen = self.doubt

    def doubt(self) -> None:
        """A write failed, or another server may answer now: check immediately."""
        self._doubted = True
        self._wanted.set()

    async def watch(self) -> None:
        """Write heartbeats forever; more often while memory is scarce, to notice when the reserve begins."""
        while True:
            try:
                async with asyncio.timeout(PAUSE_S if self.memory.pressed else BEAT_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            await self.beat()
            await asyncio.sleep(PAUSE_S)

    async def check(self) -> str | None:
        """Why touchpoints cannot be acknowledged now; None when they can.

        A read, while the last heartbeat succeeded recently; otherwise another heartbeat.
        """
        age = asyncio.get_running_loop().time() - self._beaten_at
        if self.reason is None and not self._doubted and not self._examining and age < 2 * BEAT_S:
            try:
                pepper, key_set = await self._identity()
                if pepper == self._pepper and self._opens(key_set):
                    return self.reason
            except (StoreUnavailable, StoreError) as error:
                if not self._connection.cluster:  # there one key's primary does not stand for the others
                    return reason_of(error) or "error"
                return self.reason
        if self._running is not None:
            await self.beat()
            if self.reason is None and not self._doubted:
                return None
        await self.beat()  # that one started before the question, or before a write failed
        return self.reason

    async def beat(self) -> None:
        """Write a heartbeat, or wait for the running one."""
        if self._running is None:
            # In its own context: its log lines belong to no single request.
            loop = asyncio.get_running_loop()
            self._running = loop.create_task(self._beat(), name="heartbeat", context=Context())
            self._running.add_done_callback(self._ended)
        await asyncio.shield(self._running)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if not task.cancelled():
            task.exception()

    async def _beat(self) -> None:
        self._examining, self._doubted = self._doubted, False
        try:
            outcome = await self._outcome()
        except Exception:  # the outermost loop: the next heartbeat must follow
            log.exception("store_heartbeat_crashed")
            outcome = "error"
        finally:
            self._examining = False
        self._settle(outcome)
        self._beaten_at = asyncio.get_running_loop().time()
        await self._save()

    async def aclose(self) -> None:
        """End the running heartbeat."""
        self._gate.on_failure = self._connection.on_reopen = None
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        floor = self._heartbeats.floor()
        if self._seen is not None and self.reason is None and self._exceeds_saved(floor):
            write_seen(self._seen, floor)

    async def _outcome(self) -> str | None:
        emptied = False
        try:
            found, key_set = await self._identity()
            if found is not None and found != self._pepper:
                return REPLACED
            if not self._opens(key_set):
                return KEYS_UNAVAILABLE
            emptied = found is None
        except (StoreUnavailable, StoreError) as error:
            if not self._connection.cluster:
                return reason_of(error) or "error"
        outcomes = await self._heartbeats.beat()
        if emptied:
            log.error("store_emptied")
            if await self._restored() != self._pepper:
                return REPLACED
        if losses := [it for it in outcomes if isinstance(it, str)]:
            if self._gate.refuses != LOST_DATA:
                log.error(LOST_DATA, why=losses[0], of=len(outcomes))
            return LOST_DATA
        failures = [it for it in outcomes if isinstance(it, Exception)]
        for failure in failures:
            if not isinstance(failure, StoreUnavailable | StoreError):
                raise failure
        if failures and self._gate.refuses in REFUSALS:
            return self._gate.refuses  # the primary that is silent may be the one that lost data
        self._log_partly(failures if len(failures) < len(outcomes) else [], len(outcomes))
        # On a Cluster the healthy primaries continue; taking every server out of service would stop them too.
        await self.memory.read(self._connection)
        if self.memory.scarce:
            self._on_scarce()
        if len(failures) < len(outcomes):
            full = self.memory.full and not self._connection.cluster
            return OUT_OF_MEMORY if full else None
        return reason_of(failures[0]) or "error"

    def _log_partly(self, failures: Sequence[Exception], count: int) -> None:
        reason = (reason_of(failures[0]) or "error") if failures else None
        if reason != self._partly and reason is not None:
            log.error("store_partly_not_writable", reason=reason, primaries=len(failures), of=count)
        self._partly = reason

    async def _identity(self) -> tuple[bytes | None, bytes | None]:
        """The store's pepper, and the name of its key set if it is sealed."""
        async with patience(self._connection):
            pepper, key_set = await self._connection.call(b"HMGET", META, b"pepper", KEY_SET, key=META)
        return pepper, key_set

    def _opens(self, key_set: bytes | None) -> bool:
        """Whether this server has the keys of the store. Another server may have sealed it meanwhile."""
        return key_set is None or key_set == self._key_set

    async def _restored(self) -> bytes | None:
        """The pepper after it was put back where the store was emptied under this server."""
        try:
            return await self._restore()
        except (StoreUnavailable, StoreError):
            return self._pepper  # the next heartbeat tries again

    def _settle(self, reason: str | None) -> None:
        before, self.reason = self.reason, reason
        refused = self._gate.refuses
        # A failed heartbeat finds out nothing: a refusal stays until one succeeds.
        if reason is None or reason in REFUSALS:
            self._gate.refuses = reason
            self._on_refusal(reason)
        elif reason == OUT_OF_MEMORY and refused is None:
            self._on_refusal(reason)  # touchpoints only: the reserve is for everything else
        if refused == LOST_DATA and reason is None:
            log.warning("store_loss_accepted")
        elif reason is None and before is not None:
            log.info("store_writable")
        elif reason not in (None, before, LOST_DATA):
            log.error("store_not_writable", reason=reason)

    async def _save(self) -> None:
        """Save the count of the embedded store for the next start."""
        if self._seen is None or self.reason is not None:
            return
        now, floor = asyncio.get_running_loop().time(), self._heartbeats.floor()
        if not self._exceeds_saved(floor):
            return
        if self._saved and floor.accepted == self._saved[1].accepted and now < self._saved[0] + SAVE_S:
            return
        self._saved = (now, floor)
        await asyncio.to_thread(write_seen, self._seen, floor)

    def _exceeds_saved(self, floor: Floor) -> bool:
        """Whether a floor is higher than the one in the file."""
        saved = self._saved[1] if self._saved else Floor()
        return floor.accepted != saved.accepted or floor.count > saved.count
