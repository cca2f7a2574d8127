"""`/in/{source}`: vendors' webhooks, as each vendor sends them and needs them answered."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from handoff.domain.errors import HandoffError, NotFound
from handoff.services.adapter import InboundRequest, Reply

from .decompression import decompress
from .exchange import read_body
from .keys import SITE
from .problems import problem_of

MAX_INBOUND = 4 * 1024 * 1024  # bytes, compressed or not: RudderStack's own limit, the largest of the vendors
_THREAD_ABOVE = 64 * 1024


async def deliver(request: web.Request) -> web.Response:
    """Take one delivery; answer as its vendor needs when everything in it is durable."""
    site = request.app[SITE]
    source = site.sources.get(request.match_info["source"])
    if source is None:
        raise NotFound("there is no such source")
    raw = await read_body(request, MAX_INBOUND)
    encoding = request.headers.get("Content-Encoding", "")
    if len(raw) > _THREAD_ABOVE:
        body = await asyncio.to_thread(decompress, raw, encoding, MAX_INBOUND)
    else:
        body = decompress(raw, encoding, MAX_INBOUND)
    inbound = _inbound_request(request, raw, body, site.public_url)
    early = source.adapter.preflight(inbound)
    if early is not None:
        return _response(early)
    try:
        # The sender may hang up; what it sent is recorded all the same, and a retry finds it there.
        outcome = await site.inbound.deliver(source, inbound)
    except HandoffError as error:
        response = problem_of(error)
        response.headers.extend(source.adapter.headers(inbound))
        return response
    return _response(source.adapter.answer(inbound, outcome))


def _inbound_request(request: web.Request, raw: bytes, body: bytes, public_url: str) -> InboundRequest:
    prefix = f"/in/{request.match_info['source']}"
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return InboundRequest(
        method=request.method,
        path=request.rel_url.path[len(prefix) :],
        url=public_url + request.raw_path,
        query=tuple(request.rel_url.query.items()) if request.rel_url.raw_query_string else (),
        headers=headers,
        raw=raw,
        body=body,
        received_at=time.time_ns() // 1000,
    )


def _response(reply: Reply) -> web.Response:
    response = web.Response(status=reply.status, body=reply.body, headers=dict(reply.headers))
    if reply.content_type:
        response.headers["Content-Type"] = reply.content_type
    return response
