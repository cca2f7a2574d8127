"""A server with one partition and all scopes that the ledger needs, on a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from handoff.domain.clock import SECOND, Micros, format_time
from tests import serving
from tests.api.conftest import Answer, Api
from tests.conftest import fresh_tenant

__all__ = ["Answer", "Ledger", "opened", "times"]

PATIENCE_S = 30.0
SCOPES = [
    *("touchpoints:write", "context:read", "handoffs:write", "links:write", "webhooks:write"),
    *("operate", "privacy:write"),
]


def times(now: Micros, **seconds: float) -> dict[str, str]:
    """Times relative to now."""
    return {name: format_time(now + round(at * SECOND)) for name, at in seconds.items()}


class Ledger(Api):
    """A client that records touchpoints at times relative to now, and reads the ledger."""

    _count = 0

    async def now(self) -> Micros:
        return await self.server.store.of(self.tenant).clock()

    async def happened(self, type_: str, ago: float = 0, **fields: Any) -> str:
        """Record a touchpoint of `user:anna` that occurred `ago` seconds ago; its id."""
        Ledger._count += 1
        touchpoint = {
            "id": f"event-{Ledger._count}",
            "channel": "chat",
            "type": type_,
            "occurred_at": format_time(await self.now() - round(ago * SECOND)),
            "identities": ["user:anna"],
            "thread": "t",
            **fields,
        }
        stored = await self.ok("POST", "/v1/touchpoints", touchpoint)
        assert stored["accepted"] == 1, stored
        return str(stored["ids"][0])

    async def promised(self, due: float | None, ago: float = 0, **fields: Any) -> str:
        """Record a promise that is due in so many seconds."""
        data = fields.pop("data", {})
        if due is not None:
            data |= times(await self.now(), due=due)
        fields.setdefault("text", "I will call you")
        return await self.happened("promise.made", ago, data=data, **fields)

    async def promises(self, **query: str) -> list[dict[str, Any]]:
        answer = await self.ok("GET", "/v1/promises", params=query)
        return list(answer["promises"])

    async def complaints(self, **query: str) -> list[dict[str, Any]]:
        answer = await self.ok("GET", "/v1/complaints", params=query)
        return list(answer["complaints"])

    async def states(self) -> dict[str, str]:
        """The state of each promise, by its id."""
        return {it["id"]: it["state"] + (" late" if it["late"] else "") for it in await self.promises()}

    async def until(self, wanted: Any, read: Any) -> None:
        """Wait until `read` returns what is wanted."""
        found = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    found = await read()
                    if found == wanted:
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"expected {wanted!r}, got {found!r}") from None

    async def customer(self) -> str:
        return str((await self.context())["customer"]["id"])


@asynccontextmanager
async def opened(valkey: str, **sections: Any) -> AsyncIterator[Ledger]:
    tenant, other = fresh_tenant(), fresh_tenant()
    tokens = [
        serving.token("desk", tenant, *SCOPES),
        serving.token("sales", tenant, *SCOPES, queues=["sales"]),
        serving.token("bot", tenant, *SCOPES, audience="customer"),
        {**serving.token("elsewhere", tenant, *SCOPES), "tenant": other},
    ]
    sections = {name: value(tenant) if callable(value) else value for name, value in sections.items()}
    settings = serving.settings_for(valkey, tokens, **sections)
    async with serving.in_process(settings) as (server, session):
        yield Ledger(server, session, tenant, other)


@pytest.fixture
async def ledger(valkey: str) -> AsyncIterator[Ledger]:
    async with opened(valkey) as client:
        yield client
