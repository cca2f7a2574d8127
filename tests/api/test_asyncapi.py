"""`/asyncapi.json` is valid and complete, and real messages match it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

import handoff
from handoff.api.description.asyncapi import CHANNEL, KINDS, document
from handoff.domain.touchpoint import TYPES
from handoff.services.webhooks.event_types import EVENT_TYPES
from tests.delivery.subscribers import SECRET, Received, Subscriber, subscriber, until
from tests.source_trees import nodes

from .conftest import Api

ROOT = Path(handoff.__file__).parent.parent
SPECIFICATION = ROOT / "node_modules/@asyncapi/specs/schemas/3.0.0.json"
WHOLE = "urn:messages"
DESCRIBED = document()
MESSAGES = DESCRIBED["components"]["messages"]
REGISTRY: Registry = Registry().with_resource(WHOLE, Resource(contents=DESCRIBED, specification=DRAFT7))


def problems(place: str, value: Any) -> list[str]:
    """Violations of the schema at this place of the document."""
    validator = Draft7Validator(
        {"$ref": f"{WHOLE}#/components/{place}"},
        registry=REGISTRY,
        format_checker=Draft7Validator.FORMAT_CHECKER,
    )
    return [f"{it.json_path}: {it.message}" for it in validator.iter_errors(value)]


def data_schemas(type_: str) -> list[dict[str, Any]]:
    """The alternative schemas of `data` for this type."""
    data = MESSAGES[type_]["payload"]["allOf"][1]["properties"]["data"]
    return [at(it["$ref"]) for it in data.get("anyOf", [data])]


def at(reference: str) -> dict[str, Any]:
    return DESCRIBED["components"]["schemas"][reference.rpartition("/")[2]]  # type: ignore[no-any-return]


def types_in_the_source() -> Iterator[str]:
    """The event types in the source, where events are created."""
    for path in (ROOT / "handoff").rglob("*.py"):
        for node in nodes(path):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id.endswith("Event")
            ):
                for keyword in node.keywords:
                    if keyword.arg == "type":
                        stated = (it for it in ast.walk(keyword.value) if isinstance(it, ast.Constant))
                        yield from (it.value for it in stated if isinstance(it.value, str))


def test_the_document_is_valid_asyncapi_3() -> None:
    if not SPECIFICATION.exists():
        pytest.skip("@asyncapi/specs (npm install) is not installed")
    schema = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    assert [f"{it.json_path}: {it.message}" for it in Draft7Validator(schema).iter_errors(DESCRIBED)] == []


@pytest.mark.no_cover  # reads the sources
def test_exactly_the_published_event_types_are_described() -> None:
    stated = set(types_in_the_source())
    assert {"handoff.unviewed", "webhook.dead", "context.changed"} <= stated
    assert set(MESSAGES) == {*TYPES, *stated}
    assert set(DESCRIBED["channels"][CHANNEL]["messages"]) == set(MESSAGES)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            assert len(value) == 1, f"draft 7 does not look at what is beside a reference: {value}"
            yield value["$ref"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_every_reference_resolves() -> None:
    resolver = REGISTRY.resolver(WHOLE)
    for reference in set(references(DESCRIBED)):
        assert resolver.lookup(reference).contents


@pytest.mark.parametrize("name", sorted(DESCRIBED["components"]["schemas"]))
def test_a_schema_has_a_description(name: str) -> None:
    assert DESCRIBED["components"]["schemas"][name].get("description"), "give its type a docstring"


def test_a_position_has_no_time_format() -> None:
    assert "format" not in at("ContextChanged")["properties"]["since"]


async def test_the_document_is_public_and_has_an_etag(api: Api) -> None:
    answer = await api.get("/asyncapi.json", token=None)
    assert answer.status == 200
    assert answer.json == DESCRIBED
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    again = await api.get("/asyncapi.json", token=None, headers={"If-None-Match": answer.headers["Etag"]})
    assert (again.status, again.raw) == (304, b"")


async def subscribe(api: Api, subscriber: Subscriber, **spec: Any) -> str:
    loopback = {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
    asked = {"url": subscriber.url, "secret": SECRET, **loopback, **spec}
    as_tenant = {"Handoff-Tenant": api.tenant}
    made = await api.ok("POST", "/v1/webhooks", asked, token="admin", headers=as_tenant)
    return str(made["id"])


HAPPENS = {
    *("message.received", "context.changed", "webhook.test", "webhook.dead", "webhook.disabled"),
    *("handoff.requested", "handoff.offered", "handoff.accepted", "handoff.undelivered"),
}


async def let_it_happen(api: Api, id_: str) -> None:
    """One event of each type in HAPPENS."""
    await api.record("first")
    to = {"channel": "chat", "queue": "support"}
    asked = {"identity": "user:anna", "to": to, "reason": "wants a person"}
    handoff = await api.ok("POST", "/v1/handoffs", asked)
    for action in ("offer", "accept"):
        moved = {"version": handoff["version"], "agent": "erik"}
        handoff = await api.ok("POST", f"/v1/handoffs/{handoff['id']}/{action}", moved)
    await api.record("second", text="x" * 30_000)
    as_tenant = {"Handoff-Tenant": api.tenant}
    await api.ok("POST", f"/v1/webhooks/{id_}/test", {}, token="admin", headers=as_tenant)


async def test_real_messages_match_the_description(api: Api) -> None:
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(subscriber())
        refusing = await stack.enter_async_context(subscriber(status=500))
        gone = await stack.enter_async_context(subscriber(status=410))
        id_ = await subscribe(api, platform, types=["*"], include="context")
        await subscribe(api, refusing, types=["handoff.requested"], retry_schedule_s=[])
        await subscribe(api, gone, types=["handoff.offered"])
        await let_it_happen(api, id_)
        await until(lambda: set(platform.types()) >= HAPPENS)
    for received in platform.accepted:
        check(received)
    assert any("included" in it.event["data"] for it in platform.accepted)
    assert any("left_out" in it.event["data"] for it in platform.accepted)


def check(received: Received) -> None:
    """A message must match the description of its type, including headers and members of `data`."""
    type_ = received.event["type"]
    assert not problems(f"messages/{type_}/payload", received.event), type_
    assert not problems("schemas/WebhookHeaders", received.headers)
    members = set(received.event["data"])
    assert any(members <= set(it["properties"]) for it in data_schemas(type_)), (type_, members)
    assert problems(f"messages/{type_}/payload", {**received.event, "sequence": "1"})
    assert problems(f"messages/{type_}/payload", {**received.event, "data": {}})


def test_subscriptions_may_name_exactly_the_described_types() -> None:
    assert {it.name for it in KINDS} == EVENT_TYPES
