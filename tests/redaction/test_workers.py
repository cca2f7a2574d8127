"""Card numbers typed in several messages that reach different workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from handoff.domain.clock import SECOND
from handoff.domain.touchpoint import Touchpoint
from handoff.services.timeline.batching import Intake
from handoff.services.timeline.earlier import continuing
from handoff.services.timeline.pages import read_touchpoint
from handoff.services.timeline.recording import Result, record
from handoff.store.store import Store
from tests.conftest import opened
from tests.samples import NOON, handle, touchpoint

PIECES = ("5555", "5555", "5555", "4444")


@pytest.fixture
async def workers(valkey: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two workers of one store."""
    async with opened(valkey) as one, opened(valkey) as other:
        yield one, other


def piece(number: int, text: str, thread: str = "chat", after_s: int = 5) -> Touchpoint:
    at = NOON + number * after_s * SECOND
    return touchpoint(f"{thread}-{number}", handle("user:anna"), at=at, text=text, thread=thread)


async def record_in(store: Store, tenant: str, message: Touchpoint, *, batched: bool) -> Result:
    if batched:
        (result,) = await Intake(store).record(tenant, lambda: [message])
    else:
        (result,) = await record(store, tenant, [message])
    assert result.ok, result
    return result


async def texts(store: Store, tenant: str, ids: Sequence[str]) -> list[str | None]:
    return [(await read_touchpoint(store, tenant, it)).text for it in ids]


@pytest.mark.parametrize("batched", [False, True])
async def test_the_piece_that_completes_a_number_is_masked_by_any_worker(
    workers: tuple[Store, Store], tenant: str, batched: bool
) -> None:
    ids = []
    for number, text in enumerate(PIECES):
        worker = workers[number % 2]
        ids.append((await record_in(worker, tenant, piece(number, text), batched=batched)).id)
    assert await texts(workers[0], tenant, ids) == ["5555", "5555", "5555", "****"]


@pytest.mark.parametrize("batched", [False, True])
async def test_a_retry_at_the_other_worker_is_a_duplicate(
    workers: tuple[Store, Store], tenant: str, batched: bool
) -> None:
    one, other = workers
    await record_in(one, tenant, piece(0, "it is 5555 5555 5555"), batched=batched)
    first = await record_in(other, tenant, piece(1, "4444, thanks"), batched=batched)
    for worker in workers:
        again = await record_in(worker, tenant, piece(1, "4444, thanks"), batched=batched)
        assert (again.status, again.id) == ("duplicate", first.id)
    assert await texts(one, tenant, [first.id]) == ["****, thanks"]


async def test_other_threads_and_old_messages_are_not_continued(
    workers: tuple[Store, Store], tenant: str
) -> None:
    one, other = workers
    await record_in(one, tenant, piece(0, "5555 5555 5555"), batched=False)
    elsewhere = await record_in(other, tenant, piece(1, "4444", thread="another"), batched=False)
    late = await record_in(other, tenant, piece(1, "4444", after_s=601), batched=False)
    assert await texts(one, tenant, [elsewhere.id, late.id]) == ["4444", "4444"]


async def test_a_message_in_between_ends_the_number(workers: tuple[Store, Store], tenant: str) -> None:
    one, other = workers
    await record_in(one, tenant, piece(0, "order 5555 5555 5555"), batched=False)
    await record_in(other, tenant, piece(1, "and where is it?"), batched=False)
    last = await record_in(one, tenant, piece(2, "4444 is the code of my door"), batched=False)
    assert await texts(one, tenant, [last.id]) == ["4444 is the code of my door"]


def test_the_store_is_asked_for_few_messages() -> None:
    usual = [
        "hello",
        "Where is my order 12345?",
        "2 pizzas",
        "ok",
        "10.",
        "",
        "\U0001f44d",
        "Order 5555 5555",
    ]
    assert continuing([piece(at, text) for at, text in enumerate(usual)]) == []
    asking = ["5555", " 5555 4444", "(4444)", "123456789012"]
    assert len(continuing([piece(at, text) for at, text in enumerate(asking)])) == len(asking)
