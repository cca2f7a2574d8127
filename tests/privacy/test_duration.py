"""10 000 touchpoints: out of sight within a second, gone within five."""

from __future__ import annotations

from pathlib import Path

from handoff.services.customers.customer import by_key
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.erasure import ErasureOrder, read_erasure, request_erasure
from handoff.services.privacy.journal import Journal
from handoff.services.timeline.recording import record
from handoff.store.store import Store
from tests.samples import NOON, handle, touchpoint
from tests.stopwatch import Stopwatch

from .test_interrupted import handoffs_of

TOUCHPOINTS = 10_000


async def test_a_long_history_is_erased_quickly(own_store: Store, tenant: str, tmp_path: Path) -> None:
    events = [
        touchpoint(f"m{at}", "user:anna", at=NOON + at, thread=f"t{at % 50}") for at in range(TOUCHPOINTS)
    ]
    await record(own_store, tenant, events, bulk=True)
    key = own_store.hashes(tenant).identity(handle("user:anna").identity)
    customer = await by_key(own_store, tenant, key)
    order = ErasureOrder(customer_id=customer.id, by="officer", reason="")
    watch = Stopwatch()
    erasure = await request_erasure(own_store, tenant, order, Journal(tmp_path))
    hidden_s = watch.seconds
    await Eraser(own_store, handoffs_of(own_store), [tenant]).run_open()
    gone_s = watch.seconds
    done = await read_erasure(own_store, tenant, erasure.id)
    assert (done.done, done.counts["touchpoints"]) == (True, TOUCHPOINTS)
    print(f"hidden after {hidden_s:.3f} s, gone after {gone_s:.2f} s")
    assert hidden_s <= 1
    assert gone_s <= 5
