"""Vendor desktops on loopback that implement the documented APIs and reject everything else."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "vendor-token-1"
AGENT = "handoff@example.com"


@dataclass
class Vendor:
    """The written notes and the received requests. Each write consumes one of `failures` first.

    For each of `lost`, the note is kept and the connection closes without a response.
    """

    url: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    lost: int = 0
    token: str = TOKEN
    listing: bytes | None = None

    def seen(self, method: str) -> list[web.Request]:
        return [it for it in self.requests if it.method == method]

    def keep(self, request: web.Request, note: dict[str, Any]) -> web.Response | None:
        """Keep the note; returns the response if it is not a success."""
        if self.failures:
            return web.json_response({"error": "failure ordered by the test"}, status=self.failures.pop(0))
        self.notes.append(note)
        if self.lost:
            self.lost -= 1
            assert request.transport is not None
            request.transport.close()
            return web.Response(status=500)
        return None


def _chatwoot(vendor: Vendor) -> list[web.RouteDef]:
    place = r"/api/v1/accounts/{account:\d+}/conversations/{conversation:\d+}/messages"

    def authorised(request: web.Request) -> bool:
        vendor.requests.append(request)
        return request.headers.get("api_access_token") == vendor.token

    async def create(request: web.Request) -> web.StreamResponse:
        if not authorised(request):
            return web.json_response({"error": "Invalid Access Token"}, status=401)
        assert request.content_type == "application/json"
        body = json.loads(await request.read())
        assert set(body) == {"content", "message_type", "private", "content_type"}
        note = {"id": 900 + len(vendor.notes), **body, "in": dict(request.match_info)}
        return vendor.keep(request, note) or web.json_response(note)

    async def messages(request: web.Request) -> web.StreamResponse:
        if not authorised(request):
            return web.json_response({"error": "Invalid Access Token"}, status=401)
        if vendor.listing is not None:
            return web.Response(body=vendor.listing, content_type="application/json")
        return web.json_response({"meta": {}, "payload": [{"id": 1, "content": None}, *vendor.notes]})

    return [web.post(place, create), web.get(place, messages)]


def _zendesk(vendor: Vendor) -> list[web.RouteDef]:
    basic = "Basic " + base64.b64encode(f"{AGENT}/token:{vendor.token}".encode()).decode()

    def authorised(request: web.Request) -> bool:
        vendor.requests.append(request)
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
        note = {"id": 7000 + len(vendor.notes), **comment, "in": dict(request.match_info)}
        events = [{"id": note["id"], "type": "Comment", "public": comment["public"]}]
        answer = {"ticket": {"id": 5, "description": "x" * 3000}, "audit": {"id": 1, "events": events}}
        return vendor.keep(request, note) or web.json_response(answer)

    async def comments(request: web.Request) -> web.StreamResponse:
        if not authorised(request):
            return web.json_response({"error": "Couldn't authenticate you"}, status=401)
        assert dict(request.query) == {"sort": "-created_at", "page[size]": "100"}
        found = [{"id": note["id"], "plain_body": note["body"]} for note in reversed(vendor.notes)]
        return web.json_response({"comments": found, "meta": {"has_more": False}})

    return [
        web.put(r"/api/v2/tickets/{ticket:\d+}.json", update),
        web.get(r"/api/v2/tickets/{ticket:\d+}/comments.json", comments),
    ]


@asynccontextmanager
async def _serving(vendor: Vendor, routes: list[web.RouteDef]) -> AsyncIterator[Vendor]:
    app = web.Application()
    app.router.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    vendor.url = f"http://127.0.0.1:{port}"
    try:
        yield vendor
    finally:
        await runner.cleanup()


@asynccontextmanager
async def chatwoot() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    async with _serving(vendor, _chatwoot(vendor)):
        yield vendor


@asynccontextmanager
async def zendesk() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    async with _serving(vendor, _zendesk(vendor)):
        yield vendor
