"""Every operation that shows or changes personal data leaves an entry, and none is undeclared."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from handoff.api.operations import OPERATIONS
from handoff.api.operations.operation import Audited, NotAudited
from handoff.domain.continuity.forms import write_digits
from handoff.services.continuity.guessing import LIMITS
from tests.access.conftest import stream_of
from tests.access.test_walk import LIVE, body_of, path_of, planted
from tests.api.conftest import secret
from tests.api.test_quarantine import put

from .conftest import Callers, entries

SENT_ELSEWHERE = {"deliver", "deliverBelow"}
"""Deliveries have their sources' own credentials."""


def test_every_operation_declares_whether_it_is_audited() -> None:
    undeclared = [it.id for it in OPERATIONS if it.audit is None]
    assert not undeclared, "say Audited(kind of the resource) or NotAudited(why)"


def test_only_these_operations_are_not_audited() -> None:
    assert {it.id for it in OPERATIONS if isinstance(it.audit, NotAudited) and not it.public} == {
        "recordTouchpoints",
        "describeStore",
        "readCurrentSession",
        "listSources",
        "readSource",
        "readStatus",
    }


async def test_every_audited_operation_leaves_an_entry(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    ids = await planted(callers)
    missing = []
    for operation in OPERATIONS:
        if operation.public or operation.tag == LIVE:
            continue
        before = len(entries(root))
        answer = await callers.call(
            operation.method,
            path_of(operation, ids),
            body_of(operation, ids),
            token="admin",
            headers={"Handoff-Tenant": callers.tenant},
        )
        assert answer.status < 500, (operation.id, answer.raw)
        added = entries(root)[before:]
        made = [
            it for it in added if it["action"] != "completeErasure"
        ]  # work of the server, at its own time
        expected = [operation.id] if isinstance(operation.audit, Audited) else []
        if [it["action"] for it in made] != expected:
            missing.append((operation.id, made))
        if made and answer.status < 300:
            assert made[0]["outcome"] == "ok"
            assert made[0]["request_id"] == answer.headers["Handoff-Request-Id"]
            assert made[0]["tenant"] == callers.tenant
    assert not missing


async def test_every_stream_leaves_an_entry_before_its_first_byte(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    ids = await planted(callers)
    for operation in (it for it in OPERATIONS if it.tag == LIVE):
        headers = {"Authorization": f"Bearer {secret('desk', callers.tenant)}"}
        url, body = callers.url + path_of(operation, ids), body_of(operation, ids)
        async with (
            asyncio.timeout(30),
            callers._session.request(operation.method, url, json=body, headers=headers) as response,
        ):
            assert response.status == 200
            opened = [it for it in entries(root) if it["action"] == operation.id]
            assert opened, operation.id
            assert opened[0]["outcome"] == "ok"
            assert opened[0]["token"] == "desk"


async def test_a_shared_stream_leaves_an_entry_for_each_topic(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    ids = await planted(callers)
    customer = f"customer:{ids['customers']}"
    names = ["queue:hr", "agent:victim", customer, "pending"]
    before = len(entries(root))
    wanted = {"topics": [{"topic": name} for name in names]}
    async with stream_of(callers, "/v1/events", secret("desk", callers.tenant), wanted) as events:
        async with asyncio.timeout(30):
            while (await events.get())[0] != "ready":
                pass
        made = entries(root)[before:]
    opened = [(it["resource"], it["outcome"]) for it in made if it["outcome"] != "pending"]
    assert opened == [(name, "ok") for name in names]
    assert next(it["customers"] for it in made if it["resource"] == customer) == [ids["customers"]]
    listed = [it for it in made if it["outcome"] == "pending"]
    assert {it["resource"] for it in listed} == {"queue:hr", "pending"}
    assert all(it["customers"] for it in listed)
    refused = await callers.post("/v1/events", wanted, token="sales")
    assert refused.status == 403
    last = entries(root)[-1]
    assert (last["action"], last["resource"], last["outcome"]) == ("watchTopics", "queue:hr", "other_queue")


async def test_a_refused_request_leaves_an_entry_with_the_reason(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    ids = await planted(callers)
    answer = await callers.get(f"/v1/handoffs/{ids['handoffs']}", token="sales")
    assert answer.status == 404
    assert entries(root)[-1]["outcome"] == "not_found"
    answer = await callers.get("/v1/tokens")
    assert answer.status == 403
    assert entries(root)[-1]["outcome"] == "missing_scope"


async def test_an_unauthenticated_request_leaves_none(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    answer = await callers.get("/v1/handoffs", token="nobody")
    assert answer.status == 401
    assert not entries(root)


async def test_a_bulk_action_leaves_the_id_of_each_item(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    ids = await put(callers, b"{", b"[")
    operator = {"token": "admin", "headers": {"Handoff-Tenant": callers.tenant}}
    for action, body in (("replay", {"source": "shop"}), ("dismiss", {"ids": [*ids, "anna@example.com"]})):
        before = len(entries(root))
        await callers.ok("POST", f"/v1/quarantine/{action}", body, **operator)
        (entry,) = entries(root)[before:]
        assert entry["resource"] == f"quarantine:{ids[0]},{ids[1]}"
    before = len(entries(root))
    await callers.ok("POST", "/v1/quarantine/dismiss", {"ids": ids}, **operator)
    assert entries(root)[before]["resource"] == "quarantine"


async def test_issuing_a_code_and_guessing_one_leave_entries(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    person = "phone:+358405556666"
    body = {"channel": "phone", "type": "call.started", "occurred_at": "2026-11-21T10:42:00Z"}

    async def sent(event: str, **more: Any) -> None:
        message = {"id": event, "identities": [person], "thread": event, **body, **more}
        await callers.ok("POST", "/v1/touchpoints", message, token="desk")

    await sent("first")
    found = await callers.ok("POST", "/v1/context", {"identities": [person]}, token="desk")
    customer = found["customer"]
    code = await callers.ok("POST", f"/v1/customers/{customer['id']}/continuity", {}, token="desk")
    for guess in range(LIMITS["handle"] + 1):
        digits = write_digits((int(code["digits"][:-1]) + guess + 1) % 10**9)
        await sent(f"guess-{guess}", data={"continuity": digits})
    made = [it for it in entries(root) if "Continuity" in it["action"]]
    assert [(it["action"], it["outcome"]) for it in made] == [
        ("createContinuityCode", "ok"),
        ("guessContinuityCode", "limited"),
    ]
    assert made[0]["customers"] == [customer["id"]]
    assert (made[1]["tenant"], made[1]["resource"]) == (callers.tenant, "source:api")
    assert code["digits"] not in str(made)
    assert code["token"] not in str(made)
