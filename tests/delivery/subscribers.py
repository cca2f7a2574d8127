"""Subscribers on loopback with scripted responses. They verify signatures with the real library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE_S = 15.0

Answer = Callable[["Received"], Awaitable[web.StreamResponse]]


@dataclass
class Received:
    """One attempt, as the subscriber received it."""

    request: web.Request
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Subscriber:
    """Received attempts in order. `answer` produces the response, else `status` and `headers`."""

    url: str = ""
    secret: str = SECRET
    received: list[Received] = field(default_factory=list)
    accepted: list[Received] = field(default_factory=list)
    answer: Answer | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        Webhook(self.secret).verify(body, headers)
        received = Received(request, headers, body, asyncio.get_running_loop().time())
        self.received.append(received)
        response: web.StreamResponse
        if self.answer is not None:
            response = await self.answer(received)
        else:
            response = web.Response(status=self.status, headers=self.headers, text="received")
        if 200 <= response.status < 300:
            self.accepted.append(received)
        return response

    def types(self) -> list[str]:
        return [it.event["type"] for it in self.accepted]


@asynccontextmanager
async def subscriber(**options: Any) -> AsyncIterator[Subscriber]:
    """Start a subscriber on loopback."""
    platform = Subscriber(**options)
    app = web.Application()
    app.router.add_post("/hooks", platform.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    platform.url = f"http://127.0.0.1:{port}/hooks"
    try:
        yield platform
    finally:
        await runner.cleanup()


async def until(happened: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Wait until `happened` is true; fail after `patience_s`."""
    async with asyncio.timeout(patience_s):
        while not happened():  # noqa: ASYNC110  it happens outside this process
            await asyncio.sleep(0.01)


async def until_async(happened: Callable[[], Awaitable[Any]], patience_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(patience_s):
        while not await happened():  # noqa: ASYNC110  likewise
            await asyncio.sleep(0.02)
