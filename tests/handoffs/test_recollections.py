"""A context that reuses an earlier read of its customer equals one that reads everything."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.domain.clock import DAY, MINUTE, SECOND
from handoff.domain.identity import Assurance, Handle, parse_identity
from handoff.domain.touchpoint import Touchpoint
from handoff.services.context.assembly import assemble
from handoff.services.context.completeness import Monitor
from handoff.services.context.history import BRIEF_TOUCHPOINTS
from handoff.services.context.remembered.recollection import Recollection
from handoff.services.context.views import ContextSelection
from handoff.services.customers.customer import Customer
from handoff.services.customers.link_views import read_links
from handoff.services.customers.links import Attribution, withdraw
from handoff.services.customers.lookup import LookUp, find
from handoff.services.handoffs.snapshots import encode_context
from handoff.store.decoded import RecentBodies
from handoff.store.histories import RecentHistories
from handoff.store.store import Store
from tests.samples import NOON, handle, record_all, touchpoint

MAIL = "email:anna@example.com"
NOW = NOON + 2 * DAY


def written(name: str, minute: int, text: str, *whom: str | Handle, **more: Any) -> Touchpoint:
    return touchpoint(name, *whom, at=NOON + minute * MINUTE, text=text, **more)


def mailed(name: str, minute: int, text: str) -> Touchpoint:
    return written(name, minute, text, MAIL, type="email.received", channel="email")


def answered(name: str, minute: int, text: str) -> Touchpoint:
    actor = {"type": "agent", "name": "Mia"}
    return written(name, minute, text, type="message.sent", actor=actor)


STEPS = {
    "first": [written("e1", 0, "Where is my order A-17?"), answered("e2", 4, "It arrives on Friday.")],
    "later": [written("e3", 9, "And the washing machine leaks again.")],
    "later twice": [written("e4", 12, "hello??"), answered("e5", 15, "I will call you back tomorrow.")],
    "nothing": [],
    "the same time": [written("e6", 15, "Fine, thanks for calling me back about A-17.")],
    "late": [written("e7", 6, "It is about order B-9 as well, which was late.")],
    "edited": [written("e8", 20, "The dishwasher leaks.", type="message.edited", amends="e3")],
    "after an edit": [written("e9", 24, "Somebody should look at it.")],
    "resolved": [written("e10", 30, "", type="conversation.resolved")],
    "after the end": [written("e11", 40, "It leaks again, and I am angry.")],
    "deleted": [touchpoint("e12", at=NOON + 50 * MINUTE, type="message.deleted", text=None, amends="e9")],
    "on another channel": [mailed("e13", 60, "Is A-17 on its way?")],
    "joined": [written("e14", 70, "me", "user:anna", handle(MAIL, Assurance.VERIFIED))],
    "after the join": [mailed("e15", 80, "Any news of A-17?")],
}


async def looked_up(store: Store, tenant: str) -> LookUp:
    return await find(store, tenant, [parse_identity("user:anna")])


async def customer_of(store: Store, tenant: str) -> Customer:
    found = (await looked_up(store, tenant)).customer
    assert found is not None
    return found


async def context(store: Store, tenant: str, *, now: int = NOW, limit: int = 50) -> bytes:
    look_up, wanted = await looked_up(store, tenant), ContextSelection(limit=limit)
    made = await assemble(store, Monitor(store, []), tenant, look_up, wanted=wanted, now=now)
    return encode_context(made.view)


async def from_scratch(store: Store, tenant: str, *, now: int = NOW, limit: int = 50) -> bytes:
    """The context of a worker that has read nothing yet."""
    histories, bodies = store.histories, store.decoded
    store.histories, store.decoded = RecentHistories(), RecentBodies()
    try:
        return await context(store, tenant, now=now, limit=limit)
    finally:
        store.histories, store.decoded = histories, bodies


async def recollection(store: Store, tenant: str) -> Recollection:
    """The results that the last context left."""
    members = (await customer_of(store, tenant)).members
    key = (tenant, *(it.key for it in members))
    found = store.histories.take(key)
    assert isinstance(found, Recollection)
    store.histories.put(key, found, found.size)
    return found


async def test_after_every_change_the_context_is_that_of_a_new_worker(store: Store, tenant: str) -> None:
    for name, touchpoints in STEPS.items():
        await record_all(store, tenant, touchpoints)
        assert await context(store, tenant) == await from_scratch(store, tenant), name
    customer = await customer_of(store, tenant)
    links = await read_links(store, tenant, customer)
    joint = next(it for it in links if set(it.identities) == {"user:anna", MAIL})
    by = Attribution(who="agent:lisa", reason="somebody else")
    await withdraw(store, tenant, customer.id, joint.id, by, dry_run=False, now=NOW)
    assert len((await customer_of(store, tenant)).members) == len(customer.members) - 1
    assert await context(store, tenant) == await from_scratch(store, tenant), "parted"
    for now in (NOW + 40 * DAY, NOW + 200 * DAY, NOW):
        assert await context(store, tenant, now=now) == await from_scratch(store, tenant, now=now), now


async def test_later_touchpoints_extend_the_results_of_the_last_context(store: Store, tenant: str) -> None:
    await record_all(store, tenant, STEPS["first"])
    await context(store, tenant)
    before = await recollection(store, tenant)
    await record_all(store, tenant, STEPS["later"])
    await context(store, tenant)
    after = await recollection(store, tenant)
    assert after.story is before.story
    assert after.conversations is before.conversations
    assert after.entries is not None
    assert before.entries is not None
    assert after.entries[1:] == before.entries[:]


@pytest.mark.no_cover
async def test_a_history_longer_than_the_brief_slides(store: Store, tenant: str) -> None:
    numbers = range(BRIEF_TOUCHPOINTS)
    texts = [touchpoint(f"m{n}", at=NOON + n * SECOND, text=f"Where is A-{n % 7}?") for n in numbers]
    await record_all(store, tenant, texts)
    assert await context(store, tenant) == await from_scratch(store, tenant)
    for step in ("on another channel", "late", "joined"):
        await record_all(store, tenant, STEPS[step])
        assert await context(store, tenant) == await from_scratch(store, tenant), step
    ended = written("end", -1, "", type="conversation.resolved")  # older than all that the brief is made of
    await record_all(store, tenant, [ended])
    assert await context(store, tenant) == await from_scratch(store, tenant), "an end before all of them"
    longer = BRIEF_TOUCHPOINTS + 1
    assert await context(store, tenant, limit=longer) == await from_scratch(store, tenant, limit=longer)


async def test_a_filter_hides_what_an_earlier_context_showed(store: Store, tenant: str) -> None:
    await record_all(store, tenant, STEPS["first"])
    await record_all(store, tenant, [written("c1", 30, "me too", handle("user:anna", Assurance.CLAIMED))])
    await context(store, tenant)
    look_up, wanted = await looked_up(store, tenant), ContextSelection(min_assurance=Assurance.VERIFIED)
    made = await assemble(store, Monitor(store, []), tenant, look_up, wanted=wanted, now=NOW)
    assert made.view.left_out.below_min_assurance == 1
    assert b"me too" not in encode_context(made.view)
    assert await context(store, tenant) == await from_scratch(store, tenant)
