"""Snapshots are assembled once, and shortened without reading the store again."""

from __future__ import annotations

import msgspec
import pytest

from handoff.domain.clock import SECOND
from handoff.domain.handoff import Handoff, Party
from handoff.domain.identity import parse_identity
from handoff.services.context.assembly import assemble
from handoff.services.context.completeness import Monitor
from handoff.services.context.views import ContextSelection
from handoff.services.customers.lookup import LookUp, find
from handoff.services.handoffs.lifecycle import HandoffRequest, Handoffs
from handoff.services.handoffs.records import read_pinned
from handoff.services.handoffs.snapshots import MAX_SNAPSHOT, encode_context
from handoff.services.metrics import Measures
from handoff.store.store import Store
from tests.samples import NOON, record_all, touchpoint


async def record_history(store: Store, tenant: str, *, texts: int, size: int) -> LookUp:
    """A customer with `texts` messages of `size` characters each."""
    messages = [touchpoint(f"e{n}", at=NOON + n * SECOND, text=f"{n} " + "x" * size) for n in range(texts)]
    await record_all(store, tenant, messages)
    return await find(store, tenant, [parse_identity("user:anna")])


async def hand_over(store: Store, tenant: str) -> Handoff:
    wanted = HandoffRequest(
        sender=Party(channel="chat", party="bot"),
        to=Party(queue="support"),
        reason="help",
        by="bot",
        identity=parse_identity("user:anna"),
    )
    return (await Handoffs(store, Monitor(store, []), Measures()).request(tenant, wanted)).handoff


@pytest.mark.parametrize(("texts", "size", "kept"), [(60, 30_000, 1), (60, 10_000, 10), (300, 2_000, 50)])
async def test_a_snapshot_keeps_as_many_touchpoints_as_fit(
    store: Store, tenant: str, texts: int, size: int, kept: int
) -> None:
    await record_history(store, tenant, texts=texts, size=size)
    handoff = await hand_over(store, tenant)
    content = await read_pinned(store.of(tenant).handoffs, handoff.snapshots[0].sha256)
    pinned = msgspec.json.decode(content)
    assert len(content) <= MAX_SNAPSHOT
    assert pinned["timeline"]["returned"] == len(pinned["timeline"]["touchpoints"]) == kept
    assert pinned["left_out"]["touchpoints"] == texts - kept
    assert pinned["left_out"]["timeline_next"] == pinned["timeline"]["next"]


@pytest.mark.parametrize("limit", [1, 2, 39, 40, 41, 500])
async def test_a_shortened_context_equals_one_that_is_assembled_shorter(
    store: Store, tenant: str, limit: int
) -> None:
    look_up = await record_history(store, tenant, texts=40, size=10)
    monitor, now = Monitor(store, []), NOON + 100 * SECOND

    async def assembled(size: int) -> bytes:
        selection = ContextSelection(limit=size)
        return encode_context(
            (await assemble(store, monitor, tenant, look_up, wanted=selection, now=now)).view
        )

    longest = await assemble(store, monitor, tenant, look_up, wanted=ContextSelection(limit=500), now=now)
    assert longest.shortened is not None
    assert encode_context(longest.shortened(limit)) == await assembled(limit)


async def test_a_large_context_is_read_as_often_as_a_small_one(store: Store) -> None:
    spent = []
    for tenant, size in (("small", 10), ("large", 90_000)):
        await record_history(store, tenant, texts=20, size=size)  # too few for a checkpoint
        before = store.connection.round_trips
        await hand_over(store, tenant)
        spent.append(store.connection.round_trips - before)
    assert spent[0] == spent[1]
