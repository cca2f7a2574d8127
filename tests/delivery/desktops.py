"""Desktops on loopback that speak the vendors' documented APIs and refuse everything else."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "desk-token-1"
AGENT = "handoff@example.com"


@dataclass
class Vendor:
    """Notes as written, requests as they came; `failures` are answered first, one a write.

    `lost`: the note is kept and then the connection ends without an answer.
    """

    url: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    lost: int = 0
    token: str = TOKEN
    looks: bytes | None = None

    def seen(self, method: str) -> list[web.Request]:
        return [it for it in self.requests if it.method == method]

    def keep(self, request: web.Request, note: dict[str, Any]) -> web.Response | None:
        """Keep the note; what to answer instead of success, if anything."""
        if self.failures:
            return web.json_response({"error": "told to fail"}, status=self.failures.pop(0))
        self.notes.append(note)
        if self.lost:
            self.lost -= 1
            assert request.transport is not None
            request.transport.close()
            return web.Response(status=500)
        return None


def _chatwoot(it: Vendor) -> list[web.RouteDef]:
    place = r"/api/v1/accounts/{account:\d+}/conversations/{conversation:\d+}/messages"

    def authorised(request: web.Request) -> bool:
        it.requests.append(request)
        return request.headers.get("api_access_token") == it.token

    async def create(request: web.Request) -> web.StreamResponse:
        if not authorised(request):
            return web.json_response({"error": "Invalid Access Token"}, status=401)
        assert request.content_type == "application/json"
        body = json.loads(await request.read())
        assert set(body) == {"content", "message_type", "private", "content_type"}
        note = {"id": 900 + len(it.notes), **body, "in": dict(request.match_info)}
        return it.keep(request, note) or web.json_response(note)

    async def messages(request: web.Request) -> web.StreamResponse:
        if not authorised(request):
            return web.json_response({"error": "Invalid Access Token"}, status=401)
        if it.looks is not None:
            return web.Response(body=it.looks, content_type="application/json")
        return web.json_response({"meta": {}, "payload": [{"id": 1, "content": None}, *it.notes]})

    return [web.post(place, create), web.get(place, messages)]


def _zendesk(it: Vendor) -> list[web.RouteDef]:
    basic = "Basic " + base64.b64encode(f"{AGENT}/token:{it.token}".encode()).decode()

    def authorised(request: web.Request) -> bool:
        it.requests.append(request)
        return request.headers.get("Authorization") == basic

    async def update(request: web.Request) -> web.StreamResponse:
        if not authorised(request):
            return web.json_response({"error": "Couldn't authenticate you"}, status=401)
        assert request.content_type == "application/json"
        body = json.loads(await request.read())
        assert set(body) == {"ticket"}
        assert set(body["ticket"]) == {"comment"}
        comment = body["ticket"]["comment"]
        assert set(comment) == {"body", "public"}
        note = {"id": 7000 + len(it.notes), **comment, "in": dict(request.match_info)}
        events = [{"id": note["id"], "type": "Comment", "public": comment["public"]}]
        answer = {"ticket": {"id": 5, "description": "x" * 3000}, "audit": {"id": 1, "events": events}}
        return it.keep(request, note) or web.json_response(answer)

    async def comments(request: web.Request) -> web.StreamResponse:
        if not authorised(request):
            return web.json_response({"error": "Couldn't authenticate you"}, status=401)
        assert dict(request.query) == {"sort": "-created_at", "page[size]": "100"}
        found = [{"id": note["id"], "plain_body": note["body"]} for note in reversed(it.notes)]
        return web.json_response({"comments": found, "meta": {"has_more": False}})

    return [
        web.put(r"/api/v2/tickets/{ticket:\d+}.json", update),
        web.get(r"/api/v2/tickets/{ticket:\d+}/comments.json", comments),
    ]


@asynccontextmanager
async def _serving(it: Vendor, routes: list[web.RouteDef]) -> AsyncIterator[Vendor]:
    app = web.Application()
    app.router.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    it.url = f"http://127.0.0.1:{port}"
    try:
        yield it
    finally:
        await runner.cleanup()


@asynccontextmanager
async def chatwoot() -> AsyncIterator[Vendor]:
    it = Vendor()
    async with _serving(it, _chatwoot(it)):
        yield it


@asynccontextmanager
async def zendesk() -> AsyncIterator[Vendor]:
    it = Vendor()
    async with _serving(it, _zendesk(it)):
        yield it
