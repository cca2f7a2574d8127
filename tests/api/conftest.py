"""A complete server in this process on the shared Valkey, with two new tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from handoff.bootstrap.server import Server
from handoff.bootstrap.settings import Settings
from tests import serving
from tests.conftest import fresh_tenant
from tests.samples import WEEK_AGO
from tests.serving import ADMIN
from tests.serving import secret_of as secret

__all__ = ["ADMIN", "Answer", "Api", "message", "secret", "served", "settings_for"]

SECRET = "write-key-of-the-shop"
WORK = ["touchpoints:write", "context:read", "handoffs:write", "callbacks:write", "operate"]


class Answer(msgspec.Struct, frozen=True):
    """A complete HTTP response."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def code(self) -> str:
        """The code of a problem document; fails for any other response."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.raw
        body = self.json
        assert body["status"] == self.status
        assert body["type"] == f"urn:handoff:problem:{body['code']}"
        assert body["title"]
        return str(body["code"])


class Api:
    """A client of a running server. `token` names a configured token, or is `admin`."""

    def __init__(self, server: Server, session: ClientSession, tenant: str, other: str) -> None:
        self.server = server
        self.tenant = tenant
        self.other = other
        self._session = session

    @property
    def url(self) -> str:
        return self.server.url

    async def call(
        self, method: str, path: str, json: Any = None, *, token: str | None = "desk", **given: Any
    ) -> Answer:
        headers = dict(given.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {secret(token, self.tenant)}")
        if json is not None:
            given["data"] = msgspec.json.encode(json)
            headers.setdefault("Content-Type", "application/json")
        async with self._session.request(method, self.url + path, headers=headers, **given) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def get(self, path: str, **given: Any) -> Answer:
        return await self.call("GET", path, **given)

    async def post(self, path: str, json: Any = None, **given: Any) -> Answer:
        return await self.call("POST", path, json, **given)

    async def ok(self, method: str, path: str, json: Any = None, **given: Any) -> Any:
        """The JSON of a response, which must be 2xx."""
        answer = await self.call(method, path, json, **given)
        assert 200 <= answer.status < 300, (answer.status, answer.raw)
        return answer.json

    async def record(self, event: str, **changes: Any) -> Any:
        """Record a chat message of `user:anna`."""
        return await self.ok("POST", "/v1/touchpoints", message(event, **changes))

    async def context(self, identity: str = "user:anna", **given: Any) -> Any:
        return await self.ok("POST", "/v1/context", {"identities": [identity], **given})


def message(event: str, **changes: Any) -> dict[str, Any]:
    """A touchpoint in the native format."""
    return {
        "id": event,
        "channel": "chat",
        "type": "message.received",
        "occurred_at": f"{WEEK_AGO}T10:00:00Z",
        "identities": ["user:anna"],
        "text": f"text of {event}",
        **changes,
    }


def settings_for(url: str | None, tenant: str, other: str, **store: Any) -> Settings:
    given: dict[str, tuple[str, ...]] = {"desk": tuple(WORK), "nothing": ()}
    given |= {f"only-{scope}": (scope,) for scope in WORK}
    given["officer"] = ("privacy:write", "context:read")
    tokens = [serving.token(name, tenant, *scopes) for name, scopes in given.items()]
    tokens += [
        serving.token("bot", tenant, *WORK, audience="customer"),
        # Its secret is named after the tenant under test, so that `secret` finds it.
        {**serving.token("elsewhere", tenant, *WORK), "tenant": other},
    ]
    sources = [
        {"name": "shop", "adapter": "web.segment", "tenant": tenant, "secrets": [SECRET], "trust": "server"}
    ]
    return serving.settings_for(url, tokens, store=store, sources=sources, channels=[{"name": "branch"}])


@asynccontextmanager
async def served(url: str | None, **store: Any) -> AsyncIterator[Api]:
    """A client of a running server on the store at `url` (None: an embedded store in `data_dir`)."""
    tenant, other = fresh_tenant(), fresh_tenant()
    async with serving.in_process(settings_for(url, tenant, other, **store)) as (server, session):
        yield Api(server, session, tenant, other)


@pytest.fixture
async def api(valkey: str) -> AsyncIterator[Api]:
    async with served(valkey) as client:
        yield client
