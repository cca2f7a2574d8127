"""Every example in `/openapi.json` is a request that a demo server accepts, as "Try it out" sends it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientSession

from handoff.api.description.openapi import document
from handoff.api.operations import DOCUMENTED
from handoff.bootstrap.server import running
from handoff.bootstrap.settings import load_settings
from tests.api.conftest import ADMIN
from tests.serving import options_of
from tests.store.servers import valkey_binary

DEMO = Path(__file__).parents[2] / "config" / "demo.toml"
DESCRIBED = document(DOCUMENTED)
STATE = {404, 409}
"""Statuses that depend on what exists, not on the form of a request."""
FIRST = ("recordTouchpoints", "lookUp", "requestHandoff", "requestCallback", "subscribe", "createLink")
"""Called first, in this order: they create what the others name."""
LAST = ("splitCustomer", "withdrawLink", "cancelCallback", "unsubscribe", "eraseCustomer")
STREAMS = {"watchCustomer", "watchQueue", "watchAgent", "watchTopics"}
Ids = dict[str, str]


@asynccontextmanager
async def demo_server(directory: Path) -> AsyncIterator[ClientSession]:
    """The demo's configuration on free ports, with its store in `directory`."""
    valkey_binary()
    text = DEMO.read_text().replace("port = 8080", "port = 0").replace(":2525", ":0")
    path = directory / "demo.toml"
    path.write_text(text.replace('data_dir = ".handoff"', f'data_dir = "{directory}"'))
    options = options_of()
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with (
        running(load_settings(path, {}), options) as server,
        ClientSession(server.url, headers=headers) as http,
    ):
        yield http


def in_order() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path, and description of each operation, in an order that lets the ids exist."""
    found = [
        (method.upper(), path, described)
        for path, methods in DESCRIBED["paths"].items()
        for method, described in methods.items()
        if described["operationId"] not in STREAMS
    ]

    def place(operation: tuple[str, str, dict[str, Any]]) -> tuple[int, int]:
        id_ = operation[2]["operationId"]
        if id_ in FIRST:
            return 0, FIRST.index(id_)
        return (2, LAST.index(id_)) if id_ in LAST else (1, 0)

    return sorted(found, key=place)


def query_of(described: Mapping[str, Any]) -> str:
    """The query that "Try it out" sends: examples and defaults."""
    pairs: list[tuple[str, str]] = []
    for parameter in described["parameters"]:
        if parameter.get("in") != "query":
            continue
        value = parameter.get("example", parameter["schema"].get("default"))
        if value is None:
            assert not parameter["required"], f"{parameter['name']} needs an example"
            continue
        values = value if isinstance(value, list) else [value]
        pairs += [(parameter["name"], json.dumps(it) if isinstance(it, bool) else str(it)) for it in values]
    return "?" + urlencode(pairs) if pairs else ""


def bodies_of(described: Mapping[str, Any]) -> list[tuple[str | None, str | None]]:
    """Each example body and its media type; one empty body where an operation takes none."""
    content = described.get("requestBody", {}).get("content", {})
    return [
        (media, it["example"] if isinstance(it["example"], str) else json.dumps(it["example"]))
        for media, it in content.items()
    ] or [(None, None)]


def learn(ids: Ids, operation: str, body: Any) -> None:
    """Keep the ids of what a call created."""
    names = {"requestHandoff": "handoffs", "requestCallback": "callbacks", "subscribe": "webhooks"}
    if operation == "lookUp":
        ids["customers"] = body["customer"]["id"]
        ids["conversations"] = body["conversations"][0]["id"]
    elif operation == "createLink":
        ids["link"] = body["id"]
    elif operation in names:
        ids[names[operation]] = body["id"]


def filled(path: str, ids: Ids) -> str:
    kind = path.split("/")[2] if path.count("/") > 1 else ""
    place = re.sub(r"\{link\}", ids.get("link", "nothing"), path)
    return re.sub(r"\{\w+\}", ids.get(kind, "nothing"), place)


async def test_every_example_is_accepted_by_a_demo_server(tmp_path: Path) -> None:
    ids: Ids = {}
    refused: list[str] = []
    accepted: set[str] = set()
    async with demo_server(tmp_path) as http:
        for method, path, described in in_order():
            operation = described["operationId"]
            for media, body in bodies_of(described):
                url = filled(path, ids) + query_of(described)
                headers = {"Content-Type": media} if media else {}
                async with http.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as response:
                    status, answer = response.status, await response.read()
                if status < 400:
                    accepted.add(operation)
                elif status not in STATE or str(status) not in described["responses"]:
                    refused.append(f"{operation} {media}: {status} {answer[:300]!r}")
                if status < 300 and "json" in response.content_type:
                    learn(ids, operation, json.loads(answer))
            if operation == "subscribe":  # nothing may leave this machine
                async with http.patch(filled("/v1/webhooks/{id}", ids), json={"enabled": False}) as response:
                    assert response.status == 200
    assert not refused
    assert accepted >= set(FIRST) | set(LAST) | {"changeWebhook", "openSession", "markShared", "offerHandoff"}


def test_every_request_body_has_an_example() -> None:
    missing = [
        f"{described['operationId']} {media}"
        for _, _, described in in_order()
        for media, it in described.get("requestBody", {}).get("content", {}).items()
        if "example" not in it
    ]
    assert not missing
