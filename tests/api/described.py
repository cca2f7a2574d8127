"""A client that validates every request and response against the server's `/openapi.json`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from handoff.bootstrap.server import running
from handoff.bootstrap.settings import Settings, load_settings
from handoff.services.access.principal import SCOPES
from tests.serving import options_of

ADMIN = "admin-token-of-the-tests"
DOCUMENT = "urn:description"
STREAM = "text/event-stream"
STREAMED = ("application/x-ndjson", STREAM)  # they start before all headers are known


def token(scope: str) -> str:
    """The secret of the token that has only this scope; `none` has no scope."""
    return "the-token-with-only-" + scope.replace(":", "-")


def settings(directory: Path) -> Settings:
    """Settings of a server on a free port with its own store, and a token for each scope."""
    lines = ["[server]", "port = 0", "[store]", f'data_dir = "{directory}"']
    for scope in ("none", *sorted(SCOPES)):
        scopes = [] if scope == "none" else [scope]
        lines += [
            "[[tokens]]",
            f'name = "only-{scope.replace(":", "-")}"',
            f"scopes = {json.dumps(scopes)}",
            f'secret = "{token(scope)}"',
        ]
    path = directory / "handoff.toml"
    path.write_text("\n".join(lines))
    return load_settings(path, {})


@dataclass
class Answer:
    """A response; `value` is its decoded JSON, if any."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    value: Any = None


@dataclass
class Described:
    """The client and the document. `seen` collects calls as (operation id, status)."""

    http: ClientSession
    url: str
    document: dict[str, Any]
    registry: Registry
    seen: set[tuple[str, int]] = field(default_factory=set)

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """The operation of a path. Literal paths win over paths with parameters."""
        found = None
        for template, methods in self.document["paths"].items():
            one, other = template.split("/"), path.split("?")[0].split("/")
            same = len(one) == len(other) and all(map(_fits, one, other))
            if same and method.lower() in methods and (found is None or "{" not in template):
                found = methods[method.lower()]
        assert found is not None, f"{method} {path} is not described"
        return found

    def errors(self, schema: Mapping[str, Any], value: Any) -> list[str]:
        """Violations of a schema, whose references point into the document."""
        whole = Draft202012Validator(
            {"$id": DOCUMENT + ":one", **_absolute(schema)},
            registry=self.registry,
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        return [f"{it.json_path}: {it.message}" for it in whole.iter_errors(value)]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        media: str = "application/json",
        token: str | None = ADMIN,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request. An accepted body must fit the description, and the response's status, headers,
        and body must be described. An NDJSON body is a list of its lines."""
        operation = self.operation(method, path)
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        raw = _encode(body, media)
        if raw is not None:
            sent["Content-Type"] = media
        async with self.http.request(
            method, path, data=raw and BytesIO(raw), headers=sent, allow_redirects=False
        ) as response:
            answered = response.content_type
            endless = answered == STREAM
            content = await (response.content.readline() if endless else response.read())
            answer = Answer(response.status, response.headers.copy(), content)
        name = f"{method} {path} -> {answer.status} {answer.body[:300]!r}"
        if raw is not None and answer.status in (200, 201):
            content = operation["requestBody"]["content"]
            assert media in content, f"{name}: {media} is accepted and not described"
            for value in body if media.endswith("ndjson") else [body]:
                assert not self.errors(content[media]["schema"], value), name
        self._check(operation, answer, answered, name)
        self.seen.add((operation["operationId"], answer.status))
        return answer

    def _check(self, operation: Mapping[str, Any], answer: Answer, media: str, name: str) -> None:
        assert str(answer.status) in operation["responses"], f"{name}: the status is not described"
        described = self._resolved(operation["responses"][str(answer.status)])
        for header in described.get("headers", {}):
            assert header in answer.headers or media in STREAMED, f"{name}: no {header}"
        content = described.get("content")
        if content is None:
            assert not answer.body, f"{name}: the body is not described"
            return
        assert media in content, f"{name}: {media} is not described"
        if media.endswith("json"):
            lines = answer.body.splitlines() if media.endswith("ndjson") else [answer.body]
            for line in lines:
                answer.value = json.loads(line)
                problems = self.errors(content[media]["schema"], answer.value)
                assert not problems, f"{name}: {problems}"

    def _resolved(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in described:
            return described
        _, _, kind, name = described["$ref"].split("/")
        return self.document["components"][kind][name]  # type: ignore[no-any-return]


def _fits(part: str, given: str) -> bool:
    return part == given or part.startswith("{")


def _encode(body: Any, media: str) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if media.endswith("ndjson"):
        return b"".join(json.dumps(it).encode() + b"\n" for it in body)
    return json.dumps(body).encode()


def _absolute(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {key: DOCUMENT + value if key == "$ref" else _absolute(value) for key, value in schema.items()}
    return [_absolute(it) for it in schema] if isinstance(schema, list) else schema


@asynccontextmanager
async def described_server(directory: Path) -> AsyncIterator[Described]:
    """A running server, and a client that checks it against its description."""
    options = options_of()
    async with running(settings(directory), options) as server, ClientSession(server.url) as http:
        async with http.get("/openapi.json") as response:
            document = await response.json()
        resource = Resource(contents=document, specification=DRAFT202012)
        yield Described(http, server.url, document, Registry().with_resource(DOCUMENT, resource))
