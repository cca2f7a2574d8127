"""Deadlines: hand-offs nobody answered in time expire, once, whoever notices first."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from handoff.codec.keyed_hash import HANDOFF
from handoff.domain.clock_guard import ClockGuard, Jump
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.handoff import Action, State
from handoff.services.context.completeness import Monitor
from handoff.services.events.payloads import ClockJumped, Unviewed
from handoff.services.events.publishing import Event, encode_event, publish
from handoff.store.repositories.control import Change
from handoff.store.store import Store

from .announcements import Announce
from .lifecycle import UNVIEWED, VIEW_TIMER, HandoffMove, due, move
from .records import read_handoff

TICK_S = 0.2  # how late a deadline may be noticed when nothing else is slow

log = structlog.get_logger(__name__)


class Timers:
    """Fires what is due by the store's clock. Several workers may try: the version in the commit
    lets one win, and the timer goes with it."""

    def __init__(
        self,
        store: Store,
        monitor: Monitor,
        tenants: Sequence[str],
        announce: Announce,
        guard: ClockGuard | None = None,
    ) -> None:
        self._store = store
        self._monitor = monitor
        self._tenants = tenants
        self._announce = announce
        self._guard = guard or ClockGuard()

    async def fire_due(self) -> int:
        """One turn; how many fired. None fires for a while after the store's clock jumped."""
        now = await self._store.control(self._tenants[0]).clock()
        monotonic = time.monotonic_ns() // 1000
        jump = self._guard.look(now, monotonic)
        if jump:
            await self._tell(jump, now)
        if self._guard.holds(monotonic):
            return 0
        fired = 0
        for tenant in self._tenants:
            found = await due(self._store.control(tenant), now)
            if found.passed_over:
                self._store.unknown.met("timer", found.passed_over)
            for timer in found.timers:
                fired += await self._fire(tenant, timer)
        return fired

    async def _tell(self, jump: Jump, now: int) -> None:
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
        control, hashes = self._store.control(tenant), self._store.hashes(tenant)
        public_id = hashes.public(HANDOFF, timer[1:])
        if timer[:1] == VIEW_TIMER:
            return await self._tell_unviewed(tenant, public_id, timer)
        try:
            handoff = await read_handoff(control, hashes, public_id)
            if handoff.state not in set(State):
                self._store.unknown.met("handoff_state", handoff.state)
                return False
            action = Action.EXPIRE if handoff.due == handoff.deadline else Action.LAPSE
            asked = HandoffMove(action=action, by="deadline", version=handoff.version)
            moved = await move(self._store, self._monitor, tenant, public_id, asked)
        except (Conflict, NotFound) as error:
            log.info("timer_was_late", code=error.problem_code)
            return False
        await self._announce(moved.changed)
        return True

    async def _tell_unviewed(self, tenant: str, public_id: str, timer: bytes) -> bool:
        """`handoff.unviewed`: somebody took the conversation and has not looked at its context."""
        control, hashes = self._store.control(tenant), self._store.hashes(tenant)
        try:
            handoff = await read_handoff(control, hashes, public_id)
        except NotFound:
            handoff = None
        change = Change().remove(control.keys.timers(), timer)
        told = handoff is not None and handoff.owning and handoff.viewed_at is None
        if handoff is not None and told:
            event = Event(
                key=f"{handoff.id}/{handoff.version}/unviewed",
                type="handoff.unviewed",
                subject=handoff.id,
                at=await control.clock(),
                data=Unviewed(handoff=handoff.id, agent=handoff.owner, version=handoff.version),
                correlation=handoff.id,
                queues=handoff.queues,
            )
            change.post(control.keys.outbox(), encode_event(event))
        await control.commit(change)
        return told

    async def count_unviewed(self) -> int:
        """How many hand-offs were accepted and not looked at."""
        total = 0
        for tenant in self._tenants:
            control = self._store.control(tenant)
            total += await control.count(control.keys.set(UNVIEWED))
        return total
