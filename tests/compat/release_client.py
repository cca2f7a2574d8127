"""A client for a server of any release: agents, platforms and live streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from handoff.client.live import parse_frame
from tests.compat.releases import TOKEN, Release

PATIENCE_S = 20.0
DUE = "2031-01-01T08:00:00Z"
CLOCKED = frozenset({"exported_at", "why_now", "effort", "last_seen", "behind_s", "latency_ms"})
"""Members of responses that change with time."""


class ReleaseClient:
    """A client of one server. `ok` fails the test unless the request succeeds."""

    def __init__(self, release: Release, session: ClientSession) -> None:
        self.release = release
        self._session = session

    async def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        given = {"Authorization": f"Bearer {TOKEN}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self._session.request(
            method, self.release.url + path, json=body, headers=given
        ) as response:
            shown = await response.json(content_type=None) if response.status != 204 else None
            return response.status, shown, dict(response.headers)

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        status, shown, _headers = await self.call(method, path, body, **headers)
        assert 200 <= status < 300, (self.release.name, path, status, shown, self.release.output[-2000:])
        return shown

    async def record(self, event: str, who: str, **changes: Any) -> Any:
        touchpoint = {
            "id": event,
            "channel": "chat",
            "type": "message.received",
            "occurred_at": "2026-11-21T10:00:00Z",
            "identities": [who],
            "text": f"text of {event}",
            **changes,
        }
        return await self.ok("POST", "/v1/touchpoints", touchpoint)

    async def context(self, who: str) -> Any:
        return await self.ok("POST", "/v1/context", {"identities": [who]})

    async def customer(self, who: str) -> str:
        return str((await self.context(who))["customer"]["id"])

    async def texts(self, who: str) -> list[str]:
        """The texts of the timeline, without handoff entries."""
        found = (await self.context(who))["timeline"]["touchpoints"]
        return [it["text"] for it in found if it["text"] and not it["type"].startswith("handoff.")]

    async def ask(self, who: str, **changes: Any) -> Any:
        """Request a handoff of a customer."""
        body = {
            "from": {"channel": "chat", "party": "bot"},
            "to": {"channel": "chat", "queue": "support"},
            "reason": "help",
            "identity": who,
            **changes,
        }
        return await self.ok("POST", "/v1/handoffs", body)

    async def move(self, handoff: Any, action: str, **given: Any) -> Any:
        body = {"version": handoff["version"], **given}
        return await self.ok("POST", f"/v1/handoffs/{handoff['id']}/{action}", body)

    @asynccontextmanager
    async def watching(self, path: str) -> AsyncIterator[Stream]:
        """A live stream, open when this is entered."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/event-stream"}
        timeout = ClientTimeout(total=None, sock_read=30)
        async with self._session.get(self.release.url + path, headers=headers, timeout=timeout) as response:
            assert response.status == 200, await response.read()
            stream = Stream()
            reading = asyncio.create_task(stream.read(response.content.iter_any()))
            try:
                yield stream
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


@dataclass
class Stream:
    """The events of one stream so far."""

    events: list[tuple[str, Any]] = field(default_factory=list)

    async def read(self, chunks: AsyncIterator[bytes]) -> None:
        rest = b""
        async for chunk in chunks:
            *frames, rest = (rest + chunk).split(b"\n\n")
            for frame in frames:
                if event := parse_frame(frame):
                    self.events.append((event.type, event.data))

    def texts(self) -> set[str]:
        return {data["text"] for type_, data in self.events if type_ == "touchpoint" and data.get("text")}

    def handoffs(self) -> set[tuple[str, str]]:
        return {(type_, data["id"]) for type_, data in self.events if type_.startswith("handoff.")}


SYSTEM = ("handoff.", "identity.", "context.", "callback.", "note.")


def without_ghosts(context: Any) -> Any:
    """A context without the conversations that system entries alone opened in the last release."""
    spoken = {
        entry["conversation_id"]
        for entry in context["timeline"]["touchpoints"]
        if not entry["type"].startswith(SYSTEM)
    }
    kept = [found for found in context["conversations"] if found["id"] in spoken]
    return context | {"conversations": kept}


def without_rules(context: Any) -> Any:
    """A context without what each release makes on reading by its own rules: the brief and the waits."""
    conversations = [found | {"waiting_since": None} for found in context["conversations"]]
    return context | {"brief": None, "conversations": conversations}


async def everything(client: ReleaseClient, people: list[str]) -> dict[str, Any]:
    """Everything that a server returns about these customers and their tenant."""
    found: dict[str, Any] = {}
    for who in people:
        context = found[f"context {who}"] = without_rules(without_ghosts(await client.context(who)))
        path = f"/v1/customers/{context['customer']['id']}"
        for part in ("timeline", "links", "export", "export?format=vcon"):
            found[f"{part} {who}"] = await client.ok("GET", f"{path}/{part}")
    handoffs = found["handoffs"] = await client.ok("GET", "/v1/handoffs?limit=50")
    for handoff in handoffs["handoffs"]:
        path = f"/v1/handoffs/{handoff['id']}"
        for part in ("", "/snapshot"):
            found[path + part] = await client.ok("GET", path + part)
        found[f"{path}/context"] = without_rules(without_ghosts(await client.ok("GET", f"{path}/context")))
    found["callbacks"] = await client.ok("GET", "/v1/callbacks")
    webhooks = found["webhooks"] = await client.ok("GET", "/v1/webhooks")
    for webhook in webhooks["webhooks"]:
        path = f"/v1/webhooks/{webhook['id']}/deliveries?limit=200"
        found[f"deliveries {webhook['id']}"] = await client.ok("GET", path)
    found["quarantine"] = await client.ok("GET", "/v1/quarantine")
    return found


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """The places where `other` differs from `one`. `other` may have additional members."""
    if isinstance(one, dict) and isinstance(other, dict):
        missing = [f"{at}/{name} is missing" for name in one.keys() - other.keys() - CLOCKED]
        shared = (one.keys() & other.keys()) - CLOCKED
        return missing + [
            it for name in sorted(shared) for it in differences(one[name], other[name], f"{at}/{name}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            it
            for n, pair in enumerate(zip(one, other, strict=True))
            for it in differences(*pair, f"{at}/{n}")
        ]
    return [] if one == other else [f"{at}: {one!r} is {other!r}"]
