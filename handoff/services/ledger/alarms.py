"""Alarms of promises: shortly before they are due, and when they are broken, each exactly once.

An alarm is an event in the commit that moves the entry's timer on. Several workers may try the same timer:
the version in the commit lets one of them win.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from handoff.codec.keyed_hash import CUSTOMER
from handoff.domain.clock import HOUR, MINUTE, Micros, format_time
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.errors import HandoffError, NotFound, Restricted, StoreUnavailable
from handoff.domain.ledger.entry import Alarm, EntryState, LedgerEntry
from handoff.services.customers.customer import by_key
from handoff.services.events.payloads import PromiseAlarm
from handoff.services.events.publishing import Event, encode_event
from handoff.services.handoffs.records import read_of_homes
from handoff.store.repositories.control import Change, Changed, decode_record
from handoff.store.repositories.tenant.ledger_records import due_timers
from handoff.store.store import Store

from .entries import forget_entry, public_entry_id, write_entry
from .owners import LedgerOwner, owner_of
from .recording import record_broken
from .settling import LedgerRules, settle

TICK_S = 0.5  # a promise is a matter of minutes and more
AT_ONCE = 100  # timers of a tenant that are read at once
ROUNDS = 10  # reads of the timers before the next look at the clock
SIDE_BY_SIDE = 8  # alarms of a tenant under way
STATES = {Alarm.SOON: EntryState.DUE, Alarm.BROKEN: EntryState.BROKEN}
POSTPONED: Micros = HOUR  # before a restricted customer is looked at again
FAILED: Micros = MINUTE  # before an alarm that cannot be sent is tried again

log = structlog.get_logger(__name__)


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


class PromiseAlarms:
    """Sends the alarms that are due by the store's clock. None while `guard` does not trust the clock."""

    def __init__(
        self,
        store: Store,
        tenants: Sequence[str],
        guard: ClockGuard,
        rules: LedgerRules,
        clocks: Clocks | None = None,
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._guard = guard
        self._rules = rules
        self._clocks = clocks or RealClocks()

    async def send_due(self) -> int:
        """Send the alarms that are due; how many this worker sent."""
        now = await self._clocks.now(self._store, self._tenants[0])
        if not self._guard.trusts(now, self._clocks.monotonic()):
            return 0
        sent, waiting = 0, list(self._tenants)
        for _round in range(ROUNDS):
            timers = [self._store.of(it).ledger.timers for it in waiting]
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
                    return await self._send(tenant, id_, now)
                except StoreUnavailable:
                    raise
                except HandoffError as error:  # one promise must not hold up the others
                    log.warning("promise_alarm_failed", code=error.problem_code)
                except Exception:  # whatever it is must not stop the alarms of other tenants
                    log.exception("promise_alarm_crashed")
                await self._move_timer(tenant, id_, now + FAILED)
                return False

        return sum(await asyncio.gather(*map(send, ids)))

    async def _send(self, tenant: str, id_: bytes, now: Micros) -> bool:
        """Send the next alarm of a promise. False if there is none, or another worker was first."""
        entry = await self._due(tenant, id_, now)
        if entry is None:
            await self._move_timer(tenant, id_)
            return False
        try:
            if entry.alarm and await settle(self._store, tenant, entry.home, self._rules, now=now):
                return False  # proof that the relay has not passed on yet, or something else: look again
            if entry.alarm:
                await record_broken(self._store, tenant, entry, entry.due or now)
            owner, queues = await self._owner(tenant, entry)
        except NotFound:
            return await self._drop(tenant, entry)
        except Restricted:
            await self._move_timer(tenant, id_, now + POSTPONED)
            return False
        return await self._commit(tenant, entry, owner, queues, now)

    async def _due(self, tenant: str, id_: bytes, now: Micros) -> LedgerEntry | None:
        """The entry, if it has an alarm that is due."""
        part = self._store.of(tenant)
        (raw,) = await part.ledger.read([id_])
        entry = decode_record(raw, LedgerEntry) if raw is not None else None
        alarm = entry.next_alarm if entry is not None else None
        return entry if alarm is not None and alarm[1] <= now else None

    async def _owner(self, tenant: str, entry: LedgerEntry) -> tuple[LedgerOwner, tuple[str, ...]]:
        customer = await by_key(self._store, tenant, entry.home)
        return owner_of(await read_of_homes(self._store.of(tenant).handoffs, list(customer.group.members)))

    async def _commit(
        self, tenant: str, entry: LedgerEntry, owner: LedgerOwner, queues: tuple[str, ...], now: Micros
    ) -> bool:
        assert entry.next_alarm is not None
        alarm, _at = entry.next_alarm
        after = msgspec.structs.replace(
            entry,
            version=entry.version + 1,
            state=STATES[alarm],
            alarm=alarm,
            ended_at=entry.due if alarm is Alarm.BROKEN else None,
        )
        part, change = self._store.of(tenant), Change()
        write_entry(part, change, entry, after)
        part.outbox.post(change, encode_event(self._event(tenant, after, alarm, (owner, queues), now)))
        return await self._try(tenant, change)

    def _event(
        self,
        tenant: str,
        entry: LedgerEntry,
        alarm: Alarm,
        owned: tuple[LedgerOwner, tuple[str, ...]],
        now: Micros,
    ) -> Event:
        hashes, (owner, queues) = self._store.hashes(tenant), owned
        id_ = public_entry_id(hashes, entry)
        event = Event(
            key=f"promise/{id_}/{entry.renewed_at}/{entry.due}/{alarm}",
            type="promise.due_soon",
            subject=id_,
            at=now,
            data=PromiseAlarm(
                promise=id_,
                state=entry.state,
                customer_id=hashes.public(CUSTOMER, entry.home),
                conversation_id=entry.conversation,
                act=entry.act,
                made_at=format_time(entry.made_at),
                due=format_time(entry.due or now),
                agent=owner.agent,
                queue=owner.queue,
                handoff=owner.handoff,
            ),
            correlation=entry.conversation,
            channels=(entry.channel,),
            queues=queues,
        )
        return event if alarm is Alarm.SOON else msgspec.structs.replace(event, type="promise.broken")

    async def _drop(self, tenant: str, entry: LedgerEntry) -> bool:
        """The customer was erased: the promise is no longer anybody's."""
        part, change = self._store.of(tenant), Change()
        forget_entry(part, change, entry)
        await self._try(tenant, change)
        return False

    async def _move_timer(self, tenant: str, id_: bytes, at: Micros | None = None) -> None:
        """Move a timer to a time, or to that of its entry; remove it if the entry has no alarm ahead."""
        part, change = self._store.of(tenant), Change()
        (raw,) = await part.ledger.read([id_])
        entry = decode_record(raw, LedgerEntry) if raw is not None else None
        alarm = entry.next_alarm if entry is not None else None
        at = max(at or alarm[1], alarm[1]) if alarm is not None else None
        part.ledger.move_timer(change, id_, entry.version if entry else 0, at)
        await self._try(tenant, change)

    async def _try(self, tenant: str, change: Change) -> bool:
        try:
            await self._store.of(tenant).commit(change)
        except Changed:  # another worker was first, or a proof
            return False
        return True
