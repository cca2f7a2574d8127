"""A vendor on loopback that hands out messages in pages, with a token endpoint."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CUSTOMER = "anna@example.com"
PAGE = 2
AT = "2026-11-20T10:00:00Z"


@dataclass
class FolioVendor:
    """The vendor's messages and what was asked. Each request consumes one of `failures` first.

    A page begins with the last message of the page before. Cursors of another `era` are refused. `answering`
    is awaited before a page is answered, and may answer instead. `grants` are the refresh tokens that it
    accepts once each; with `tokens`, a page needs the newest access token.
    """

    url: str = ""
    messages: list[str] = field(default_factory=list)
    failures: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    era: int = 1
    asked: list[tuple[float, str]] = field(default_factory=list)
    refused: int = 0
    answering: Callable[[int], Awaitable[dict[str, Any] | None]] | None = None
    tokens: bool = False
    access: str = ""
    refresh: str = "first"
    token_delay_s: float = 0.0
    granted: list[str] = field(default_factory=list)
    authorised: list[str] = field(default_factory=list)

    def page(self, start: int) -> dict[str, Any]:
        shown = self.messages[max(start - 1, 0) : start + PAGE]
        end = min(start + PAGE, len(self.messages))
        found = [{"id": it, "at": AT, "from": CUSTOMER, "text": it} for it in shown]
        return {"messages": found, "next": f"{self.era}.{end}", "more": end < len(self.messages)}

    async def hand_out(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "")
        self.asked.append((asyncio.get_running_loop().time(), request.query_string))
        number = len(self.asked)
        if self.failures:
            status, headers = self.failures.pop(0)
            return web.Response(status=status, headers=headers)
        if self.tokens and request.headers.get("Authorization") != f"Bearer {self.access}":
            return web.Response(status=401)
        if self.answering is not None and (instead := await self.answering(number)) is not None:
            return web.json_response(instead)
        era, _, start = after.partition(".")
        if after and era != str(self.era):
            self.refused += 1
            return web.Response(status=410)
        return web.json_response(self.page(int(start or 0)))

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.authorised.append(request.headers.get("Authorization", ""))
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.refresh:
                await asyncio.sleep(self.token_delay_s)
                return web.json_response({"error": "invalid_grant"}, status=400)
            self.granted.append(self.refresh)
            self.refresh = f"refresh-{len(self.granted)}"
        else:
            self.granted.append("")
        self.access = f"access-{len(self.granted)}"
        answer = {"access_token": self.access, "expires_in": 3600, "token_type": "Bearer"}
        if form["grant_type"] == "refresh_token":
            answer["refresh_token"] = self.refresh
        await asyncio.sleep(self.token_delay_s)
        return web.json_response(answer)

    async def elsewhere(self, _request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{self.url}/messages"})


BASIC = "Basic " + base64.b64encode(b"handoff:s3cret").decode()


@asynccontextmanager
async def folio(port: int = 0) -> AsyncIterator[FolioVendor]:
    vendor = FolioVendor()
    application = web.Application()
    application.add_routes(
        [
            web.get("/messages", vendor.hand_out),
            web.post("/token", vendor.token),
            web.get("/elsewhere/messages", vendor.elsewhere),
        ]
    )
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vendor
    finally:
        await runner.cleanup()
