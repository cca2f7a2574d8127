"""The aiohttp application: every route of the contract, and what stands around all of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext, authenticate
from handoff.api.http.compression import ROUTES as COMPRESSED
from handoff.api.http.compression import compress
from handoff.api.http.cors import answer_preflight, is_preflight, mark_answers
from handoff.api.http.exchange import IDEMPOTENCY_KEY
from handoff.api.http.fast_path import FastPath
from handoff.api.http.idempotency import answer_once
from handoff.api.http.plain_requests import is_host
from handoff.api.http.problems import answer_to, problem
from handoff.api.http.request_ids import HEADER as REQUEST_ID_HEADER
from handoff.api.http.request_ids import REQUEST_ID, next_request_id

from .handlers import (
    callbacks,
    contexts,
    exports,
    handoffs,
    inbound,
    links,
    live,
    operations,
    sessions,
    touchpoints,
    webhooks,
)
from .pages import docs as docs_page
from .pages import panel

log = structlog.get_logger("handoff.access")


def routes() -> list[web.RouteDef]:
    """Every route, in the order of the contract. What is streamed has no HEAD: it would have to be made."""
    return [
        web.route("*", "/in/{source}", inbound.deliver),
        web.route("*", "/in/{source}/{rest:.*}", inbound.deliver),
        web.post(touchpoints.PATH, touchpoints.create),
        web.get("/v1/touchpoints/{id}", touchpoints.read),
        web.post("/v1/context", contexts.look_up),
        web.get("/v1/context", contexts.look_up_by_query),
        web.get("/v1/customers/{id}/context", contexts.of_customer),
        web.get("/v1/customers/{id}/timeline", contexts.timeline),
        web.get("/v1/customers/{id}/export", exports.customer, allow_head=False),
        web.get("/v1/customers/{id}/events", live.of_customer, allow_head=False),
        web.get("/v1/queues/{name}/events", live.of_queue, allow_head=False),
        web.get("/v1/agents/{id}/events", live.of_agent, allow_head=False),
        web.get("/v1/customers/{id}/links", links.list_),
        web.post("/v1/customers/{id}/links", links.create),
        web.post("/v1/customers/{id}/links/{link}/withdraw", links.withdraw),
        web.post("/v1/customers/{id}/split", links.split),
        web.post("/v1/identities/shared", links.mark_shared),
        web.get("/v1/conversations/{id}", contexts.conversation),
        web.get("/v1/conversations/{id}/vcon", exports.conversation),
        web.post("/v1/handoffs", handoffs.create),
        web.get("/v1/handoffs", handoffs.list_),
        web.get("/v1/handoffs/{id}", handoffs.read),
        web.get("/v1/handoffs/{id}/context", handoffs.context),
        web.get("/v1/handoffs/{id}/snapshots", handoffs.snapshots),
        web.get("/v1/handoffs/{id}/snapshot", handoffs.snapshot),
        web.post(
            "/v1/handoffs/{id}/{action:offer|accept|decline|release|complete|withdraw|viewed}", handoffs.move
        ),
        web.post("/v1/callbacks", callbacks.create),
        web.get("/v1/callbacks", callbacks.list_),
        web.get("/v1/callbacks/{id}", callbacks.read),
        web.post("/v1/callbacks/{id}/reschedule", callbacks.reschedule),
        web.post("/v1/callbacks/{id}/cancel", callbacks.cancel),
        web.post("/v1/webhooks", webhooks.create),
        web.get("/v1/webhooks", webhooks.list_),
        web.get("/v1/webhooks/{id}", webhooks.read),
        web.patch("/v1/webhooks/{id}", webhooks.change),
        web.delete("/v1/webhooks/{id}", webhooks.delete),
        web.post("/v1/webhooks/{id}/test", webhooks.test),
        web.get("/v1/webhooks/{id}/deliveries", webhooks.list_deliveries),
        web.post("/v1/webhooks/{id}/replay", webhooks.replay),
        web.post("/v1/sessions", sessions.create),
        web.get("/v1/sessions/current", sessions.current),
        web.get("/v1/store", operations.describe_store),
        web.get("/v1/quarantine", operations.list_quarantine),
        web.post("/v1/quarantine/{id}/replay", operations.replay),
        web.delete("/v1/quarantine/{id}", operations.dismiss),
        web.get("/healthz", operations.healthz),
        web.get("/readyz", operations.readyz),
        web.get("/metrics", operations.metrics),
        web.get("/openapi.json", docs_page.describe),
        web.get("/asyncapi.json", docs_page.describe_messages),
        web.get("/docs", docs_page.page),
        web.get("/docs/{asset}", docs_page.asset),
        web.get("/panel", panel.entry),
        web.get("/panel/", panel.page),
        web.get("/panel/{asset:.+}", panel.asset),
    ]


def counting(site: AppContext) -> Callable[[str, str, int, float], None]:
    """What is noted of each answer: method, route, status and seconds, in the metrics and at most in the log.

    The log has the route, never the path: ids and identities are personal data.
    """
    took = site.measures.took
    detailed = log.is_enabled_for(logging.DEBUG)

    def count(method: str, route: str, status: int, seconds: float) -> None:
        took(route, status // 100, seconds)
        if detailed:
            log.debug("request", method=method, route=route, status=status, ms=round(seconds * 1e3, 2))

    return count


def around(site: AppContext) -> Middleware:
    """What stands around every request: one middleware, since each costs as much as reading a touchpoint.

    A request id on every answer and log line, the request's time in the metrics, and problem documents
    for errors.
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
                response = problem(400, "bad_request", "the Host header is not a host with an optional port")
                response.force_close()  # as after everything else that is not HTTP as it should be
            elif request.method == "OPTIONS" and is_preflight(request):
                response = answer_preflight(request, allowed)
            else:
                if request.path.startswith("/v1/"):
                    request[PRINCIPAL] = await authenticate(request, site)
                once = IDEMPOTENCY_KEY in request.headers
                response = await (answer_once(request, handler) if once else handler(request))
        except Exception as error:  # the outermost loop
            response = answer_to(error)
            if request.writer.output_size and request.transport is not None:
                request.transport.abort()  # an answer was begun: another within it would be read as its rest
        seconds = time.perf_counter() - started
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unmatched"
        count(request.method, route, response.status, seconds)
        if not response.prepared:
            if route in COMPRESSED:
                await compress(request, response)
            response.headers[REQUEST_ID_HEADER] = request_id
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return answer


async def _end_streams(app: web.Application) -> None:
    """Open streams end at once, so that they do not hold up the stop."""
    app[SITE].hub.break_off()


def make_app(site: AppContext) -> web.Application:
    """The application over a site; it owns nothing and closes nothing."""
    app = web.Application(middlewares=[around(site)])
    app[SITE] = site
    if site.allowed_origins:
        app.on_response_prepare.append(mark_answers(site.allowed_origins))
    app.on_shutdown.append(_end_streams)
    app[docs_page.DOCS] = docs_page.Docs()
    app[panel.PANEL] = panel.make_panel(sorted(site.allowed_origins))
    app.add_routes(routes())
    return app


def make_fast_path(site: AppContext, otherwise: Callable[[], asyncio.Protocol]) -> FastPath:
    """The way past the application for plain requests; `otherwise` makes the application's protocol."""
    ways = {touchpoints.PATH.encode(): touchpoints.fast_way(site)} | inbound.fast_ways(site)
    return FastPath(ways, otherwise, counting(site))
