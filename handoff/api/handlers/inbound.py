"""`/in/{source}`: vendors' webhooks, in each vendor's own format."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from aiohttp import web
from msgspec import structs

from handoff.adapter.contract import InboundRequest, Reply
from handoff.api.http.app_keys import SITE, AppContext
from handoff.api.http.decompression import decompress
from handoff.api.http.exchange import read_body
from handoff.api.http.plain_requests import (
    Answer,
    BodyHandler,
    FastRoute,
    Headers,
    PlainAnswer,
    plain_of,
    refuse_later,
)
from handoff.api.http.problems import problem_of
from handoff.domain.errors import NotFound, RateLimited
from handoff.domain.text.cleaning import clean, clean_headers, clean_pairs, clean_parsed
from handoff.services.sources.inbound import Received, Source

MAX_INBOUND = 4 * 1024 * 1024  # bytes, compressed or not: RudderStack's limit, the largest of all vendors
_THREAD_ABOVE = 64 * 1024


async def deliver(request: web.Request) -> web.Response:
    """Record one delivery, and respond as its vendor expects once everything is durable."""
    site = request.app[SITE]
    source = site.sources.get(request.match_info["source"])
    if source is None:
        raise NotFound("Unknown source")
    site.inbound.check_rate(source)
    head = _inbound_request(request, b"", b"", site.public_url)
    early = site.inbound.refuse_early(Received(source=source, request=head))
    if early is not None:
        return _response(_answer_of(early))
    raw = await read_body(request, MAX_INBOUND)
    encoding = request.headers.get("Content-Encoding", "")
    if len(raw) > _THREAD_ABOVE:
        body = await asyncio.to_thread(decompress, raw, encoding, MAX_INBOUND)
    else:
        body = decompress(raw, encoding, MAX_INBOUND)
    plain = await _answer(site, source, _inbound_request(request, raw, body, site.public_url))
    return _response(plain)


def _response(plain: PlainAnswer) -> web.Response:
    return web.Response(status=plain.status, body=plain.body, headers=plain.headers)


async def _answer(site: AppContext, source: Source, inbound: InboundRequest) -> PlainAnswer:
    """Record a delivery and build the vendor's response.

    If the sender disconnects, the delivery is recorded anyway and a retry is a duplicate.
    """
    return _answer_of(await site.inbound.handle(Received(source=source, request=inbound)))


def _answer_of(reply: Reply) -> PlainAnswer:
    if reply.error is not None:
        problem = plain_of(problem_of(reply.error))
        return structs.replace(problem, headers=(*problem.headers, *reply.headers))
    return _plain(reply)


def _plain(reply: Reply) -> PlainAnswer:
    media = reply.content_type or ("" if reply.status == 204 else "application/octet-stream")
    content_type = (("Content-Type", media),) if media else ()
    return PlainAnswer(reply.status, reply.body, (*content_type, *reply.headers))


def fast_routes(site: AppContext, _scopes: tuple[str, ...]) -> dict[bytes, FastRoute]:
    """`deliver` on the fast path, for each source. The source's adapter checks who sends."""
    return {
        f"/in/{name}".encode(): FastRoute("/in/{source}", partial(_open, site, source))
        for name, source in site.sources.items()
    }


def fast_routes_below(site: AppContext, _scopes: tuple[str, ...]) -> dict[bytes, FastRoute]:
    """The same for paths below each source."""
    return {
        f"/in/{name}/".encode(): FastRoute("/in/{source}/{rest}", partial(_open, site, source))
        for name, source in site.sources.items()
    }


def _open(site: AppContext, source: Source, path: str, headers: Headers) -> BodyHandler:
    return partial(_take, site, source, path, clean_parsed(headers))


def _take(site: AppContext, source: Source, path: str, headers: Headers, raw: bytes, answer: Answer) -> bool:
    try:
        site.inbound.check_rate(source)
    except RateLimited as error:
        refuse_later(error, answer)
        return True
    inbound = InboundRequest(
        method="POST",
        path=path.removeprefix(f"/in/{source.name}"),
        url=site.public_url + path,
        query=(),
        headers=headers,
        raw=raw,
        body=decompress(raw, "", MAX_INBOUND),
        received_at=time.time_ns() // 1000,
    )

    def respond(task: asyncio.Task[PlainAnswer]) -> None:
        if not task.cancelled():
            error = task.exception()
            answer(error if isinstance(error, Exception) else task.result())

    asyncio.get_running_loop().create_task(_answer(site, source, inbound)).add_done_callback(respond)
    return True


def _inbound_request(request: web.Request, raw: bytes, body: bytes, public_url: str) -> InboundRequest:
    prefix = f"/in/{request.match_info['source']}"
    return InboundRequest(
        method=request.method,
        path=clean(request.rel_url.path[len(prefix) :]),
        url=clean(public_url + request.raw_path),
        query=clean_pairs(request.rel_url.query.items()) if request.rel_url.raw_query_string else (),
        headers=clean_headers(request.headers.items()),
        raw=raw,
        body=body,
        received_at=time.time_ns() // 1000,
    )
