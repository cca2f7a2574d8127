"""Agents' desktops in a real browser: a server of its own, sessions, and pages that are watched.

The server and the browser's driver share one loop; the browser is Debian's Chromium.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import ClientSession
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, async_playwright

from handoff.bootstrap.settings import Settings
from tests.conftest import fresh_tenant
from tests.e2e.chromium import binary

ADMIN = "admin-token-of-the-tests"
EVERYTHING = ("context:read", "handoffs:write", "touchpoints:write", "links:write")
PATIENCE_MS = 10_000
REASON = "Refund missing for three weeks"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(store: str, port: int = 0, tenants: int = 1) -> Settings:
    """A server with tenants nobody used before; on a port given it is found again after a restart."""
    tokens = []
    for _ in range(tenants):
        tenant = fresh_tenant()
        secret = f"desk-{tenant}-token-secret"
        tokens.append({"name": f"desk-{tenant}", "tenant": tenant, "scopes": EVERYTHING, "secret": secret})
    table = {"server": {"port": port}, "store": {"url": store}, "tokens": tokens}
    return msgspec.convert(table, Settings)


@dataclass
class Desk:
    """One agent's tab. `asked` are its requests, `complaints` what the console and scripts said."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def story(self) -> Locator:
        return self.page.locator("handoff-context")

    @property
    def queue(self) -> Locator:
        return self.page.locator("handoff-queue")

    def entry(self, text: str) -> Locator:
        return self.story.locator(".entry", has_text=text)

    async def live(self, element: str = "handoff-context") -> None:
        await self.page.locator(f"{element} .connection[data-state=live]").wait_for()


@dataclass
class Office:
    """A running server, what its platform's back end may do, and a browser for its agents."""

    url: str
    secret: str
    """Of the tenant's own token, as its back end has it."""
    http: ClientSession
    browser: Browser

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.secret}"}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as response:
            answer = await response.json(content_type=None)
            assert response.status < 300, (response.status, answer)
            return answer

    async def tell(self, event: str, **changes: Any) -> str:
        """Store a chat message of `user:anna`; its id."""
        body = {
            "id": event,
            "channel": "chat",
            "type": "message.received",
            "occurred_at": "2026-11-21T10:00:00Z",
            "identities": ["user:anna"],
            "text": f"text of {event}",
            **changes,
        }
        return str((await self.call("POST", "/v1/touchpoints", body))["ids"][0])

    async def hand_over(self, **changes: Any) -> str:
        body = {
            "identity": "user:anna",
            "from": {"channel": "chat", "party": "Refund bot"},
            "to": {"channel": "chat", "queue": "refunds"},
            "reason": REASON,
            **changes,
        }
        return str((await self.call("POST", "/v1/handoffs", body))["id"])

    async def token(self, agent: str, scopes: tuple[str, ...] = EVERYTHING) -> str:
        return str((await self.call("POST", "/v1/sessions", {"agent": agent, "scopes": scopes}))["token"])

    async def desk(self, fragment: str, agent: str = "ville", **options: Any) -> Desk:
        """A tab of an agent's own browser profile at `/panel/#fragment`."""
        token = options.pop("token", None) or await self.token(agent, options.pop("scopes", EVERYTHING))
        desk = await self.tab(**options)
        await desk.page.goto(f"{self.url}/panel/#token={token}&{fragment}")
        return desk

    async def tab(self, **options: Any) -> Desk:
        context = await self.browser.new_context(
            **{
                "viewport": {"width": 1280, "height": 800},
                "locale": "en-GB",
                "timezone_id": "Europe/Helsinki",
                **options,
            }
        )
        context.set_default_timeout(PATIENCE_MS)
        desk = Desk(await context.new_page())

        def asked(request: Request) -> None:
            desk.asked.append(request.url)

        def said(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                desk.complaints.append(message.text)

        desk.page.on("request", asked)
        desk.page.on("console", said)
        desk.page.on("pageerror", lambda error: desk.complaints.append(str(error)))
        desk.page.on("dialog", lambda dialog: desk.complaints.append(f"dialog {dialog.message}"))
        return desk


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        started = await play.chromium.launch(
            executable_path=binary(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        await started.close()
