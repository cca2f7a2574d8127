"""Operations: health, readiness, metrics, and quarantine."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from handoff import __version__
from handoff.api.http.app_keys import PRINCIPAL, SITE, authenticate
from handoff.api.http.exchange import answer, encode_number, number_cursor, query_ascending, query_limit
from handoff.api.http.problems import problem
from handoff.codec.keyed_hash import STORE
from handoff.domain.errors import NotFound
from handoff.services.access.authorize import Permission, authorize
from handoff.services.sources import quarantine
from handoff.store.errors import unavailable


class QuarantineAnswer(Struct, frozen=True, kw_only=True):
    """A page of quarantined items, newest first unless `order` is `asc`."""

    items: list[quarantine.QuarantineView]
    total: int
    returned: int
    next: str | None


class StoreView(Struct, frozen=True, kw_only=True):
    """The store of a token's touchpoints. A recreated store has a different `id`."""

    id: str
    tenant: str


async def describe_store(request: web.Request) -> web.Response:
    """`GET /v1/store`: the identity of the store, for senders that track their own progress."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    if reason := await store.health.check():
        raise unavailable(reason)
    hashes = store.hashes(principal.tenant)
    return answer(StoreView(id=hashes.public(STORE, hashes.store()), tenant=principal.tenant))


async def healthz(_request: web.Request) -> web.Response:
    """The process is running. Does not check the store: a restart would not repair it."""
    return answer({"status": "ok", "version": __version__})


async def readyz(request: web.Request) -> web.Response:
    """200 if the server can acknowledge touchpoints now, otherwise 503 with the reason."""
    site = request.app[SITE]
    reason = await site.store.health.check() or site.ready()
    site.measures.store_up.set(0 if reason else 1)
    if reason:
        return problem(503, "not_ready", f"Not ready: {reason}", reason=reason)
    return answer({"status": "ready"})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text format. With `server.protect_metrics`, for tokens with the scope `operate` only."""
    site = request.app[SITE]
    if site.protect_metrics:
        principal = await authenticate(request, site)
        authorize(principal, Permission(scopes=("operate",)), principal.tenant)
    body = generate_latest(request.app[SITE].measures.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def list_quarantine(request: web.Request) -> web.Response:
    """`GET /v1/quarantine`."""
    principal = request[PRINCIPAL]
    records = request.app[SITE].store.of(principal.tenant).quarantine
    page = await quarantine.page(
        records,
        limit=query_limit(request),
        newest_first=not query_ascending(request),
        below=number_cursor(request),
    )
    return answer(
        QuarantineAnswer(
            items=page.items, total=page.total, returned=len(page.items), next=encode_number(page.bound)
        )
    )


async def replay(request: web.Request) -> web.Response:
    """`POST /v1/quarantine/{id}/replay`."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    item = await quarantine.read(site.store.of(principal.tenant).quarantine, request.match_info["id"])
    source = site.sources.get(item.source)
    if source is None or source.tenant != principal.tenant:
        raise NotFound(f"The source {item.source!r} is no longer configured")
    return answer(await site.inbound.replay(source, item))


async def dismiss(request: web.Request) -> web.Response:
    """`DELETE /v1/quarantine/{id}`."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    item = await quarantine.read(store.of(principal.tenant).quarantine, request.match_info["id"])
    await quarantine.dismiss(store, principal.tenant, item)
    return web.Response(status=204)
