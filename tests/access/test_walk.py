"""Every operation and every stream, walked by foreign callers: not one byte of what is not theirs.

The walk covers the table of operations. A new operation needs an entry here before it can be forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from handoff.api.operations import OPERATIONS
from handoff.api.operations.operation import Operation
from handoff.services.access.principal import SCOPES
from tests import serving
from tests.access.conftest import Callers, opened
from tests.api.conftest import secret

CANARY = "canary-of-hr"
"""In everything that belongs to the queue `hr` of the first tenant, and in nothing else."""

BODIES: dict[str, Any] = {
    "lookUp": {"identities": ["user:anna"]},
    "recordTouchpoints": None,
    "requestHandoff": {"customer_id": "{customer}", "to": {"queue": "sales"}, "reason": "x"},
    "offerHandoff": {"version": 1, "agent": "eve"},
    "acceptHandoff": {"version": 1, "agent": "eve"},
    "declineHandoff": {"version": 1},
    "releaseHandoff": {"version": 1},
    "completeHandoff": {"version": 1},
    "withdrawHandoff": {"version": 1},
    "viewedHandoff": {},
    "requestCallback": {"phone": "+358401234567", "customer_id": "{customer}"},
    "rescheduleCallback": {"due": "2031-01-01T00:00:00Z"},
    "cancelCallback": {},
    "confirmPromise": {"reason": "x"},
    "dismissPromise": {"reason": "x"},
    "confirmComplaint": {"reason": "x"},
    "dismissComplaint": {"reason": "x"},
    "dismissAnnouncement": {"reason": "x"},
    "createLink": {"identity": "user:eve", "reason": "x"},
    "withdrawLink": {"reason": "x"},
    "splitCustomer": {"identities": ["user:anna"], "reason": "x"},
    "assignTouchpoint": {"identity": "user:eve", "reason": "x"},
    "separateTouchpoint": {"reason": "x"},
    "createContinuityCode": {"channel": "phone"},
    "revealTouchpoint": {"reason": "x"},
    "markShared": {"identity": "user:eve", "reason": "x"},
    "subscribe": {"url": "https://example.com/"},
    "changeWebhook": {"name": "eve"},
    "replayWebhook": {"since": "2026-01-01T00:00:00Z"},
    "testWebhook": None,
    "openSession": {"agent": "eve", "scopes": []},
    "createToken": {"name": "eve", "scopes": []},
    "rotateToken": {},
    "replayQuarantined": None,
    "tryQuarantined": None,
    "replayManyQuarantined": {"source": "shop"},
    "dismissManyQuarantined": {"source": "shop"},
    "reloadConfiguration": None,
    "watchTopics": {"topics": [{"topic": "pending"}, {"topic": "agent:victim"}]},
}
"""A body for each operation that changes something, or None where it takes none or changes only its own."""

QUERIES = {
    "lookUpByQuery": "?identity=user:anna",
    "endSessions": "?agent=victim",
    "exportCustomer": "?format=json",
    "exportConversation": "?internal=true",
}
LIVE = "Live"
OWN = {"readCurrentSession", "describeStore"}
"""Operations whose answer is about the caller alone."""


async def planted(callers: Callers) -> dict[str, str]:
    """Resources of the queue `hr`, by the name of the parameter and the first part of the path."""
    texts = {"text": CANARY, "thread": CANARY}
    stored = await callers.record("secret", **texts)
    promised = await callers.record("promise", type="promise.made", **texts)
    complained = await callers.record("complaint", type="complaint.opened", **texts)
    handoff = await callers.hand_over("user:anna", "hr", CANARY, context=CANARY)
    callback = await callers.ok(
        "POST", "/v1/callbacks", {"phone": "+358401234567", "identity": "user:anna", "reason": CANARY}
    )
    session = await callers.session(agent="victim")
    customer = handoff["customer_id"]
    linked = await callers.ok(
        "POST", f"/v1/customers/{customer}/links", {"identity": "email:a@example.com", "reason": CANARY}
    )
    hook = await callers.ok(
        "POST", "/v1/webhooks", {"url": f"https://example.com/{CANARY}", "types": ["handoff.*"]}
    )
    key = await callers.ok(
        "POST", "/v1/tokens", {"name": CANARY, "scopes": []}, token="admin", headers=_in(callers.tenant)
    )
    return {
        "customers": customer,
        "handoffs": handoff["id"],
        "conversations": handoff["conversation_id"],
        "touchpoints": stored["ids"][0],
        "callbacks": callback["id"],
        "sessions": session["id"],
        "webhooks": hook["id"],
        "tokens": key["id"],
        "link": linked["id"],
        "promise": promised["ids"][0],
        "complaint": complained["ids"][0],
        "quarantine": "00",
        "queues": "hr",
        "agents": "victim",
    }


def _in(tenant: str) -> dict[str, str]:
    return {"Handoff-Tenant": tenant}


def path_of(operation: Operation, ids: dict[str, str]) -> str:
    kind = operation.path.split("/")[2]
    path = operation.path.replace("{id}", ids.get(kind, "x")).replace("{name}", ids.get(kind, "x"))
    for name in ("link", "promise", "complaint", "code", "announcement"):
        path = path.replace(f"{{{name}}}", ids.get(name, "x"))
    return path + QUERIES.get(operation.id, "")


def body_of(operation: Operation, ids: dict[str, str]) -> Any:
    if operation.method not in ("POST", "PATCH"):
        return None
    assert operation.id in BODIES, f"{operation.id} is new: say how a foreign caller would use it"
    text = msgspec.json.encode(BODIES[operation.id]).decode().replace("{customer}", ids["customers"])
    return msgspec.json.decode(text)


async def walked(callers: Callers, ids: dict[str, str], token: str) -> list[tuple[str, int]]:
    """The status of every operation; fails at the first foreign byte."""
    statuses = []
    for operation in OPERATIONS:
        if operation.public or operation.tag == LIVE:
            continue
        path, body = path_of(operation, ids), body_of(operation, ids)
        answer = await callers.call(operation.method, path, body, token=token)
        assert CANARY.encode() not in answer.raw, (token, operation.id, answer.raw)
        for id_ in ids.values():
            mine = id_ in path or (body is not None and id_ in str(body)) or len(id_) < 8
            assert mine or id_.encode() not in answer.raw, (token, operation.id, id_)
        assert answer.status < 500, (operation.id, answer.raw)
        if operation.id not in OWN and "{id}" in operation.path:
            assert answer.status in (403, 404), (token, operation.id, answer.status, answer.raw)
        statuses.append((operation.id, answer.status))
    return statuses


async def streamed(callers: Callers, ids: dict[str, str], token: str) -> None:
    """Open every stream as a foreigner while hr works: nothing of it arrives."""
    received, more = b"", asyncio.Event()

    async def listen(operation: Operation) -> None:
        nonlocal received
        headers = {"Authorization": f"Bearer {secret(token, callers.tenant)}"}
        url, body = callers.url + path_of(operation, ids), body_of(operation, ids)
        async with callers._session.request(operation.method, url, json=body, headers=headers) as response:
            async for part in response.content.iter_any():
                received += part
                more.set()

    streams = [it for it in OPERATIONS if it.tag == LIVE]
    assert len(streams) == 4

    async def arrived(words: bytes) -> None:
        async with asyncio.timeout(30):
            while words not in received:
                more.clear()
                await more.wait()

    listening = [asyncio.create_task(listen(it)) for it in streams]
    try:
        await arrived(b"event: ready")  # the agent's stream, which every caller may open
        handoff = await callers.hand_over("user:carl", "hr", CANARY)
        await callers.move(handoff, "accept", agent="victim", reason=CANARY)
        await callers.record("later", text=CANARY)
        fence = await callers.hand_over("user:dora", "sales", "fence")
        await callers.move(fence, "accept", agent="victim")
        if token == "sales":  # its own handoff has passed, so all before it would have, too
            await arrived(b"fence")
    finally:
        for task in listening:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*listening)
    assert CANARY.encode() not in received


async def test_another_tenant_sees_and_changes_nothing(callers: Callers) -> None:
    ids = await planted(callers)
    before = await callers.get(f"/v1/handoffs/{ids['handoffs']}")
    await walked(callers, ids, "elsewhere")
    await streamed(callers, ids, "elsewhere")
    assert (await callers.get(f"/v1/handoffs/{ids['handoffs']}")).raw == before.raw
    assert (await callers.ok("GET", "/v1/sessions?agent=victim"))["returned"] == 1


async def test_another_queue_sees_and_changes_nothing(callers: Callers) -> None:
    ids = await planted(callers)
    before = await callers.get(f"/v1/handoffs/{ids['handoffs']}")
    await walked(callers, ids, "sales")
    await streamed(callers, ids, "sales")
    assert (await callers.get(f"/v1/handoffs/{ids['handoffs']}")).raw == before.raw
    assert (await callers.ok("GET", "/v1/sessions?agent=victim"))["returned"] == 1


async def test_another_agents_session_of_another_queue_sees_nothing(callers: Callers) -> None:
    ids = await planted(callers)
    session = await callers.session(agent="sam", queues=["sales"], scopes=["context:read", "handoffs:write"])
    for operation in OPERATIONS:
        if operation.public or operation.tag == LIVE:
            continue
        answer = await callers.as_session(
            operation.method, path_of(operation, ids), session, body_of(operation, ids)
        )
        assert CANARY.encode() not in answer.raw, operation.id


def test_every_operation_asks_for_access_and_none_is_open_by_mistake() -> None:
    """An operation that shows customers' data declares the limits it applies; all others refuse limits."""
    limitless = {it.id for it in OPERATIONS if not it.public and not (it.queues or it.customers)}
    assert limitless == {
        *("listLinks", "listQuarantine", "replayQuarantined", "dismissQuarantined"),
        *("readQuarantined", "tryQuarantined", "replayManyQuarantined", "dismissManyQuarantined"),
        *("listSources", "readSource", "readStatus", "readConfiguration"),
        *("assignTouchpoint", "separateTouchpoint", "listCandidates"),
        *("eraseCustomer", "listErasures", "readErasure"),
        *("holdCustomer", "liftHold", "restrictCustomer", "liftRestriction"),
        *("subscribe", "listWebhooks", "readWebhook", "changeWebhook", "unsubscribe", "testWebhook"),
        *("listDeliveries", "replayWebhook"),
        *("createToken", "listTokens", "rotateToken", "revokeToken", "reloadConfiguration"),
        "searchAudit",
    }
    assert not [it.id for it in OPERATIONS if it.public and (it.queues or it.customers or it.scopes)]


async def test_what_refuses_limits_refuses_them_whatever_the_scopes(valkey: str) -> None:
    scopes = sorted(SCOPES - {"admin"})
    async with opened(valkey) as callers:
        tokens = [
            serving.token("wide-queues", callers.tenant, *scopes, queues=["sales"]),
            serving.token("wide-bot", callers.tenant, *scopes, audience="customer"),
        ]
        added = [msgspec.convert(it, serving_token()).token() for it in tokens]
        access = callers.server.site.credentials.access
        known = [token for token, _principal in access._by_hash.values()]
        access.replace([*known, *added], [callers.tenant, callers.other])
        for operation in OPERATIONS:
            if operation.public or operation.scopes == ("admin",):
                continue
            for token, allowed in (("wide-queues", operation.queues), ("wide-bot", operation.customers)):
                if allowed:
                    continue
                path = path_of(operation, {"link": "x"})
                answer = await callers.call(operation.method, path, {}, token=token)
                assert (answer.status, answer.code) == (403, "limited_token"), operation.id


def serving_token() -> Any:
    from handoff.bootstrap.settings import TokenSettings

    return TokenSettings
