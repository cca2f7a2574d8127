"""The protocol under concurrent actors, restarts and deadlines: one owner, every version published once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.domain.errors import Conflict, NotFound
from handoff.domain.handoff import OWNING, PENDING, TRANSITIONS, Action, Fallback, Handoff, Party, State
from handoff.domain.identity import parse_identity
from handoff.services.context.completeness import Monitor
from handoff.services.handoffs.lifecycle import HandoffMove, HandoffRequest, Handoffs
from handoff.services.handoffs.records import read_chains, read_handoff
from handoff.services.handoffs.timers import Timers
from handoff.services.metrics import Measures
from handoff.store.repositories.tenant.handoff_records import DEADLINE_TIMER, VIEW_TIMER
from handoff.store.store import Store
from tests.conftest import fresh_tenant, opened
from tests.examples import examples

ANNA = parse_identity("user:anna")


class Actors:
    """Several servers on one store that run operations concurrently."""

    def __init__(self, stores: Sequence[Store], tenant: str) -> None:
        self.stores = stores
        self.tenant = tenant
        self.ids: list[str] = []
        self.refused = 0

    async def step(self, number: int, op: tuple[str, int, int]) -> None:
        store = self.stores[number % len(self.stores)]
        handoffs = Handoffs(store, Monitor(store, []), Measures())
        what, which, who = op
        try:
            if what == "request":
                moved = await handoffs.request(self.tenant, self.wanted(which, who))
                if moved.handoff.id not in self.ids:
                    self.ids.append(moved.handoff.id)
            elif what == "fire":
                await Timers(store, handoffs, [self.tenant]).fire_due()
            elif self.ids:
                id_ = self.ids[which % len(self.ids)]
                wanted = HandoffMove(
                    action=Action(what), by=f"agent{who}", agent=f"agent{who}", reason="because"
                )
                await handoffs.move(self.tenant, id_, wanted)
        except (Conflict, NotFound):
            self.refused += 1

    def wanted(self, which: int, who: int) -> HandoffRequest:
        return HandoffRequest(
            sender=Party(channel="chat", party="bot"),
            to=Party(channel="chat", queue=f"queue{which % 2}"),
            reason=f"reason{who}",
            by="bot",
            identity=ANNA,
            deadline_s=(0.02, 60.0)[which % 2],
            fallback=(Fallback(to=Party(queue="second"), deadline_s=60.0),) * (who % 2),
        )


OPS = st.tuples(
    st.sampled_from(
        [
            "request",
            "request",
            "fire",
            "offer",
            "accept",
            "accept",
            "decline",
            "release",
            "complete",
            "withdraw",
        ]
    ),
    st.integers(0, 3),
    st.integers(0, 2),
)


@pytest.mark.no_cover
@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(turns=st.lists(st.lists(OPS, min_size=1, max_size=5), min_size=1, max_size=10))
def test_the_protocol_holds_under_concurrent_operations(valkey: str, turns: list[list[Any]]) -> None:
    asyncio.run(_play(valkey, turns))


async def _play(url: str, turns: list[list[Any]]) -> None:
    tenant = fresh_tenant()
    async with opened(url) as one, opened(url) as two:
        actors = Actors([one, two], tenant)
        for turn in turns:
            await asyncio.gather(*(actors.step(number, op) for number, op in enumerate(turn)))
            await asyncio.sleep(0.005)
    async with opened(url) as later:  # a restart: only stored state remains
        events = await _events(later, tenant)
        _check_versions(events)
        _check_owners(events)
        await _check_ends(later, tenant, actors.ids, events)


async def _events(store: Store, tenant: str) -> list[tuple[str, Handoff]]:
    stream = store.control(tenant).keys.outbox()
    found = []
    for _id, fields in await store.connection.call("XRANGE", stream, "-", "+", key=stream):
        family, *rest = msgspec.msgpack.decode(fields[1], type=list[msgspec.Raw])
        if msgspec.msgpack.decode(family, type=str) == "handoff":
            type_ = msgspec.msgpack.decode(rest[0], type=str)
            found.append((type_, msgspec.msgpack.decode(rest[1], type=Handoff)))
    return found


def _check_versions(events: list[tuple[str, Handoff]]) -> None:
    """Every version of every handoff is published once, in order, and results from a legal transition."""
    published: dict[str, list[Handoff]] = defaultdict(list)
    for _type, handoff in events:
        published[handoff.id].append(handoff)
    legal = {(before, after) for (before, _action), after in TRANSITIONS.items()}
    legal |= {(state, State.REQUESTED) for state in PENDING}  # a fallback step
    for versions in published.values():
        assert [it.version for it in versions] == list(range(1, len(versions) + 1))
        for before, after in pairwise(versions):
            assert (before.state, after.state) in legal


def _check_owners(events: list[tuple[str, Handoff]]) -> None:
    """At any time at most one handoff of the chain owns it, and at most one is pending."""
    now: dict[str, Handoff] = {}
    for place, (_type, handoff) in enumerate(events):
        now[handoff.id] = handoff
        # A transfer publishes two events in one commit: the previous owner's event comes first.
        following = events[place + 1][1] if place + 1 < len(events) else None
        between = handoff.state is State.TRANSFERRED and following is not None
        assert sum(1 for it in now.values() if it.state in PENDING) <= 1
        assert between or sum(1 for it in now.values() if it.state in OWNING) <= 1


async def _check_ends(
    store: Store, tenant: str, ids: Sequence[str], events: list[tuple[str, Handoff]]
) -> None:
    """The stored state is the last published state, and the chain agrees with it."""
    control, hashes = store.control(tenant), store.hashes(tenant)
    last = {handoff.id: handoff for _type, handoff in events}
    assert set(last) == set(ids)
    for id_ in ids:
        assert await read_handoff(store.of(tenant), id_) == last[id_]
    chains = await read_chains(store.of(tenant).handoffs, list({it.conversation for it in last.values()}))
    for handoff in last.values():
        chain = chains[handoff.conversation]
        pending = [other for other in last.values() if other.state in PENDING and other.root == chain.root]
        owning = [other for other in last.values() if other.state in OWNING and other.root == chain.root]
        assert bool(chain.pending) == bool(pending)
        assert bool(chain.owning) == bool(owning)
        if owning:
            assert chain.owner == owning[0].owner
    due = await control.ids(control.keys.timers(), limit=1000)
    pending_ids = {hashes.private("ho_", it.id)[0] for it in last.values() if it.state in PENDING}
    assert {member[1:] for member, _score in due if member[:1] == DEADLINE_TIMER} == pending_ids
    owning_ids = {hashes.private("ho_", it.id)[0] for it in last.values() if it.state in OWNING}
    assert {member[1:] for member, _score in due if member[:1] == VIEW_TIMER} == owning_ids
    unviewed = await store.of(tenant).handoffs.unviewed.entries(limit=1000)
    assert {member for member, _score in unviewed} == owning_ids
