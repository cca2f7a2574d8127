"""The aiohttp application: every route of the contract, and what stands around all of them."""

from __future__ import annotations

import logging
import secrets
import time
from itertools import count

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from . import (
    callbacks,
    contexts,
    docs_page,
    handoffs,
    inbound,
    links,
    live,
    operations,
    origins,
    panel,
    sessions,
    touchpoints,
    vcon,
    webhooks,
)
from .idempotency import idempotency
from .keys import SITE, Site, authentication
from .problems import problems

log = structlog.get_logger("handoff.access")
RUN = web.AppKey("run", str)
"""What this process's request ids begin with: eight hex digits by chance, then comes a number."""
_NUMBERS = count()


def routes() -> list[web.RouteDef]:
    """Every route, in the order of the contract."""
    return [
        web.route("*", "/in/{source}", inbound.deliver),
        web.route("*", "/in/{source}/{rest:.*}", inbound.deliver),
        web.post("/v1/touchpoints", touchpoints.create),
        web.get("/v1/touchpoints/{id}", touchpoints.read),
        web.post("/v1/context", contexts.look_up),
        web.get("/v1/context", contexts.look_up_by_query),
        web.get("/v1/customers/{id}/context", contexts.of_customer),
        web.get("/v1/customers/{id}/timeline", contexts.timeline),
        web.get("/v1/customers/{id}/events", live.of_customer),
        web.get("/v1/queues/{name}/events", live.of_queue),
        web.get("/v1/agents/{id}/events", live.of_agent),
        web.get("/v1/customers/{id}/links", links.list_),
        web.post("/v1/customers/{id}/links", links.create),
        web.post("/v1/customers/{id}/links/{link}/withdraw", links.withdraw),
        web.post("/v1/customers/{id}/split", links.split),
        web.post("/v1/identities/shared", links.mark_shared),
        web.get("/v1/conversations/{id}", contexts.conversation),
        web.get("/v1/conversations/{id}/vcon", vcon.conversation),
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


@web.middleware
async def account(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request id on every answer and log line, and the request's time in the metrics.

    The log has the route, never the path: ids and identities are personal data.
    """
    request_id = f"{request.app[RUN]}{next(_NUMBERS):08x}"
    structlog.contextvars.bind_contextvars(request_id=request_id)
    started = time.perf_counter()
    response = await handler(request)
    seconds = time.perf_counter() - started
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "unmatched"
    request.app[SITE].measures.took(route, response.status // 100, seconds)
    if not response.prepared:
        response.headers["Handoff-Request-Id"] = request_id
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if log.is_enabled_for(logging.DEBUG):
        milliseconds = round(seconds * 1e3, 2)
        log.debug("request", method=request.method, route=route, status=response.status, ms=milliseconds)
    return response


async def _end_streams(app: web.Application) -> None:
    """Open streams end at once, so that they do not hold up the stop."""
    app[SITE].hub.break_off()


def make_app(site: Site) -> web.Application:
    """The application over a site; it owns nothing and closes nothing."""
    across = origins.origins_allowed(site.allowed_origins)
    app = web.Application(middlewares=[account, problems, across, authentication, idempotency])
    app[SITE] = site
    app.on_response_prepare.append(origins.mark_answers(site.allowed_origins))
    app[RUN] = secrets.token_hex(4)
    app.on_shutdown.append(_end_streams)
    app[docs_page.DOCS] = docs_page.make_docs()
    app[panel.PANEL] = panel.make_panel(sorted(site.allowed_origins))
    app.add_routes(routes())
    return app
