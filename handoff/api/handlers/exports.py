"""Exports: the full history of a customer, and conversations as vCons."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from handoff.api.handlers.privacy.masking import REVEALED, masked_json, require_reveal
from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import ACCESS, about, about_homes, write_entry
from handoff.api.http.exchange import (
    JSON,
    answer,
    bad_parameter,
    encode,
    query_flag,
    read_assurance,
    stream_answer,
)
from handoff.services.access.customer_access import check_conversation, check_customer
from handoff.services.customers.consents import check_consent
from handoff.services.customers.customer import by_id
from handoff.services.export.customer import (
    ExportHead,
    Pages,
    begin_export,
    export_conversations,
    export_touchpoints,
)
from handoff.services.export.vcon import Vcon, export_conversation
from handoff.services.handoffs.targets import home_of, read_conversation_id
from handoff.services.timeline.encoding import encoded_each
from handoff.store.store import Store

CONSENT_MISSING = "Handoff-Consent-Missing"
FORMATS = ("json", "vcon")


async def conversation(request: web.Request) -> web.Response:
    """`GET /v1/conversations/{id}/vcon`; `?internal=true` includes notes."""
    principal = request[PRINCIPAL]
    store, id_ = request.app[SITE].store, request.match_info["id"]
    if principal.queues is not None:
        await check_conversation(store, principal, id_)
    if ACCESS in request:
        conversation_key = read_conversation_id(store.hashes(principal.tenant), id_)
        about_homes(request, [await home_of(store, conversation_key)])
    exported = await export_conversation(
        store,
        principal.tenant,
        id_,
        internal=_internal(request),
        min_assurance=read_assurance(request.query.get("min_assurance"), principal.min_assurance),
        reader=principal.reader,
    )
    return answer(await _around(store, principal.tenant, exported))


def _internal(request: web.Request) -> bool:
    given = request.query.get("internal", "false")
    if given not in ("true", "false"):
        raise bad_parameter("internal", "internal must be true or false")
    return given == "true"


async def customer(request: web.Request) -> web.StreamResponse:
    """`GET /v1/customers/{id}/export`: all data of a customer, or with `?format=vcon` the conversations."""
    principal = request[PRINCIPAL]
    store, tenant, id_ = request.app[SITE].store, principal.tenant, request.match_info["id"]
    format_, internal = request.query.get("format", FORMATS[0]), _internal(request)
    if format_ not in FORMATS:
        raise bad_parameter("format", f"format must be one of {', '.join(FORMATS)}")
    if query_flag(request, "reveal", default=False):
        require_reveal(request)
    least = read_assurance(request.query.get("min_assurance"), principal.min_assurance)
    whom = await by_id(store, tenant, id_)
    await check_customer(store, principal, whom.group.members)
    about(request, whom.id)
    policy = request.app[SITE].handoffs.consent
    missing = await check_consent(store, tenant, whom, policy.rules.export, policy)
    reader = principal.reader
    if format_ == "vcon":
        vcons = export_conversations(store, tenant, whom, least, internal=internal, reader=reader)
        return await _stream(request, _listed(request, vcons), missing)
    begun = await begin_export(store, tenant, whom, id_, time.time_ns() // 1000, reader)
    parts = _written(request, begun, export_touchpoints(store, tenant, whom, least, reader))
    return await _stream(request, parts, missing)


async def _written(request: web.Request, begun: ExportHead, pages: Pages) -> AsyncIterator[bytes]:
    """The JSON of an ExportView, page by page."""
    pace, tenant = request.app[SITE].store.pace, request[PRINCIPAL].tenant
    before = (await masked_json(request, encode(begun)))[:-1] + b',"touchpoints":['
    returned = hidden = 0
    async for views, below in pages:
        returned, hidden = returned + len(views), hidden + below
        if views:
            part = b"[" + b",".join(await pace.each(tenant, encode, views)) + b"]"
            yield before + (await masked_json(request, part))[1:-1]
            before = b","
    end = b'],"returned":%d,"below_min_assurance":%d}' % (returned, hidden)
    yield end if returned else before + end


async def _around(store: Store, tenant: str, vcon: Vcon) -> Vcon:
    """The vCon for its encoder, with its dialogs encoded already."""
    return msgspec.structs.replace(vcon, dialog=await encoded_each(store, tenant, vcon.dialog, encode))


async def _listed(request: web.Request, vcons: AsyncIterator[Vcon]) -> AsyncIterator[bytes]:
    store, tenant = request.app[SITE].store, request[PRINCIPAL].tenant
    mark = b"["
    async for vcon in vcons:
        yield mark + await masked_json(request, encode(await _around(store, tenant, vcon)))
        mark = b","
    yield b"[]" if mark == b"[" else b"]"


async def _stream(
    request: web.Request, parts: AsyncIterator[bytes], missing: str | None
) -> web.StreamResponse:
    """Write the parts as fast as the client reads. An error after the first part cuts the connection, so that
    no client takes the part for the whole."""
    response = stream_answer(JSON)
    if missing is not None:
        response.headers[CONSENT_MISSING] = missing
    async for part in parts:
        if not response.prepared:
            await write_entry(request, "revealed" if REVEALED in request else "ok")
            await response.prepare(request)
        await response.write(part)
    await response.write_eof()
    return response
