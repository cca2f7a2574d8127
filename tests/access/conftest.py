"""A server with two tenants, two queues, and callers with every kind of limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests import serving
from tests.api.conftest import Answer, Api, message
from tests.conftest import fresh_tenant

__all__ = ["Answer", "Api", "Callers", "message", "opened", "stream_of"]

WORK = [
    *("touchpoints:write", "context:read", "handoffs:write", "callbacks:write", "links:write"),
    *("operate", "webhooks:write"),
]


class Callers(Api):
    """A client of the server, whose tokens are `desk` (no limits), `hr`, `sales`, `bot`, and `elsewhere`."""

    async def hand_over(
        self, identity: str, queue: str, reason: str, token: str = "desk", **more: Any
    ) -> Any:
        body = {
            "identity": identity,
            "from": {"channel": "chat", "party": "Shop bot"},
            "to": {"channel": "chat", "queue": queue},
            "reason": reason,
            **more,
        }
        return await self.ok("POST", "/v1/handoffs", body, token=token)

    async def move(self, handoff: Any, action: str, token: str = "desk", **body: Any) -> Any:
        body.setdefault("version", handoff["version"])
        return await self.ok("POST", f"/v1/handoffs/{handoff['id']}/{action}", body, token=token)

    async def session(self, token: str = "desk", **wish: Any) -> Any:
        return await self.ok("POST", "/v1/sessions", {"agent": "sam", **wish}, token=token)

    async def as_session(self, method: str, path: str, session: Any, json: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {session['token']}"}
        return await self.call(method, path, json, token=None, headers=headers)


def settings(url: str, tenant: str, other: str, **sections: Any) -> Any:
    tokens = [
        serving.token("desk", tenant, *WORK),
        serving.token("sales", tenant, *WORK, queues=["sales"]),
        serving.token("hr", tenant, *WORK, queues=["hr"]),
        serving.token("short", tenant, *WORK, queues=["sales"], access_after_s=0),
        serving.token("bot", tenant, *WORK, audience="customer"),
        {**serving.token("elsewhere", tenant, *WORK), "tenant": other},
    ]
    return serving.settings_for(url, tokens, **sections)


@asynccontextmanager
async def opened(valkey: str, **sections: Any) -> AsyncIterator[Callers]:
    tenant, other = fresh_tenant(), fresh_tenant()
    async with serving.in_process(settings(valkey, tenant, other, **sections)) as (server, session):
        yield Callers(server, session, tenant, other)


@pytest.fixture
async def callers(valkey: str) -> AsyncIterator[Callers]:
    async with opened(valkey) as client:
        yield client


@asynccontextmanager
async def stream_of(
    callers: Callers, path: str, bearer: str, body: Any = None
) -> AsyncIterator[asyncio.Queue[tuple[str, Any]]]:
    """The events of a stream as (event, data); `("end", None)` after the last."""
    events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    headers = {"Authorization": f"Bearer {bearer}"}
    method = "GET" if body is None else "POST"
    async with callers._session.request(method, callers.url + path, json=body, headers=headers) as response:
        assert response.status == 200, await response.read()

        async def read() -> None:
            name = ""
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.put_nowait((name, msgspec.json.decode(line.removeprefix("data: "))))
            events.put_nowait(("end", None))

        reading = asyncio.create_task(read())
        try:
            yield events
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
