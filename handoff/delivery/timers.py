"""Deadlines: hand-offs nobody answered in time expire, once, whoever notices first."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from handoff.codec.keyed_hash import HANDOFF
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.handoff import Action
from handoff.services.announcing import Announce
from handoff.services.completeness import Monitor
from handoff.services.handoff_records import read_handoff
from handoff.services.handoffs import Move, due, move
from handoff.store.store import Store

TICK_S = 0.2  # how late a deadline may be noticed when nothing else is slow

log = structlog.get_logger(__name__)


async def fire_due(store: Store, monitor: Monitor, tenants: Iterable[str], announce: Announce) -> int:
    """Fire every timer that is due by the store's clock; how many fired.

    Several workers may try: the version in the commit lets one win, and the timer goes with it.
    """
    fired = 0
    for tenant in tenants:
        control = store.control(tenant)
        for timer in await due(control, await control.clock()):
            public_id = store.hashes(tenant).public(HANDOFF, timer[1:])
            try:
                handoff = await read_handoff(control, store.hashes(tenant), public_id)
                action = Action.EXPIRE if handoff.due == handoff.deadline else Action.LAPSE
                asked = Move(action=action, by="deadline", version=handoff.version)
                moved = await move(store, monitor, tenant, public_id, asked)
            except (Conflict, NotFound) as error:
                log.info("timer_was_late", code=error.problem_code)
                continue
            await announce(moved.changed)
            fired += 1
    return fired
