"""A shop with every kind of source, and a customer who gets continuity codes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.identity.conftest import Shop, shop_on, texts_of

__all__ = ["Shop", "begin", "issue", "mark_of", "native", "texts_of"]

ANNAS = "my washing machine leaks again"


@pytest.fixture
async def shop(valkey: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """Its journal of erasures is its own."""
    async with shop_on(valkey, data_dir=str(tmp_path)) as running_shop:
        yield running_shop


async def begin(shop: Shop) -> str:
    """Anna writes in the chat; her customer id."""
    await native(shop, "first", "user:anna", text=ANNAS, thread="annas chat")
    return await shop.customer("user:anna")


async def native(shop: Shop, event: str, *identities: str | dict[str, str], **fields: Any) -> Any:
    """Record a native touchpoint; the server's answer."""
    body = {
        "id": event,
        "channel": "chat",
        "type": "message.received",
        "occurred_at": "2026-11-21T10:42:00Z",
        "identities": list(identities),
        "text": f"text of {event}",
        "thread": event,
        **fields,
    }
    return await shop.ok("POST", "/v1/touchpoints", body)


async def issue(shop: Shop, customer: str, **body: Any) -> Any:
    return await shop.ok("POST", f"/v1/customers/{customer}/continuity", body)


async def mark_of(shop: Shop, identity: str) -> Any:
    """The outcome in the newest touchpoint with a code."""
    context = await shop.look_up(identity)
    found = [it for it in context["timeline"]["touchpoints"] if "continuity" in it["data"]]
    return found[0]["data"]["continuity"]
