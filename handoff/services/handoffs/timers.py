"""Deadlines: handoffs that are not answered in time expire, exactly once across all workers."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from handoff.codec.keyed_hash import HANDOFF
from handoff.domain.clock_guard import ClockGuard, Jump
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.handoff import Action, State
from handoff.services.events.payloads import ClockJumped, Unviewed
from handoff.services.events.publishing import Event, encode_event, publish
from handoff.store.repositories.control import Change
from handoff.store.repositories.tenant.handoff_records import VIEW_TIMER
from handoff.store.store import Store

from .lifecycle import HandoffMove, Handoffs
from .records import read_handoff

TICK_S = 0.2  # so long after its deadline a handoff may still be pending, if nothing else is slow

log = structlog.get_logger(__name__)


class Timers:
    """Fires the timers that are due by the store's clock.

    Several workers may try to fire the same timer: the version in the commit lets one win and removes it.
    """

    def __init__(
        self, store: Store, handoffs: Handoffs, tenants: Sequence[str], guard: ClockGuard | None = None
    ) -> None:
        self._store = store
        self._handoffs = handoffs
        self._tenants = tenants
        self._guard = guard or handoffs.clock_guard

    async def fire_due(self) -> int:
        """Fire the due timers; returns their number. None fire for a while after the store's clock jumped."""
        now = await self._store.of(self._tenants[0]).clock()
        monotonic = time.monotonic_ns() // 1000
        jump = self._guard.look(now, monotonic)
        if jump:
            await self._report_jump(jump, now)
        if self._guard.holds(monotonic):
            return 0
        fired = 0
        for tenant in self._tenants:
            found = await self._store.of(tenant).handoffs.due_timers(now)
            if found.passed_over:
                self._store.unknown.met("timer", found.passed_over)
            for timer in found.timers:
                fired += await self._fire(tenant, timer)
        return fired

    async def _report_jump(self, jump: Jump, now: int) -> None:
        seconds = round(jump.by / 1e6, 1)
        log.error("store_clock_jumped", by_s=seconds)
        for tenant in self._tenants:
            event = Event(
                key=f"clock/{now}",
                type="operator.clock_jumped",
                subject="clock",
                at=now,
                data=ClockJumped(by_s=seconds, held=self._guard.holds(time.monotonic_ns() // 1000)),
            )
            await publish(self._store, tenant, event)

    async def _fire(self, tenant: str, timer: bytes) -> bool:
        part = self._store.of(tenant)
        public_id = part.hashes.public(HANDOFF, timer[1:])
        if timer[:1] == VIEW_TIMER:
            return await self._report_unviewed(tenant, public_id, timer)
        try:
            handoff = await read_handoff(part, public_id)
            if handoff.state not in set(State):
                self._store.unknown.met("handoff_state", handoff.state)
                return False
            action = Action.EXPIRE if handoff.due == handoff.deadline else Action.LAPSE
            expiry = HandoffMove(action=action, by="deadline", version=handoff.version)
            await self._handoffs.move(tenant, public_id, expiry)
        except (Conflict, NotFound) as error:
            log.info("timer_was_late", code=error.problem_code)
            return False
        return True

    async def _report_unviewed(self, tenant: str, public_id: str, timer: bytes) -> bool:
        """Publish `handoff.unviewed` if the new owner of a conversation has not opened its context."""
        part = self._store.of(tenant)
        try:
            handoff = await read_handoff(part, public_id)
        except NotFound:
            handoff = None
        change = Change()
        part.handoffs.drop_timer(change, timer)
        unviewed = handoff is not None and handoff.owning and handoff.viewed_at is None
        if handoff is not None and unviewed:
            event = Event(
                key=f"{handoff.id}/{handoff.version}/unviewed",
                type="handoff.unviewed",
                subject=handoff.id,
                at=await part.clock(),
                data=Unviewed(handoff=handoff.id, agent=handoff.owner, version=handoff.version),
                correlation=handoff.id,
                queues=handoff.queues,
            )
            part.outbox.post(change, encode_event(event))
        await part.commit(change)
        return unviewed

    async def count_unviewed(self) -> int:
        """The number of accepted handoffs whose owner has not opened the context."""
        total = 0
        for tenant in self._tenants:
            total += await self._store.of(tenant).handoffs.unviewed.count()
        return total
