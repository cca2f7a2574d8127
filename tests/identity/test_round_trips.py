"""Round trips for reading a customer: they are counted, and do not grow with the history."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest

from handoff.domain.clock import SECOND
from handoff.domain.identity import Assurance, parse_identity
from handoff.services.context.assembly import assemble
from handoff.services.context.completeness import Monitor
from handoff.services.context.validation import ReadLog, Validator, is_still
from handoff.services.context.views import ContextSelection
from handoff.services.customers.lookup import find
from handoff.services.timeline.pages import read_timeline
from handoff.services.timeline.reading import Filter
from handoff.store.repositories.timelines import Window
from handoff.store.store import Store
from tests.samples import NOON, handle, record_all, touchpoint

Result = TypeVar("Result")
ANNA = ["user:anna", "email:anna@example.com", "phone:+358401234567", *(f"anonymous:a{n}" for n in range(7))]


async def ten_identities(store: Store, tenant: str, *, touchpoints: int = 40) -> None:
    """Anna's login proves nine further handles, and each of the ten has a history."""
    stated = [handle(it, Assurance.VERIFIED) for it in ANNA]
    await record_all(store, tenant, [touchpoint("login", *stated)])
    await record_all(
        store,
        tenant,
        [touchpoint(f"e{n}", stated[n % 10], at=NOON + n * SECOND) for n in range(touchpoints)],
    )


async def counted(store: Store, work: Callable[[], Awaitable[Result]]) -> tuple[Result, int]:
    before = store.connection.round_trips
    found = await work()
    return found, store.connection.round_trips - before


@pytest.mark.parametrize(
    ("asked", "trips"), [("user:anna", 2), ("phone:+358401234567", 3), ("anonymous:a6", 3)]
)
async def test_a_customer_of_ten_identities(store: Store, tenant: str, asked: str, trips: int) -> None:
    await ten_identities(store, tenant)
    found, spent = await counted(store, lambda: find(store, tenant, [parse_identity(asked)]))
    assert found.customer is not None
    assert len(found.customer.members) == 10
    assert spent == trips


async def test_an_identity_by_itself(store: Store, tenant: str) -> None:
    await record_all(store, tenant, [touchpoint("e", "user:bert")])
    _, spent = await counted(store, lambda: find(store, tenant, [parse_identity("user:bert")]))
    assert spent == 1


async def test_several_handles_of_one_customer_cost_no_more(store: Store, tenant: str) -> None:
    await ten_identities(store, tenant)
    asked = [parse_identity(it) for it in ANNA]
    _, spent = await counted(store, lambda: find(store, tenant, asked))
    assert spent == 1


async def test_with_claims_and_by_a_reference(store: Store, tenant: str) -> None:
    await ten_identities(store, tenant)
    await record_all(store, tenant, [touchpoint("order", "user:anna", "reference:A-1", at=NOON + 1)])
    found, spent = await counted(store, lambda: find(store, tenant, [parse_identity("reference:A-1")]))
    assert found.customer is not None
    assert spent == 3
    await record_all(store, tenant, [touchpoint("chat", "chatwoot.contact@1:7", "email:anna@example.com")])
    found, spent = await counted(store, lambda: find(store, tenant, [parse_identity("user:anna")]))
    assert found.customer is not None
    assert spent == 3


async def test_a_timeline_page_is_one_more_whatever_its_length(store: Store, tenant: str) -> None:
    for touchpoints in (40, 400):
        await ten_identities(store, tenant, touchpoints=touchpoints)
        found = await find(store, tenant, [parse_identity("user:anna")])
        assert found.customer is not None
        records = {it.key: it for it in found.customer.members}
        before = store.connection.round_trips
        page = await read_timeline(store, store.hashes(tenant), records, Window(limit=50), Filter())
        assert store.connection.round_trips - before == 1
        assert page.total == touchpoints + 1
        assert page.returned == min(50, touchpoints + 1)


async def test_a_whole_context(own_store: Store, tenant: str) -> None:
    store = own_store
    await ten_identities(store, tenant, touchpoints=100)
    monitor = Monitor(store, [])
    before = store.connection.round_trips
    found = await find(store, tenant, [parse_identity("user:anna")])
    made = await assemble(store, monitor, tenant, found, wanted=ContextSelection(), now=NOON + 1000 * SECOND)
    context = made.view
    spent = store.connection.round_trips - before
    assert context.customer is not None
    assert len(context.customer.identities) == 10
    assert spent <= 8


async def test_whether_a_context_still_holds(own_store: Store, tenant: str) -> None:
    """Validation takes one round trip and fails after any message, link or handoff."""
    store = own_store
    await ten_identities(store, tenant)
    monitor = Monitor(store, [])
    asked = [parse_identity("user:anna")]

    async def basis() -> Validator:
        watch = ReadLog(store.connection)
        found = await find(store, tenant, asked, reads=watch)
        made = await assemble(store, monitor, tenant, found, wanted=ContextSelection(), now=NOON, watch=watch)
        assert made.basis is not None
        return made.basis

    for number, change in enumerate(
        (
            touchpoint("said", "user:anna", at=NOON + 1),
            touchpoint("linked", "user:anna", "email:another@example.com", at=NOON + 2),
            touchpoint("changed", "user:anna", type="message.edited", amends="said", text="Other words"),
        )
    ):
        known = await basis()
        holds, spent = await counted(store, partial(is_still, store, monitor, known, NOON))
        assert (holds, spent) == (True, 1), number
        await record_all(store, tenant, [change])
        assert not await is_still(store, monitor, known, NOON), number


async def test_a_reader_beside_many_writers_sees_whole_statements(own_store: Store, tenant: str) -> None:
    """While links are made, each touchpoint is in exactly one customer's timeline."""
    store = own_store
    people = [f"user@s{n}:u" for n in range(6)]
    await record_all(store, tenant, [touchpoint(f"of {it}", it) for it in people])

    async def join() -> None:
        sure = [handle(it, Assurance.VERIFIED) for it in people]
        for one, other in pairwise(sure):
            await record_all(store, tenant, [touchpoint(f"{one.identity} {other.identity}", one, other)])

    async def look() -> None:
        while not done.is_set():
            for name in people:
                found = await find(store, tenant, [parse_identity(name)])
                assert found.customer is not None
                members = {str(it.identity) for it in found.customer.members}
                assert name in members
                assert members == set(people[: len(members)]) or len(members) == 1

    done = asyncio.Event()
    looking = asyncio.create_task(look())
    await join()
    done.set()
    await looking
    found = await find(store, tenant, [parse_identity(people[0])])
    assert found.customer is not None
    assert len(found.customer.members) == 6
