"""Interrupted changes: at no step is a change half visible, and repeating it completes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from handoff.codec.keyed_hash import EVIDENCE
from handoff.domain.errors import StoreUnavailable
from handoff.domain.identity import Assurance, parse_identity
from handoff.services.customers.customer import by_key
from handoff.services.customers.links import Attribution, link, mark_shared, split, withdraw
from handoff.services.timeline.pages import read_timeline
from handoff.services.timeline.reading import Filter
from handoff.services.timeline.recording import prepare, record
from handoff.store.connection import Connection
from handoff.store.repositories.timelines import Window
from handoff.store.settings import StoreSettings
from handoff.store.store import Store, open_store
from tests.conftest import opened
from tests.samples import NOON, handle, record_all, touchpoint

BY = Attribution(who="agent:lisa", reason="confirmed by phone")
PEOPLE = ("user:anna", "email:anna@example.com", "phone:+358401234567", "anonymous:a1", "user:bert")


class Cut(Connection):
    """The connection of a process that dies after a number of round trips."""

    left: int | None = None

    async def _run(self, attempt: Any, transport: Any) -> Any:
        if self.left is not None:
            if not self.left:
                raise StoreUnavailable("this process is gone", reason="cut")
            self.left -= 1
        return await super()._run(attempt, transport)


@asynccontextmanager
async def dying(url: str, after: int) -> AsyncIterator[Store]:
    chosen = StoreSettings(url=url)
    async with Cut(chosen) as connection, open_store(chosen, connection) as store:
        connection.left = after
        yield store
        connection.left = None


async def begin(store: Store, tenant: str) -> None:
    """Anna with an email and a browser; a phone and Bert are separate."""
    sure = handle("email:anna@example.com", Assurance.VERIFIED)
    await record_all(
        store,
        tenant,
        [
            touchpoint("hello", "user:anna", sure, "anonymous:a1"),
            touchpoint("mail", sure, at=NOON + 1),
            touchpoint("page", "anonymous:a1", at=NOON + 2),
            touchpoint("call", handle("phone:+358401234567", Assurance.VERIFIED), at=NOON + 3),
            touchpoint("other", "user:bert", at=NOON + 4),
        ],
    )


async def state(store: Store, tenant: str) -> tuple[dict[str, Any], int]:
    """The customers with their timelines, and the number of recorded changes."""
    found: dict[str, Any] = {}
    bookkeeping = set()
    for name in PEOPLE:
        customer = await by_key(store, tenant, store.hashes(tenant).identity(parse_identity(name)))
        records = {it.key: it for it in customer.members}
        view = await read_timeline(
            store, store.hashes(tenant), records, Window(limit=100, ascending=True), Filter()
        )
        bookkeeping |= {it.id for it in view.touchpoints if it.type.startswith("identity.")}
        found[name] = (
            sorted(str(it.identity) for it in customer.members),
            [it.text for it in view.touchpoints if not it.type.startswith("identity.")],
        )
    return found, len(bookkeeping)


Change = Callable[[Store, str], Awaitable[object]]


async def _id(store: Store, tenant: str, name: str) -> str:
    return (await by_key(store, tenant, store.hashes(tenant).identity(parse_identity(name)))).id


async def linking(store: Store, tenant: str) -> object:
    id_ = await _id(store, tenant, "user:anna")
    phone = parse_identity("phone:+358401234567")
    return await link(store, tenant, id_, phone, BY, assurance=Assurance.VERIFIED, dry_run=False, now=NOON)


async def linking_again(store: Store, tenant: str) -> object:
    id_ = await _id(store, tenant, "user:anna")
    return await link(
        store,
        tenant,
        id_,
        parse_identity("anonymous:a1"),
        BY,
        assurance=Assurance.VERIFIED,
        dry_run=False,
        now=NOON,
    )


async def _withdrawing(store: Store, tenant: str, statement: str) -> object:
    customer = await by_key(store, tenant, store.hashes(tenant).identity(parse_identity("user:anna")))
    browser = store.hashes(tenant).identity(parse_identity("anonymous:a1"))
    piece = next(it for it in customer.evidence() if it.statement == statement and it.touches({browser}))
    public = store.hashes(tenant).public(EVIDENCE, piece.one, piece.id)
    return await withdraw(store, tenant, customer.id, public, BY, dry_run=False, now=NOON)


async def withdrawing(store: Store, tenant: str) -> object:
    return await _withdrawing(store, tenant, "same")


async def withdrawing_a_split(store: Store, tenant: str) -> object:
    return await _withdrawing(store, tenant, "not_same")


async def splitting(store: Store, tenant: str) -> object:
    id_ = await _id(store, tenant, "user:anna")
    out = [parse_identity("anonymous:a1")]
    return await split(store, tenant, id_, out, BY, dry_run=False, now=NOON)


async def marking(store: Store, tenant: str) -> object:
    return await mark_shared(
        store, tenant, parse_identity("email:anna@example.com"), BY, shared=True, now=NOON
    )


async def recording(store: Store, tenant: str) -> object:
    sure = handle("phone:+358401234567", Assurance.VERIFIED)
    return await record(store, tenant, [touchpoint("both", "user:anna", sure, at=NOON + 9)])


async def nothing(store: Store, tenant: str) -> object:
    return None


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (nothing, linking),
        (splitting, linking_again),
        (nothing, withdrawing),
        (nothing, splitting),
        (splitting, withdrawing_a_split),
        (nothing, marking),
        (nothing, recording),
    ],
    ids=lambda it: it.__name__,
)
async def test_cut_off_at_any_step(quick: str, tenant: str, before: Change, change: Change) -> None:
    async with opened(quick) as store:
        await begin(store, tenant)
        await before(store, tenant)
        old, _ = await state(store, tenant)
        await change(store, tenant)
        new, recorded = await state(store, tenant)
        assert new != old
        steps, seen = 0, set()
        while True:
            again = f"{tenant}-{steps}"
            await begin(store, again)
            await before(store, again)
            async with dying(quick, steps) as process:
                try:
                    await change(process, again)
                    finished = True
                except StoreUnavailable:
                    finished = False
            now, _ = await state(store, again)
            assert now in (old, new), f"after {steps} round trips"
            seen.add(now == new)
            await change(store, again)
            assert await state(store, again) == (new, recorded), "repeated"
            if finished:
                break
            steps += 1
        assert steps > 0
        assert seen == {True, False}


async def test_a_pointer_without_its_evidence_has_no_effect(quick: str, tenant: str) -> None:
    """On a Cluster pointers are written before the touchpoint that proves the link, in another slot."""
    async with opened(quick) as store:
        await begin(store, tenant)
        old = await state(store, tenant)
        sure = handle("phone:+358401234567", Assurance.VERIFIED)
        both = touchpoint("both", "user:anna", sure, at=NOON + 9)
        item = prepare(both, store.hashes(tenant), store.keys)
        await store.recorder.point(list(item.pointers))
        assert await state(store, tenant) == old
        await record_all(store, tenant, [both])
        assert (await state(store, tenant))[0]["phone:+358401234567"][0] == sorted(
            ["user:anna", "email:anna@example.com", "anonymous:a1", "phone:+358401234567"]
        )
