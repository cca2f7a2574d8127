"""The aiohttp application: the routes of all operations behind one middleware, and the fast path."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from handoff.api.handlers.privacy.masking import mask_answer
from handoff.api.http.app_keys import SITE, AppContext, authenticate
from handoff.api.http.compression import compress
from handoff.api.http.connections import Connections
from handoff.api.http.cors import answer_preflight, is_preflight, mark_answers
from handoff.api.http.fast_path import FastPath
from handoff.api.http.plain_requests import REFUSAL_DELAY_S, SECURITY_HEADERS, FastRoute, is_host
from handoff.api.http.problems import answer_to, problem
from handoff.api.http.protocol import HttpProtocol
from handoff.api.http.request_ids import HEADER as REQUEST_ID_HEADER
from handoff.api.http.request_ids import REQUEST_ID, next_request_id
from handoff.api.operations import OPERATIONS
from handoff.domain.errors import RateLimited

from .pages import docs as docs_page
from .pages import panel
from .routing import fast_routes, routes

COMPRESSED = frozenset(it.path for it in OPERATIONS if it.compressed)
log = structlog.get_logger("handoff.access")


def counting(site: AppContext) -> Callable[[str, str, int, float], None]:
    """A function that records a response in the metrics, and in the log at debug level.

    It takes method, route, status, and seconds. The log has the route, never the path: ids and identities
    are personal data.
    """
    took = site.measures.took
    detailed = log.is_enabled_for(logging.DEBUG)

    def count(method: str, route: str, status: int, seconds: float) -> None:
        took(route, status // 100, seconds)
        if detailed:
            log.debug("request", method=method, route=route, status=status, ms=round(seconds * 1e3, 2))

    return count


def around(site: AppContext) -> Middleware:
    """The middleware: request ids, metrics, problem documents for errors, and compression.

    There is only one, since each middleware costs as much as reading a touchpoint.
    """
    count, allowed = counting(site), site.allowed_origins

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = next_request_id()
        REQUEST_ID.set(request_id)
        started = time.perf_counter()
        response: web.StreamResponse
        try:
            if not is_host(request.headers.get(hdrs.HOST, "")):
                response = problem(400, "bad_request", "The Host header is not a host with an optional port")
                response.force_close()  # as after any other malformed HTTP
            elif request.method == "OPTIONS" and is_preflight(request):
                response = answer_preflight(request, allowed)
            else:
                if request.match_info.http_exception is not None:
                    await _check_unrouted(request, site)
                response = await handler(request)
        except Exception as error:  # the outermost loop
            if isinstance(error, RateLimited):
                await asyncio.sleep(REFUSAL_DELAY_S)
            response = answer_to(error)
            await mask_answer(request, response)
            if request.writer.output_size and request.transport is not None:
                request.transport.abort()  # a client would read a second response as the rest of the first
        if isinstance(request.protocol, HttpProtocol):
            request.protocol.release()
        seconds = time.perf_counter() - started
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unmatched"
        count(request.method, route, response.status, seconds)
        if not response.prepared:
            if route in COMPRESSED:
                await compress(request, response)
            response.headers[REQUEST_ID_HEADER] = request_id
            for name, value in SECURITY_HEADERS:
                response.headers.setdefault(name, value)
        return response

    return answer


async def _check_unrouted(request: web.Request, site: AppContext) -> None:
    """Unauthenticated for an unknown path or method of the API: only callers learn which exist."""
    if request.path.startswith("/v1/"):
        await authenticate(request, site)


async def _end_streams(app: web.Application) -> None:
    """End open streams, so that they do not delay the shutdown."""
    app[SITE].hub.break_off()


def make_app(site: AppContext) -> web.Application:
    """The application. It does not own `site` and closes nothing."""
    app = web.Application(middlewares=[around(site)])
    app[SITE] = site
    if site.allowed_origins:
        app.on_response_prepare.append(mark_answers(site.allowed_origins))
    app.on_shutdown.append(_end_streams)
    app[docs_page.DOCS] = docs_page.Docs()
    app[panel.PANEL] = panel.make_panel(sorted(site.allowed_origins), site.sign_in_url)
    app.add_routes(routes(OPERATIONS))
    return app


def make_fast_routes(site: AppContext) -> dict[bytes, FastRoute]:
    """The fast path's routes for the sources and tokens that are configured now."""
    return fast_routes(OPERATIONS, site)


def make_fast_path(
    site: AppContext, otherwise: Callable[[], asyncio.Protocol], connections: Connections
) -> FastPath:
    """The fast path for plain requests. `otherwise` makes the application's protocol for all others."""
    return FastPath(make_fast_routes(site), otherwise, counting(site), connections)
