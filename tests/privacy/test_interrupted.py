"""A worker may die at any moment of an erasure: another one continues, and the receipt is the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.domain.handoff import Party
from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import Participant
from handoff.services.callbacks.lifecycle import CallbackRequest, request_callback
from handoff.services.context.completeness import Monitor
from handoff.services.customers.customer import by_key
from handoff.services.handoffs.lifecycle import HandoffRequest, Handoffs
from handoff.services.metrics import Measures
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.erasure import (
    STEPS,
    Erasure,
    ErasureOrder,
    job_of,
    read_erasure,
    request_erasure,
)
from handoff.services.privacy.journal import Journal
from handoff.store.store import Store
from tests.conftest import fresh_tenant
from tests.faults.load import Process, client, serving
from tests.samples import NOON, handle, record_all, touchpoint

TOUCHPOINTS = 620  # more than are cleared at once
MOMENTS = [f"{when} {step}" for step in STEPS[:-1] for when in ("before", "after")]
MOMENTS += ["within handoffs", "within others", "within clear"]


class Died(BaseException):
    """The worker's end: nothing after it runs."""


class Crash:
    """Ends a run the first time that it comes to a moment."""

    def __init__(self, moment: str) -> None:
        self.moment = moment
        self.happened = False

    async def __call__(self, where: str) -> None:
        if where == self.moment and not self.happened:
            self.happened = True
            raise Died


def handoffs_of(store: Store) -> Handoffs:
    return Handoffs(store, Monitor(store, []), Measures())


async def live(store: Store, tenant: str) -> bytes:
    """A customer with touchpoints, evidence, a participant, a handoff, and a callback; the key."""
    verified = handle("email:canary@example.org", Assurance.VERIFIED)
    claimed = handle("phone:+358401234567", Assurance.CLAIMED)
    otto = Participant(handle("user:otto").identity, "cc")
    everything = [touchpoint("otto", "user:otto")]
    everything += [touchpoint(f"e{at}", "user:anna", at=NOON + at) for at in range(TOUCHPOINTS - 1)]
    everything.append(touchpoint("all", handle("user:anna"), verified, claimed, participants=(otto,)))
    await record_all(store, tenant, everything)
    wanted = HandoffRequest(
        sender=Party(channel="chat", party="bot"),
        to=Party(queue="sales"),
        reason="canary",
        by="test",
        identity=handle("user:anna").identity,
    )
    await handoffs_of(store).request(tenant, wanted)
    back = CallbackRequest(
        identity=handle("user:anna").identity, phone="+358401234567", reason="canary", by="test"
    )
    await request_callback(store, tenant, back, NOON)
    return store.hashes(tenant).identity(handle("user:anna").identity)


async def begin(store: Store, tenant: str, key: bytes, folder: Path) -> Erasure:
    customer = await by_key(store, tenant, key)
    order = ErasureOrder(customer_id=customer.id, by="officer", reason="asked")
    return await request_erasure(store, tenant, order, Journal(folder))


async def counts_without_a_crash(store: Store, folder: Path) -> dict[str, int]:
    tenant = fresh_tenant()
    erasure = await begin(store, tenant, await live(store, tenant), folder)
    await Eraser(store, handoffs_of(store), [tenant]).run_open()
    return (await read_erasure(store, tenant, erasure.id)).counts


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_crash_ends_in_the_same_receipt(own_store: Store, tmp_path: Path, moment: str) -> None:
    tenant, crash = fresh_tenant(), Crash(moment)
    key = await live(own_store, tenant)
    erasure = await begin(own_store, tenant, key, tmp_path)
    with pytest.raises(Died):
        await Eraser(own_store, handoffs_of(own_store), [tenant], crash).run_open()
    completed = await Eraser(own_store, handoffs_of(own_store), [tenant]).run_open()
    assert completed == 1
    done = await read_erasure(own_store, tenant, erasure.id)
    assert done.done
    assert done.plan == b""
    assert done.counts == {
        "identities": 2,
        "touchpoints": TOUCHPOINTS + 2,
        "handoffs": 1,
        "snapshots": 1,
        "callbacks": 1,
    }
    job = job_of(own_store.hashes(tenant), done.id)
    assert await own_store.graves.left_of(done.homes, job) == 0


async def test_the_receipt_without_a_crash_is_that_with_one(own_store: Store, tmp_path: Path) -> None:
    assert await counts_without_a_crash(own_store, tmp_path) == {
        "identities": 2,
        "touchpoints": TOUCHPOINTS + 2,
        "handoffs": 1,
        "snapshots": 1,
        "callbacks": 1,
    }


async def test_only_one_worker_runs_a_job(own_store: Store, tmp_path: Path) -> None:
    tenant = fresh_tenant()
    erasure = await begin(own_store, tenant, await live(own_store, tenant), tmp_path)
    entered, released = asyncio.Event(), asyncio.Event()

    async def wait(_where: str) -> None:
        entered.set()
        await released.wait()

    first = asyncio.create_task(Eraser(own_store, handoffs_of(own_store), [tenant], wait).run_open())
    await entered.wait()
    assert await Eraser(own_store, handoffs_of(own_store), [tenant]).run_open() == 0
    released.set()
    assert await first == 1
    assert (await read_erasure(own_store, tenant, erasure.id)).done


async def call(server: Process, method: str, path: str, body: Any = None) -> Any:
    async with client() as session:
        data = msgspec.json.encode(body) if body is not None else None
        async with session.request(method, server.url + path, data=data) as response:
            assert response.status < 300, await response.text()
            return await response.json()


async def finished(server: Process, erasure: str) -> Any:
    async with asyncio.timeout(30):
        while True:
            view = await call(server, "GET", f"/v1/erasures/{erasure}")
            if view["state"] == "completed":
                return view
            await asyncio.sleep(0.05)


def traces(data: Path, names: str = "*") -> list[Path]:
    """The files that name the customer."""
    return [it for it in data.rglob(names) if it.is_file() and b"karlsson" in it.read_bytes()]


async def compacted(data: Path) -> None:
    """Wait until the append-only file forgot the customer."""
    async with asyncio.timeout(30):
        while True:
            if not traces(data, "*.aof"):
                return
            await asyncio.sleep(0.1)


async def test_a_server_that_is_killed_while_it_erases(tmp_path: Path) -> None:
    """A real SIGKILL: the next process ends the job, and nothing of the customer is in the store's log."""
    messages = [
        {
            "id": f"m{at}",
            "channel": "chat",
            "type": "message.received",
            "occurred_at": "2026-11-21T10:00:00Z",
            "identities": ["user:canary-karlsson"],
            "text": f"canary song number {at}",
        }
        for at in range(2_000)
    ]
    with serving(tmp_path / "data") as server:
        for at in range(0, len(messages), 500):
            await call(server, "POST", "/v1/touchpoints", messages[at : at + 500])
        found = await call(server, "POST", "/v1/context", {"identities": ["user:canary-karlsson"]})
        customer = found["customer"]["id"]
        erasure = await call(server, "DELETE", f"/v1/customers/{customer}")
        server.kill()
        port = server.port
    with serving(tmp_path / "data", port) as server:
        view = await finished(server, erasure["id"])
        assert view["receipt"]["counts"]["touchpoints"] == 2_000
        again = await call(server, "POST", "/v1/touchpoints", messages[:100])
        assert (again["accepted"], again["duplicates"]) == (0, 100)
        found = await call(server, "POST", "/v1/context", {"identities": ["user:canary-karlsson"]})
        assert found["match"] == "none"
        await compacted(tmp_path / "data")
    assert not traces(tmp_path)
