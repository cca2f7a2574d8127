"""The running server follows its description: every call here is checked against it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from handoff.api.description.openapi import document
from handoff.api.operations import DOCUMENTED
from handoff.api.operations.operation import Operation
from tests.api.described import ADMIN, Described, described_server, token
from tests.store.servers import valkey_binary

DUE = "2031-05-06T07:08:09.000000Z"
live = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Described]:
    valkey_binary()
    async with described_server(tmp_path_factory.mktemp("described")) as client:
        yield client


def touchpoint(id_: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "channel": "chat",
        "type": "message.received",
        "occurred_at": "2026-03-04T05:06:07Z",
        "identities": ["user:anna"],
        "thread": "t1",
        "text": "Where is my parcel?",
        **more,
    }


def example(operation: Operation) -> str:
    """A path of an operation, with unknown ids."""
    return re.sub(r"\{\w+\}", "nothing", operation.path)


@live
async def test_the_document_is_public_and_has_an_etag(server: Described) -> None:
    first = await server.call("GET", "/openapi.json", token=None)
    assert msgspec.json.decode(first.body) == json.loads(json.dumps(document(DOCUMENTED)))
    again = await server.call(
        "GET", "/openapi.json", token=None, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert again.status == 304


@live
@pytest.mark.parametrize("operation", DOCUMENTED, ids=lambda op: op.id)
async def test_an_operation_needs_exactly_its_scopes(server: Described, operation: Operation) -> None:
    body = None if operation.method in ("GET", "DELETE") else {}
    answer = await server.call(operation.method, example(operation), body, token=None)
    assert (answer.status == 401) is not operation.public
    if not operation.scopes:
        return
    refused = await server.call(operation.method, example(operation), body, token=token("none"))
    assert (refused.status, refused.value["code"]) == (403, "missing_scope")
    assert refused.value["scope"] in operation.scopes
    if len(operation.scopes) == 1:
        allowed = await server.call(
            operation.method, example(operation), body, token=token(operation.scopes[0])
        )
        assert allowed.status not in (401, 403)


@live
@pytest.mark.parametrize("operation", [it for it in DOCUMENTED if it.method == "POST"], ids=lambda op: op.id)
async def test_an_idempotency_key_works_where_it_is_described(
    server: Described, operation: Operation
) -> None:
    answer = await server.call("POST", example(operation), {}, headers={"Idempotency-Key": "k" * 300})
    read = answer.status == 422 and answer.value["code"] == "invalid_idempotency_key"
    assert read == operation.creating


@live
@pytest.mark.parametrize("operation", [it for it in DOCUMENTED if it.body], ids=lambda op: op.id)
async def test_bad_bodies_are_answered_as_described(server: Described, operation: Operation) -> None:
    broken = await server.call(operation.method, example(operation), b"{")
    assert (broken.status, broken.value["code"]) == (400, "invalid_json")
    strange = await server.call(operation.method, example(operation), {"surprise": 1})
    assert strange.status == 422
    packed = await server.call(
        operation.method, example(operation), b"{}", headers={"Content-Encoding": "gzip"}
    )
    assert packed.status == 415
    assert (await server.call(operation.method, example(operation), b" " * (1024 * 1024 + 1))).status == 413


@live
@pytest.mark.parametrize("operation", [it for it in DOCUMENTED if it.method == "GET"], ids=lambda op: op.id)
async def test_query_parameters_are_read_as_described(server: Described, operation: Operation) -> None:
    limited = any(parameter.name == "limit" for parameter in operation.parameters)
    if limited and "{" not in operation.path:
        needed = "identity=user:anna&" if "identity" in {p.name for p in operation.parameters} else ""
        assert (await server.call("GET", f"{example(operation)}?{needed}limit=0")).status == 422
        assert (await server.call("GET", f"{example(operation)}?{needed}limit=1")).status == 200


@live
async def test_touchpoints_in_every_format(server: Described) -> None:
    full = touchpoint(
        "full",
        participants=[{"type": "user", "value": "agent7", "role": "agent"}],
        identities=["user:anna", {"type": "email", "value": "anna@example.com", "assurance": "verified"}],
        direction="inbound",
        visibility="public",
        subject="Parcel",
        language="en",
        medium="widget",
        attachments=[{"name": "a.png"}],
        seq=7,
        actor="user:anna",
        data={"order": "A-1"},
    )
    one = await server.call("POST", "/v1/touchpoints", full, headers={"Idempotency-Key": "one"})
    assert one.value["accepted"] == 1
    read = await server.call("GET", f"/v1/touchpoints/{one.value['ids'][0]}")
    assert read.value["seq"] == 7
    some = await server.call("POST", "/v1/touchpoints", [touchpoint("a"), touchpoint("b", type="no.such")])
    assert some.status == 207
    alone = await server.call("POST", "/v1/touchpoints", touchpoint("full", text="other"))
    assert (alone.status, alone.value["code"]) == (422, "id_reused")
    nothing = await server.call("POST", "/v1/touchpoints", [touchpoint("c", channel="smoke")])
    assert (nothing.status, nothing.value["code"]) == (422, "all_rejected")
    lines = [touchpoint("d"), touchpoint("e", amends="d", type="message.edited")]
    assert (await server.call("POST", "/v1/touchpoints", lines, media="application/x-ndjson")).status == 200
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/shop",
        "type": "com.example.order.shipped",
        "subject": "user:anna",
        "time": "2026-03-04T05:06:08Z",
        "data": {"order": "A-1"},
    }
    cloud = "application/cloudevents"
    assert (await server.call("POST", "/v1/touchpoints", event, media=f"{cloud}+json")).status == 200
    batch = [event, event | {"id": "2"}]
    assert (await server.call("POST", "/v1/touchpoints", batch, media=f"{cloud}-batch+json")).status == 200


@live
async def test_lookups_and_pages(server: Described) -> None:
    batch = [touchpoint(f"look-{n}", identities=["user:look"]) for n in range(4)]
    await server.call("POST", "/v1/touchpoints", batch)
    none = await server.call("POST", "/v1/context", {"identities": ["user:nobody"]})
    assert none.value["match"] == "none"
    found = await server.call(
        "POST", "/v1/context", {"identities": ["user:look"], "limit": 2, "min_assurance": "claimed"}
    )
    id_ = found.value["customer"]["id"]
    assert found.value["left_out"]["touchpoints"] == 2
    short = await server.call("GET", "/v1/context?identity=user:look&fields=brief")
    assert "timeline" not in short.value
    assert (await server.call("GET", f"/v1/customers/{id_}/context")).status == 200
    page = await server.call("GET", f"/v1/customers/{id_}/timeline?limit=3&order=asc")
    rest = await server.call(
        "GET", f"/v1/customers/{id_}/timeline?order=asc&channel=chat&cursor={page.value['next']}"
    )
    assert rest.value["returned"] == 1
    conversation = found.value["conversations"][0]["id"]
    assert (await server.call("GET", f"/v1/conversations/{conversation}")).status == 200


@live
async def test_the_life_of_a_handoff(server: Described) -> None:
    asked = {
        "identity": "user:bea",
        "from": {"channel": "chat", "party": "bot"},
        "to": {"channel": "chat", "queue": "returns"},
        "reason": "asks for a human",
        "fallback": [{"channel": "phone"}],
        "context": {"order": "A-1"},
        "deadline_s": 600,
    }
    made = await server.call("POST", "/v1/handoffs", asked)
    assert made.status == 201
    assert (await server.call("POST", "/v1/handoffs", asked)).status == 200
    other = await server.call("POST", "/v1/handoffs", asked | {"to": {"queue": "sales"}})
    assert (other.status, other.value["current"]["id"]) == (409, made.value["id"])
    path = f"/v1/handoffs/{made.value['id']}"
    offered = await server.call("POST", f"{path}/offer", {"version": 1, "agent": "ann"})
    stale = await server.call("POST", f"{path}/accept", {"version": 1, "agent": "ann"})
    assert (stale.status, stale.value["code"]) == (409, "stale_version")
    version = offered.value["version"]
    accepted = await server.call("POST", f"{path}/accept", {"version": version, "agent": "ann"})
    assert (await server.call("GET", path)).value["owner"] == "ann"
    for part in ("context", "snapshots", "snapshot?at=accepted"):
        assert (await server.call("GET", f"{path}/{part}")).status == 200
    assert (await server.call("GET", "/v1/handoffs?state=accepted&queue=returns")).value["returned"] == 1
    conversation = accepted.value["conversation_id"]
    assert (await server.call("GET", f"/v1/conversations/{conversation}")).value["handoffs"]
    done = {"version": accepted.value["version"], "reason": "sent again"}
    assert (await server.call("POST", f"{path}/complete", done)).value["state"] == "completed"
    assert (await server.call("GET", "/v1/context?identity=user:bea")).value["handoffs"]


@live
async def test_callbacks(server: Described) -> None:
    asked = {"phone": "+358401234567", "reason": "refund", "identity": "user:cleo"}
    made = await server.call("POST", "/v1/callbacks", asked)
    path = f"/v1/callbacks/{made.value['id']}"
    moved = await server.call("POST", f"{path}/reschedule", {"due": DUE})
    assert moved.value["due"] == DUE
    assert (await server.call("POST", f"{path}/reschedule", {"due": "2001-01-01T00:00:00Z"})).status == 422
    assert (await server.call("GET", "/v1/callbacks?state=scheduled")).value["returned"] == 1
    assert (await server.call("POST", f"{path}/cancel")).value["state"] == "cancelled"
    assert (await server.call("POST", f"{path}/cancel", {"reason": "twice"})).status == 409
    assert (await server.call("GET", path)).status == 200


@live
async def test_links(server: Described) -> None:
    await server.call("POST", "/v1/touchpoints", touchpoint("link-1", identities=["user:dora"]))
    await server.call("POST", "/v1/touchpoints", touchpoint("link-2", identities=["email:dora@example.com"]))
    found = await server.call("GET", "/v1/context?identity=user:dora")
    path = f"/v1/customers/{found.value['customer']['id']}"
    asked = {"identity": "email:dora@example.com", "reason": "confirmed by phone"}
    assert (await server.call("POST", f"{path}/links?dry_run=true", asked)).status == 200
    made = await server.call("POST", f"{path}/links", asked)
    assert made.status == 201
    assert (await server.call("GET", f"{path}/links")).value["links"]
    await server.call("POST", f"{path}/links/{made.value['id']}/withdraw", {"reason": "mistaken"})
    again = await server.call("POST", f"{path}/links", asked)
    assert again.status == 201
    split = {"identities": ["email:dora@example.com"], "reason": "her sister's"}
    assert (await server.call("POST", f"{path}/split", split)).status == 200
    shared = {"identity": "phone:+358401112223", "reason": "the shop's"}
    assert (await server.call("POST", "/v1/identities/shared", shared)).value["shared"] is True


@live
async def test_operations(server: Described) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await server.call("GET", path, token=None)).status == 200
    assert (await server.call("GET", "/v1/quarantine")).value["items"] == []
    assert (await server.call("DELETE", "/v1/quarantine/00")).status == 404
    elsewhere = await server.call(
        "GET", "/v1/quarantine", token=token("operate"), headers={"Handoff-Tenant": "other"}
    )
    assert (elsewhere.status, elsewhere.value["code"]) == (403, "other_tenant")
    unknown = await server.call("GET", "/v1/quarantine", token=ADMIN, headers={"Handoff-Tenant": "other"})
    assert (unknown.status, unknown.value["code"]) == (404, "unknown_tenant")


@live
async def test_the_page_loads_only_from_this_server_under_a_strict_policy(server: Described) -> None:
    page = await server.call("GET", "/docs", token=None)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = page.body.decode()
    assert "://" not in text
    for name in re.findall(r'(?:src|href)="docs/([^"]+)"', text):
        assert (await server.call("GET", f"/docs/{name}", token=None)).body
    assert (await server.call("GET", "/docs/swagger-ui-bundle.js.map", token=None)).status == 404
    assert (await server.call("GET", "/docs/..%2f__init__.py", token=None)).status == 404
