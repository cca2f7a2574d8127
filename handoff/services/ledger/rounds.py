"""Looking at entries of the ledger when their time has come, each by one worker.

Several workers may try the same timer: the version in the commit lets one of them win. None looks while the
clock is not trusted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from handoff.domain.clock import HOUR, MINUTE, Micros
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.errors import HandoffError, StoreUnavailable
from handoff.domain.ledger.entry import LedgerEntry
from handoff.services.customers.customer import by_key
from handoff.services.handoffs.records import read_of_homes
from handoff.store.repositories.control import Change, Changed, decode_record
from handoff.store.repositories.tenant.ledger_records import due_timers
from handoff.store.store import Store

from .entries import forget_entry, place_of
from .owners import LedgerOwner, owner_of

TICK_S = 0.5  # a promise is a matter of minutes and more
AT_ONCE = 100  # timers of a tenant that are read at once
ROUNDS = 10  # reads of the timers before the next look at the clock
SIDE_BY_SIDE = 8  # alarms of a tenant under way
POSTPONED: Micros = HOUR  # before a restricted customer is looked at again
FAILED: Micros = MINUTE  # before an alarm that cannot be sent is tried again


class Clocks(Protocol):
    """The clocks that alarms go by."""

    async def now(self, store: Store, tenant: str) -> Micros:
        """The store's clock."""

    def monotonic(self) -> Micros:
        """This process's clock, which nobody sets."""


class RealClocks:
    """The store's clock and the process's."""

    async def now(self, store: Store, tenant: str) -> Micros:
        return await store.of(tenant).clock()

    def monotonic(self) -> Micros:
        return time.monotonic_ns() // 1000


class AlarmRounds:
    """Looks at the entries of one `kind` that are due by the store's clock. None while `guard` does not trust
    the clock."""

    kind: str

    def __init__(
        self,
        store: Store,
        tenants: Sequence[str],
        guard: ClockGuard,
        clocks: Clocks | None = None,
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._guard = guard
        self._clocks = clocks or RealClocks()

    async def look(self, tenant: str, id_: bytes, now: Micros) -> bool:
        """Look at an entry; whether this worker sent an alarm."""
        raise NotImplementedError

    def failed(self, error: HandoffError) -> None:
        """Log that a look failed: it is tried again."""
        raise NotImplementedError

    def crashed(self) -> None:
        """Log the exception that a look ended with: it is tried again."""
        raise NotImplementedError

    async def send_due(self) -> int:
        """Send the alarms that are due; how many this worker sent."""
        now = await self._clocks.now(self._store, self._tenants[0])
        if not self._guard.trusts(now, self._clocks.monotonic()):
            return 0
        sent, waiting = 0, list(self._tenants)
        for _round in range(ROUNDS):
            timers = [self._store.of(it).ledger.timers_of(self.kind) for it in waiting]
            due = await due_timers(self._store.connection, timers, now, AT_ONCE)
            more: list[str] = []
            for tenant, ids in zip(waiting, due, strict=True):
                done = await self._send_each(tenant, ids, now) if ids else 0
                sent += done
                if done and len(ids) == AT_ONCE:
                    more.append(tenant)
            waiting = more
            if not waiting:
                break
        return sent

    async def _send_each(self, tenant: str, ids: Sequence[bytes], now: Micros) -> int:
        places = asyncio.Semaphore(SIDE_BY_SIDE)

        async def send(id_: bytes) -> bool:
            async with places:
                try:
                    return await self.look(tenant, id_, now)
                except StoreUnavailable:
                    raise
                except HandoffError as error:  # one entry must not hold up the others
                    self.failed(error)
                except Exception:  # whatever it is must not stop the alarms of other tenants
                    self.crashed()
                await self.move_timer(tenant, id_, now + FAILED)
                return False

        return sum(await asyncio.gather(*map(send, ids)))

    async def read(self, tenant: str, id_: bytes) -> LedgerEntry | None:
        (raw,) = await self._store.of(tenant).ledger.read([id_])
        return decode_record(raw, LedgerEntry) if raw is not None else None

    async def owner(self, tenant: str, entry: LedgerEntry) -> tuple[LedgerOwner, tuple[str, ...]]:
        """The owner of the customer now, and the queues of the owner's handoff. Raises NotFound if the
        customer was erased."""
        customer = await by_key(self._store, tenant, entry.home)
        return owner_of(await read_of_homes(self._store.of(tenant).handoffs, list(customer.group.members)))

    async def drop(self, tenant: str, entry: LedgerEntry) -> bool:
        """The customer was erased: the entry is no longer anybody's."""
        part, change = self._store.of(tenant), Change()
        forget_entry(part, change, entry)
        await self.attempt(tenant, change)
        return False

    async def move_timer(self, tenant: str, id_: bytes, at: Micros | None = None) -> None:
        """Move a timer to a time, or to that of its entry; remove it if the entry has none ahead."""
        part, change = self._store.of(tenant), Change()
        entry = await self.read(tenant, id_)
        stated = place_of(entry).alarm if entry is not None else None
        at = max(at or stated, stated) if stated is not None else None
        part.ledger.move_timer(change, id_, entry.version if entry else 0, at, self.kind)
        await self.attempt(tenant, change)

    async def attempt(self, tenant: str, change: Change) -> bool:
        """Commit a change; False if another worker was first, or a proof."""
        try:
            await self._store.of(tenant).commit(change)
        except Changed:
            return False
        return True
