"""Contexts that are assembled in slices, while the customer's history changes between two of them."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Generator
from typing import TypeVar

import msgspec
import pytest

from handoff.bootstrap.language_packs import load_packs
from handoff.domain.brief import BriefRules, SourceRules
from handoff.domain.clock import MINUTE
from handoff.domain.identity import Assurance
from handoff.services.access.reader import EVERYTHING
from handoff.services.context.remembered.keeping import MIN_KEPT
from handoff.services.export.customer import export_touchpoints
from handoff.store.pacing.pace import Pace
from handoff.store.store import Store
from tests.samples import NOON, record_all, touchpoint

from .test_checkpoints import check, forget, kept, many, without
from .test_recollections import context, customer_of, from_scratch, recollection

PACKS = load_packs()
T = TypeVar("T")


@pytest.fixture
def store(own_store: Store) -> Store:
    """A store whose clock has moved on by a second at each look: every step of long work is a slice."""
    own_store.brief_rules = BriefRules(packs=PACKS)
    own_store.pace = Pace(itertools.count(1.0).__next__)
    return own_store


async def arriving(store: Store, tenant: str, count: int) -> None:
    """Touchpoints that arrive one after the other: later ones, and some that are late."""
    for number in range(count):
        minute = 5_000 + number if number % 3 else number
        at = NOON + minute * MINUTE
        await record_all(store, tenant, [touchpoint(f"new{number}", at=at, text=f"And A-{number}?")])


class Held(Pace):
    """Its first work waits until it is set free."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.free = asyncio.Event(), asyncio.Event()

    async def run(self, whose: str, steps: Generator[None, None, T]) -> T:
        if not self.reached.is_set():
            self.reached.set()
            await self.free.wait()
        return await super().run(whose, steps)


async def decoding(store: Store) -> None:
    """Return when the first touchpoints have been decoded."""
    while not store.decoded._kept:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


async def test_touchpoints_that_arrive_meanwhile_change_no_context(store: Store, tenant: str) -> None:
    """Each context is that of one moment: its brief, its conversations, and its timeline agree."""
    await record_all(store, tenant, many(random.Random(1), "m", 0, 150))
    looks = [context(store, tenant, limit=500) for _ in range(4)]
    *made, _none = await asyncio.gather(*looks, arriving(store, tenant, 12))
    for raw in made:
        view = msgspec.json.decode(raw)
        shown = {it["id"] for it in view["timeline"]["touchpoints"]}
        copies = {also["id"] for it in view["timeline"]["touchpoints"] for also in it.get("also", ())}
        assert view["timeline"]["returned"] == len(shown)
        assert view["timeline"]["total"] == len(shown | copies)
        lines = [it for name in ("wants", "tried", "answered", "known") for it in view["brief"][name]]
        assert {id_ for it in lines for id_ in it["touchpoints"]} <= shown
        named = {it["conversation_id"] for it in view["timeline"]["touchpoints"]}
        assert {it["id"] for it in view["conversations"]} <= named
    assert await context(store, tenant, limit=500) == await from_scratch(store, tenant, limit=500)
    await check(store, tenant, "afterwards")


async def test_looks_at_one_customer_do_not_disturb_each_other(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(2), "m", 0, 120))
    expected = await from_scratch(store, tenant)
    forget(store)
    for _ in range(2):  # without and with what earlier ones left
        assert set(await asyncio.gather(*(context(store, tenant) for _ in range(5)))) == {expected}


async def test_a_look_that_is_broken_off_leaves_nothing_half_done(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(3), "m", 0, 60))
    await context(store, tenant)
    await arriving(store, tenant, 20)
    for rounds in (1, 5, 20, 60):
        look = asyncio.create_task(context(store, tenant))
        for _ in range(rounds):
            await asyncio.sleep(0)
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
        assert await context(store, tenant) == await from_scratch(store, tenant), rounds


async def test_the_checkpoint_of_a_look_does_not_replace_a_later_look(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(4), "m", 0, MIN_KEPT + 20))
    await context(store, tenant)
    store.pace = held = Held()
    writing = asyncio.create_task(store.behind.done())
    async with asyncio.timeout(10):
        await held.reached.wait()  # it has taken the look, and would pack it now
    await arriving(store, tenant, 2)
    await context(store, tenant)
    later = await recollection(store, tenant)
    held.free.set()
    await writing
    assert await recollection(store, tenant) is later
    assert len(later.rows) == MIN_KEPT + 22
    await check(store, tenant, "afterwards")


async def test_a_look_from_before_an_erasure_leaves_nothing_in_memory(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(5), "m", 0, MIN_KEPT + 20))
    for rounds in (1, 30, 60):
        forget(store)
        look = asyncio.create_task(context(store, tenant))
        async with asyncio.timeout(10):
            await decoding(store)
        for _ in range(rounds):
            await asyncio.sleep(0)
        assert not look.done()
        store.forget_reads()
        await look
        assert not store.decoded._kept, rounds
        assert not store.histories._kept, rounds
        await store.behind.done()
        assert await kept(store, tenant) is None


async def test_what_is_decoded_after_an_erasure_is_not_kept_for_a_look_from_before(
    store: Store, tenant: str
) -> None:
    await record_all(store, tenant, many(random.Random(8), "m", 0, MIN_KEPT + 20))
    await context(store, tenant, limit=500)
    await store.behind.done()  # from the checkpoint, touchpoints are decoded when they are shown
    for rounds in (8, 16, 32):
        store.forget_reads()
        look = asyncio.create_task(context(store, tenant, limit=500))
        async with asyncio.timeout(10):
            while not store.pace._waiting:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0)
        for _ in range(rounds):
            await asyncio.sleep(0)
        assert not look.done()
        store.forget_reads()
        await look
        assert not store.decoded._kept, rounds


async def test_a_checkpoint_is_not_written_by_rules_that_were_replaced(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(6), "m", 0, MIN_KEPT + 20))
    await context(store, tenant)
    writing = asyncio.create_task(store.behind.done())
    for _ in range(5):
        await asyncio.sleep(0)
    store.brief_rules = BriefRules(packs=PACKS, sources={"test": SourceRules(outbound="bot")})
    store.forget_reads()  # as a reload of the configuration does
    await writing
    expected = await without(store, tenant)
    assert await context(store, tenant) == expected


async def test_an_export_has_every_touchpoint_once_while_more_arrive(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(7), "m", 0, 700))
    customer = await customer_of(store, tenant)
    found: list[str] = []

    async def export() -> None:
        async for views, hidden in export_touchpoints(
            store, tenant, customer, Assurance.INFERRED, EVERYTHING
        ):
            assert hidden == 0
            found.extend(it.id for it in views)

    await asyncio.gather(export(), arriving(store, tenant, 10))
    assert len(found) == len(set(found))
    assert 700 <= len(found) <= 710
