"""Erasing customers, and `/v1/erasures`."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.exchange import (
    answer,
    bad_parameter,
    check_reason,
    encode_number,
    number_cursor,
    query_limit,
    read_identity,
    read_json,
)
from handoff.services.privacy.erasure import (
    ErasureOrder,
    ErasureView,
    erasure_view,
    list_erasures,
    read_erasure,
    request_erasure,
)
from handoff.services.privacy.protection import (
    Protection,
    ProtectionOrder,
    protect,
    release,
)


class ProtectionInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT …/hold` and `PUT …/restriction`."""

    reason: str

    def __post_init__(self) -> None:
        check_reason(self.reason.strip(), least=1)


class ErasuresAnswer(Struct, frozen=True, kw_only=True):
    """A page of erasures, newest first."""

    erasures: list[ErasureView]
    total: int
    returned: int
    next: str | None


async def erase(request: web.Request) -> web.Response:
    """`DELETE /v1/customers/{id}`: 202 with the erasure."""
    principal, site = request[PRINCIPAL], request.app[SITE]
    reason, named = request.query.get("reason", ""), request.query.get("identity")
    check_reason(reason)
    order = ErasureOrder(
        customer_id=request.match_info["id"],
        identity=read_identity(named, regions=site.regions_of(principal.tenant)) if named else None,
        by=principal.name,
        reason=site.store.redaction.text(reason, "request", principal.tenant),
        backup_days=site.privacy.backup_days,
        at_once=_at_once(request),
    )
    erasure = await asyncio.shield(request_erasure(site.store, principal.tenant, order, site.journal))
    site.erased.set()
    response = answer(erasure_view(erasure), status=202)
    response.headers["Location"] = f"/v1/erasures/{erasure.id}"
    return response


def _at_once(request: web.Request) -> bool:
    given = request.query.get("now", "false")
    if given not in ("true", "false"):
        raise bad_parameter("now", "now must be true or false")
    return given == "true"


async def list_(request: web.Request) -> web.Response:
    """`GET /v1/erasures`."""
    principal, site = request[PRINCIPAL], request.app[SITE]
    page = await list_erasures(
        site.store, principal.tenant, limit=query_limit(request), below=number_cursor(request)
    )
    views = [erasure_view(it) for it in page.erasures]
    return answer(
        ErasuresAnswer(erasures=views, total=page.total, returned=len(views), next=encode_number(page.bound))
    )


async def read(request: web.Request) -> web.Response:
    """`GET /v1/erasures/{id}`."""
    principal, site = request[PRINCIPAL], request.app[SITE]
    erasure = await read_erasure(site.store, principal.tenant, request.match_info["id"])
    return answer(erasure_view(erasure))


def setting(kind: Protection) -> Handler:
    """The handler of `PUT /v1/customers/{id}/hold` or `/restriction`."""

    async def put(request: web.Request) -> web.Response:
        principal, given = request[PRINCIPAL], await read_json(request, ProtectionInput)
        order = ProtectionOrder(
            kind=kind,
            customer_id=request.match_info["id"],
            by=principal.name,
            reason=given.reason,
            now=time.time_ns() // 1000,
        )
        return answer(await asyncio.shield(protect(request.app[SITE].store, principal.tenant, order)))

    return put


def lifting(kind: Protection) -> Handler:
    """The handler of `DELETE /v1/customers/{id}/hold` or `/restriction`."""

    async def delete(request: web.Request) -> web.Response:
        principal = request[PRINCIPAL]
        work = release(request.app[SITE].store, principal.tenant, kind, request.match_info["id"])
        await asyncio.shield(work)
        return web.Response(status=204)

    return delete
