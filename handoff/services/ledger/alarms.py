"""Alarms of promises: shortly before they are due, and when they are broken, each exactly once.

An alarm is an event in the commit that moves the entry's timer on.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from handoff.codec.keyed_hash import CUSTOMER
from handoff.domain.clock import Micros, format_time
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.errors import HandoffError, NotFound, Restricted
from handoff.domain.ledger.entry import PROMISE, Alarm, EntryState, LedgerEntry
from handoff.services.events.payloads import PromiseAlarm
from handoff.services.events.publishing import Event, encode_event
from handoff.store.repositories.control import Change
from handoff.store.store import Store

from .entries import public_entry_id, write_entry
from .owners import LedgerOwner
from .recording import record_broken
from .rounds import POSTPONED, TICK_S, AlarmRounds, Clocks
from .settling import LedgerRules, settle

__all__ = ["TICK_S", "PromiseAlarms"]

log = structlog.get_logger(__name__)

STATES = {Alarm.SOON: EntryState.DUE, Alarm.BROKEN: EntryState.BROKEN}


class PromiseAlarms(AlarmRounds):
    """Sends the alarms of promises that are due."""

    kind = PROMISE

    def __init__(
        self,
        store: Store,
        tenants: Sequence[str],
        guard: ClockGuard,
        rules: LedgerRules,
        clocks: Clocks | None = None,
    ) -> None:
        super().__init__(store, tenants, guard, clocks)
        self._rules = rules

    def failed(self, error: HandoffError) -> None:
        log.warning("promise_alarm_failed", code=error.problem_code)

    def crashed(self) -> None:
        log.exception("promise_alarm_crashed")

    async def look(self, tenant: str, id_: bytes, now: Micros) -> bool:
        """Send the next alarm of a promise. False if there is none, or another worker was first."""
        entry = await self.read(tenant, id_)
        alarm = entry.next_alarm if entry is not None else None
        if entry is None or alarm is None or alarm[1] > now:
            await self.move_timer(tenant, id_)
            return False
        try:
            if entry.alarm and await settle(self._store, tenant, entry.home, self._rules, now=now):
                return False  # proof that the relay has not passed on yet, or something else: look again
            if entry.alarm:
                await record_broken(self._store, tenant, entry, entry.due or now)
            owner, queues = await self.owner(tenant, entry)
        except NotFound:
            return await self.drop(tenant, entry)
        except Restricted:
            await self.move_timer(tenant, id_, now + POSTPONED)
            return False
        return await self._commit(tenant, entry, owner, queues, now)

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
        return await self.attempt(tenant, change)

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
