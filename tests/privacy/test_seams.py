"""Erasures beside other erasures, holds, checkpoints, streams, and the audit trail."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from handoff.domain.errors import Conflict
from handoff.domain.identity import Assurance, parse_identity
from handoff.services.customers.customer import by_key
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.erasure import ErasureOrder, request_erasure
from handoff.services.privacy.journal import Journal
from handoff.services.timeline.recording import record
from handoff.store.store import Store
from tests.api.conftest import secret
from tests.audit.conftest import entries, with_trail
from tests.conftest import fresh_tenant
from tests.samples import handle, record_all, timeline, touchpoint

from .conftest import Api, erase
from .test_interrupted import handoffs_of
from .test_journal import request

NOTICED_S = 5.0  # within which every worker ends the streams of an erased customer


async def test_a_second_erasure_before_the_first_is_done_loses_no_later_history(
    own_store: Store, tmp_path: Path
) -> None:
    """The first job comes to its end after the second erasure, and after the history that follows it."""
    store, tenant, journal = own_store, fresh_tenant(), Journal(tmp_path)
    phone = handle("phone:+358401234567", Assurance.CLAIMED)
    await record_all(store, tenant, [touchpoint("m1", handle("user:anna"), phone)])
    await request(store, tenant, "user:anna", journal)
    for name in ("m2", "m3"):
        now = await store.of(tenant).clock()
        (result,) = await record(store, tenant, [touchpoint(name, "user:anna", at=now)])
        assert result.status == "accepted"
        if name == "m2":
            await request(store, tenant, "user:anna", journal)
    assert await Eraser(store, handoffs_of(store), [tenant]).run_open() == 2
    assert [it.text for it in await timeline(store, tenant, "user:anna")] == ["text of m3"]
    far = store.hashes(tenant).identity(phone.identity)
    assert await store.of(tenant).people.records([far]) == {}, "only the first history named it"


async def test_a_job_that_fails_does_not_stop_the_next(own_store: Store, tmp_path: Path) -> None:
    tenant, journal = fresh_tenant(), Journal(tmp_path)
    await record_all(own_store, tenant, [touchpoint("m1"), touchpoint("m2", "user:otto")])
    for who in ("user:anna", "user:otto"):
        await request(own_store, tenant, who, journal)
    failed = False

    async def fail_once(_where: str) -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise Conflict("copies of the erased data keep coming", code="erasure_unfinished")

    eraser = Eraser(own_store, handoffs_of(own_store), [tenant], fail_once)
    assert [await eraser.run_open() for _ in range(3)] == [1, 1, 0]


async def test_a_held_customer_keeps_identities_that_are_linked_later(api: Api) -> None:
    await api.record("m1", identities=[{"type": "user", "value": "anna", "assurance": "verified"}])
    customer = (await api.context())["customer"]["id"]
    await api.ok("PUT", f"/v1/customers/{customer}/hold", {"reason": "lawsuit"}, token="officer")
    both: list[Any] = [
        {"type": "user", "value": "anna", "assurance": "verified"},
        {"type": "email", "value": "anna@example.com", "assurance": "verified"},
    ]
    await api.record("m2", identities=both)
    current = (await api.context())["customer"]["id"]
    for params in ({}, {"identity": "email:anna@example.com"}):
        answer = await api.call("DELETE", f"/v1/customers/{current}", token="officer", params=params)
        assert (answer.status, answer.code) == (409, "legal_hold"), params


async def test_a_checkpoint_at_any_identity_of_the_customer_goes(api: Api) -> None:
    """Also at one that no evidence ties to the erased identity directly."""
    store, names = api.server.store, ("user:anna", "email:anna@example.com", "phone:+358401234567")
    for at, pair in enumerate((names[:2], names[1:])):
        who = [{"identity": it, "assurance": "verified"} for it in pair]
        identities: list[Any] = [
            {"type": it["identity"].partition(":")[0], "value": it["identity"].partition(":")[2],
             "assurance": "verified"} for it in who
        ]  # fmt: skip
        await api.record(f"m{at}", identities=identities)
    customer = (await api.context())["customer"]
    assert len(customer["identities"]) == 3
    homes = [store.hashes(api.tenant).identity(parse_identity(it)) for it in names]
    for home in homes:
        await store.checkpoints.put(home, b"a derived history", 1_800_000_000)
    await erase(api, customer["id"], identity=names[2])
    for name, home in zip(names, homes, strict=True):
        assert await store.connection.call(b"EXISTS", store.keys.checkpoint(home)) == 0, name


async def test_streams_end_soon_on_workers_that_were_not_asked(api: Api, tmp_path: Path) -> None:
    await api.record("m1")
    customer = (await api.context())["customer"]["id"]
    path = f"{api.url}/v1/customers/{customer}/events"
    headers = {"Authorization": f"Bearer {secret('desk', api.tenant)}"}
    async with asyncio.timeout(20), api._session.get(path, headers=headers) as stream:
        assert stream.status == 200
        await stream.content.readuntil(b"event: ready")
        # Another worker is asked: this one has to notice.
        store = api.server.store
        home = store.hashes(api.tenant).identity(parse_identity("user:anna"))
        order = ErasureOrder(customer_id=(await by_key(store, api.tenant, home)).id, by="officer", reason="")
        await request_erasure(store, api.tenant, order, Journal(tmp_path / "another"))
        async with asyncio.timeout(NOTICED_S):
            rest = await stream.content.read()
    assert b"event: resume" in rest
    assert (await api.get(f"/v1/customers/{customer}/events")).status == 410


async def test_an_erasure_leaves_an_entry_when_it_is_done(valkey: str, tmp_path: Path) -> None:
    root = tmp_path / "audit"
    async with with_trail(valkey, root) as callers:
        await callers.record("m1")
        customer = (await callers.context())["customer"]["id"]
        erasure = await callers.ok(
            "DELETE", f"/v1/customers/{customer}", token="admin", headers={"Handoff-Tenant": callers.tenant}
        )
        async with asyncio.timeout(20):
            while True:
                made = [it for it in entries(root) if it["action"] == "completeErasure"]
                if made:
                    break
                await asyncio.sleep(0.02)
    assert [(it["tenant"], it["resource"], it["customers"], it["token"]) for it in made] == [
        (callers.tenant, f"erasure:{erasure['id']}", [customer], "admin")
    ]


async def test_a_restricted_customer_is_found_in_the_audit_trail(valkey: str, tmp_path: Path) -> None:
    async with with_trail(valkey, tmp_path / "audit") as callers:
        await callers.record("m1")
        customer = (await callers.context())["customer"]["id"]
        tenant = {"Handoff-Tenant": callers.tenant}
        why = {"reason": "accuracy contested"}
        path = f"/v1/customers/{customer}/restriction"
        await callers.ok("PUT", path, why, token="admin", headers=tenant)
        found = await callers.ok("GET", f"/v1/audit?customer={customer}", token="admin", headers=tenant)
    assert "restrictCustomer" in [it["action"] for it in found["entries"]]


async def test_a_late_event_does_not_come_in_with_a_new_one(
    store: Store, tenant: str, tmp_path: Path
) -> None:
    """Two customers name an erased address in one call, one of them before the erasure."""
    mail = handle("email:anna@example.com", Assurance.CLAIMED)
    await record_all(store, tenant, [touchpoint("m1", mail)])
    await request(store, tenant, "email:anna@example.com", Journal(tmp_path))
    await Eraser(store, handoffs_of(store), [tenant]).run_open()
    now = await store.of(tenant).clock()
    late, new = touchpoint("late", "user:otto", mail), touchpoint("new", "user:bert", mail, at=now)
    assert {it.status for it in await record(store, tenant, [late, new])} == {"accepted"}
    home = store.hashes(tenant).identity(mail.identity)
    found = (await store.of(tenant).people.records([home]))[home]
    bert = store.hashes(tenant).identity(parse_identity("user:bert"))
    assert {it.home for it in found.pointers} == {bert}
