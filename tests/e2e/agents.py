"""Agents at work in a real browser, and the integrator's back end that opens their sessions.

The server and the browser's driver share one event loop.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import ClientSession
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    async_playwright,
    expect,
)

from handoff.bootstrap.settings import Settings
from tests.conftest import fresh_tenant
from tests.e2e.chromium import binary
from tests.samples import WEEK_AGO

ADMIN = "admin-token-of-the-tests"
EVERYTHING = ("context:read", "handoffs:write", "touchpoints:write", "links:write")
PATIENCE_MS = 30_000  # a loaded machine delays the page, and a hanging page fails a little later
expect.set_options(timeout=PATIENCE_MS)
REASON = "Refund missing for three weeks"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(store: str, port: int = 0, tenants: int = 1) -> Settings:
    """Settings with unused tenants. A fixed port lets a restarted server keep its URL."""
    tokens = []
    for _ in range(tenants):
        tenant = fresh_tenant()
        secret = f"desktop-{tenant}-token-secret"
        tokens.append({"name": f"desktop-{tenant}", "tenant": tenant, "scopes": EVERYTHING, "secret": secret})
    table = {"server": {"port": port}, "store": {"url": store}, "tokens": tokens}
    return msgspec.convert(table, Settings)


@dataclass
class AgentTab:
    """One agent's tab, its requests, and the errors and warnings in its console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def context(self) -> Locator:
        return self.page.locator("handoff-context")

    @property
    def queue(self) -> Locator:
        return self.page.locator("handoff-queue")

    def entry(self, text: str) -> Locator:
        return self.context.locator(".entry", has_text=text)

    async def share_of_lines_in_view(self) -> float:
        """How much of the brief is on the screen before anything scrolls."""
        shown: list[bool] = await self.context.locator(".why .line, .brief .line").evaluate_all(
            """(all) => all.map((it) => {
              const { top, bottom, width } = it.getBoundingClientRect();
              const column = it.closest(".left").getBoundingClientRect();
              return width > 0 && top >= 0 && bottom <= Math.min(innerHeight, column.bottom);
            })"""
        )
        assert len(shown) >= 8
        return sum(shown) / len(shown)

    async def wait_until_live(self, element: str = "handoff-context") -> None:
        await self.page.locator(f"{element} .connection[data-state=live]").wait_for()


@dataclass
class Backend:
    """The back end of an integrator with one tenant, and the browser of its agents."""

    url: str
    secret: str
    """The secret of the tenant's token."""
    http: ClientSession
    browser: Browser

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.secret}"}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as response:
            body = await response.json(content_type=None)
            assert response.status < 300, (response.status, body)
            return body

    async def record(self, event: str, **changes: Any) -> str:
        """Record a chat message from `user:anna` and return its id."""
        body = {
            "id": event,
            "channel": "chat",
            "type": "message.received",
            "occurred_at": f"{WEEK_AGO}T10:00:00Z",
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

    async def open_panel(self, fragment: str, agent: str = "ville", **options: Any) -> AgentTab:
        """Open `/panel/#fragment` in a new tab of the agent."""
        token = options.pop("token", None) or await self.token(agent, options.pop("scopes", EVERYTHING))
        tab = await self.new_tab(**options)
        await tab.page.goto(f"{self.url}/panel/#token={token}&{fragment}")
        return tab

    async def new_tab(self, **options: Any) -> AgentTab:
        context = await self.browser.new_context(
            **{
                "viewport": {"width": 1280, "height": 800},
                "locale": "en-GB",
                "timezone_id": "Europe/Helsinki",
                **options,
            }
        )
        context.set_default_timeout(PATIENCE_MS)
        tab = AgentTab(await context.new_page())

        def on_request(request: Request) -> None:
            tab.requests.append(request.url)

        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                tab.errors.append(message.text)

        tab.page.on("request", on_request)
        tab.page.on("console", on_console)
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.on("dialog", lambda dialog: tab.errors.append(f"dialog {dialog.message}"))
        return tab


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        started = await play.chromium.launch(
            executable_path=binary(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        await started.close()
