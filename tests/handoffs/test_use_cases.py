"""Use-cases finish their job: every change is recorded and counted without a relay or a second call."""

from __future__ import annotations

import asyncio
import time

import pytest

from handoff.domain.clock import SECOND
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.errors import Conflict, StoreUnavailable
from handoff.domain.handoff import Action, Party, State
from handoff.domain.identity import parse_identity
from handoff.services.context.completeness import Monitor
from handoff.services.handoffs.lifecycle import HandoffMove, HandoffRequest, Handoffs
from handoff.services.handoffs.timers import Timers
from handoff.services.metrics import Measures
from handoff.store.store import Store
from tests.conftest import opened
from tests.samples import timeline
from tests.store.servers import sentinel_servers


def wanted(**changes: float) -> HandoffRequest:
    return HandoffRequest(
        sender=Party(channel="chat", party="bot"),
        to=Party(queue="support"),
        reason="help",
        by="bot",
        identity=parse_identity("user:anna"),
        **changes,
    )


async def recorded(store: Store, tenant: str) -> set[str]:
    return {view.type for view in await timeline(store, tenant)}


async def test_requests_and_moves_are_recorded_and_counted(store: Store, tenant: str) -> None:
    measures = Measures()
    handoffs = Handoffs(store, Monitor(store, []), measures)
    handoff = (await handoffs.request(tenant, wanted())).handoff
    assert await recorded(store, tenant) == {"handoff.requested"}
    again = await handoffs.request(tenant, wanted())
    assert (again.created, again.changed) == (False, ())
    await handoffs.move(tenant, handoff.id, HandoffMove(action=Action.ACCEPT, by="maria", agent="maria"))
    assert await recorded(store, tenant) == {"handoff.requested", "handoff.accepted"}
    counted = {
        event: measures.registry.get_sample_value("handoff_handoffs_total", {"event": event})
        for event in ("handoff.requested", "handoff.accepted")
    }
    assert counted == {"handoff.requested": 1, "handoff.accepted": 1}


async def test_an_expiry_is_recorded_by_the_timer(store: Store, tenant: str) -> None:
    handoffs = Handoffs(store, Monitor(store, []), Measures())
    await handoffs.request(tenant, wanted(deadline_s=0.01))
    timers = Timers(store, handoffs, [tenant])
    async with asyncio.timeout(20):
        while not await timers.fire_due():
            pass
    assert await recorded(store, tenant) == {"handoff.requested", "handoff.expired"}


async def test_a_jump_of_the_clock_expires_no_handoff(store: Store, tenant: str) -> None:
    guard = ClockGuard()
    handoffs = Handoffs(store, Monitor(store, []), Measures(), guard)
    handoff = (await handoffs.request(tenant, wanted(deadline_s=0.001))).handoff
    accept = HandoffMove(action=Action.ACCEPT, by="maria", agent="maria")
    async with asyncio.timeout(20):
        while await store.control(tenant).clock() <= handoff.deadline:
            pass
    with pytest.raises(Conflict, match="past its deadline"):
        await handoffs.move(tenant, handoff.id, accept)
    guard.look(handoff.deadline - 3_600 * SECOND, time.monotonic_ns() // 1000)
    assert (await handoffs.move(tenant, handoff.id, accept)).handoff.state is State.ACCEPTED


async def test_a_repeated_request_is_confirmed_only_if_replicas_have_the_handoff(tenant: str) -> None:
    """A primary that is cut off still knows a handoff that a failover will remove."""
    with sentinel_servers(min_replicas_to_write="0") as (url, _primary, replica):
        async with opened(url, durability="replicated", timeout_s=2.0) as store:
            handoffs = Handoffs(store, Monitor(store, []), Measures())
            await handoffs.request(tenant, wanted())
            assert not (await handoffs.request(tenant, wanted())).created
            replica.pause()
            with pytest.raises(StoreUnavailable):
                await handoffs.request(tenant, wanted())
            replica.resume()
            async with asyncio.timeout(20):
                while await unconfirmed(handoffs, tenant):
                    pass


async def unconfirmed(handoffs: Handoffs, tenant: str) -> bool:
    try:
        return (await handoffs.request(tenant, wanted())).created
    except StoreUnavailable:
        return True
