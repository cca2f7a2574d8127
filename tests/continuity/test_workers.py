"""Codes at several workers of one store: one use wins, and a crash after it loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from handoff.domain.clock import SECOND
from handoff.domain.continuity.carried import FIELD
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.touchpoint import Touchpoint
from handoff.services.continuity.issuing import CodeWish, IssuedCode, issue
from handoff.services.continuity.recognising import recognise
from handoff.services.customers.lookup import find
from handoff.store.store import Store
from tests.conftest import opened
from tests.redaction.test_workers import record_in
from tests.samples import NOON, record_all, timeline, touchpoint

CODES = 5


@pytest.fixture
async def workers(valkey: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two workers of one store."""
    async with opened(valkey) as one, opened(valkey) as other:
        yield one, other


async def issued(store: Store, tenant: str, **wish: Any) -> IssuedCode:
    """A code for Anna's conversation."""
    await record_all(store, tenant, [touchpoint("annas", at=NOON, thread="annas")])
    found = await find(store, tenant, [Identity("user", "", "anna")])
    assert found.customer is not None
    return await issue(store, tenant, found.customer, CodeWish(by="agent:mia", **wish))


def carrying(code: IssuedCode, who: str, thread: str | None = None) -> Touchpoint:
    handle = Handle(Identity("anonymous", "app", who), Assurance.VERIFIED)
    text = f"Hello #H-{code.token}"
    return touchpoint(f"of {who}", handle, at=NOON + SECOND, text=text, thread=thread or who)


async def state(store: Store, tenant: str, who: str) -> str:
    (view,) = await timeline(store, tenant, f"anonymous@app:{who}")
    return str(view.data[FIELD]["state"])


@pytest.mark.parametrize("thread", [None, "annas"], ids=["own threads", "one thread"])
@pytest.mark.parametrize("batched", [False, True])
async def test_of_two_touchpoints_at_two_workers_one_uses_the_code(
    workers: tuple[Store, Store], tenant: str, batched: bool, thread: str | None
) -> None:
    for number in range(CODES):
        code = await issued(workers[0], tenant)
        people = [f"{name}{number}" for name in ("ben", "zoe")]
        recording = [
            record_in(worker, tenant, carrying(code, who, thread), batched=batched)
            for worker, who in zip(workers, people, strict=True)
        ]
        await asyncio.gather(*recording)
        states = [await state(workers[0], tenant, who) for who in people]
        assert sorted(states) == ["joined", "used"]


@pytest.mark.parametrize("batched", [False, True])
async def test_a_crash_between_the_use_and_the_touchpoint_is_made_up_by_the_retry(
    workers: tuple[Store, Store], tenant: str, batched: bool
) -> None:
    one, other = workers
    code = await issued(one, tenant)
    message = carrying(code, "ben")
    (used,) = await recognise(one, tenant, [message])  # and the worker dies
    assert used.continuation is not None
    result = await record_in(other, tenant, message, batched=batched)
    assert result.status == "accepted"
    assert (await record_in(one, tenant, message, batched=batched)).status == "duplicate"
    assert await state(one, tenant, "ben") == "joined"
    assert await find(one, tenant, [Identity("user", "", "anna")])
    (view,) = [it for it in await timeline(one, tenant, "anonymous@app:ben") if FIELD in it.data]
    assert view.text == "Hello #H-…"


@pytest.mark.parametrize("batched", [False, True])
async def test_a_retry_at_the_other_worker_at_the_same_time_is_one_use(
    workers: tuple[Store, Store], tenant: str, batched: bool
) -> None:
    code = await issued(workers[0], tenant, max_uses=2)
    message = carrying(code, "ben")
    results = await asyncio.gather(*(record_in(it, tenant, message, batched=batched) for it in workers))
    assert sorted(it.status for it in results) == ["accepted", "duplicate"]
    await record_in(workers[0], tenant, carrying(code, "zoe"), batched=batched)
    assert [await state(workers[1], tenant, who) for who in ("ben", "zoe")] == ["joined", "joined"]


async def test_codes_work_on_every_kind_of_store(store: Store, tenant: str) -> None:
    code = await issued(store, tenant)
    await record_in(store, tenant, carrying(code, "ben"), batched=True)
    assert await state(store, tenant, "ben") == "joined"
    again = await issued(store, tenant)
    assert again.digits != code.digits
