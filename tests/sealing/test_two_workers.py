"""Workers of a sealed store leave things for each other: pieces of card numbers, and checkpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from handoff.domain.clock import MINUTE
from handoff.services.context.remembered.keeping import MIN_KEPT, restored
from handoff.services.context.remembered.recollection import Recollection
from handoff.services.timeline.reading import TimelineEntry
from handoff.store.repositories.timelines import Row, Window, read_rows
from handoff.store.store import Store
from tests.handoffs.test_recollections import context, customer_of
from tests.redaction.test_workers import PIECES, piece, record_in, texts
from tests.samples import NOON, record_all, touchpoint

from .conftest import opened_sealed, sealing

TEXT = "The washing machine leaks again. Where is my refund for A-17?"


@pytest.fixture
async def workers(valkey: str, keys_folder: Path, tenant: str) -> AsyncIterator[tuple[Store, Store]]:
    keys = sealing(keys_folder)
    async with opened_sealed(valkey, keys, tenant) as one, opened_sealed(valkey, keys, tenant) as other:
        yield one, other


@pytest.mark.parametrize("batched", [False, True])
async def test_a_card_number_in_pieces_is_masked_by_any_worker(
    workers: tuple[Store, Store], tenant: str, batched: bool
) -> None:
    """A worker opens what the other one sealed."""
    ids = []
    for number, text in enumerate(PIECES):
        worker = workers[number % 2]
        ids.append((await record_in(worker, tenant, piece(number, text), batched=batched)).id)
    assert await texts(workers[0], tenant, ids) == ["5555", "5555", "5555", "****"]


async def test_a_checkpoint_opens_for_a_worker_with_the_keys_only(
    workers: tuple[Store, Store], tenant: str
) -> None:
    one, other = workers
    long = [touchpoint(f"m{n}", at=NOON + n * MINUTE, text=f"{TEXT} {n}") for n in range(MIN_KEPT + 10)]
    await record_all(one, tenant, long)
    expected = await context(one, tenant)
    await one.behind.done()
    members = (await customer_of(other, tenant)).members
    checkpoint = await other.connection.call("GET", other.keys.checkpoint(members[0].key))
    assert checkpoint is not None
    assert b"washing" not in checkpoint

    def never(_row: Row) -> TimelineEntry:
        raise AssertionError("nothing is decoded")

    episodes = {it.key: it.episodes for it in members}
    page = await read_rows(other.connection, other.keys, list(episodes), Window(limit=1_000))
    read = Recollection(episodes=episodes, rows=page.rows)
    assert await restored(other, tenant, read, checkpoint, never) is not None
    sealed_only = replace(read, rows=[(raw, home, None) for raw, home, _lock in page.rows])
    assert await restored(other, tenant, sealed_only, checkpoint, never) is None
    assert await context(other, tenant) == expected
