"""The handlers of `/v1/touchpoints`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from aiohttp import web
from aiohttp.hdrs import CONTENT_TYPE

from handoff.adapter.cloudevents import (
    BATCHED,
    CLOUDEVENTS,
    STRUCTURED,
    as_structured,
    is_binary,
)
from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.auditing import about_homes
from handoff.api.http.exchange import BOM, answer, decode, query_flag, read_body, refuse_encoding
from handoff.api.http.problems import problem
from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.errors import PayloadTooLarge, UnsupportedMedia
from handoff.domain.touchpoint import Touchpoint
from handoff.services.access.customer_access import check_home, check_recording
from handoff.services.access.principal import Principal
from handoff.services.context.feedback import Noted
from handoff.services.sources.cloudevents import read_cloudevent
from handoff.services.sources.native import read_native
from handoff.services.timeline.pages import read_touchpoint
from handoff.services.timeline.recording import record

from .answers import recorded, rejection
from .lines import stream
from .storing import read_item, store_items

NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"}
)
MAX_ITEMS = 5_000  # touchpoints of one request; NDJSON has no limit


async def create(request: web.Request) -> web.StreamResponse:
    """`POST /v1/touchpoints`: 200, 207 if some are rejected, 422 if all are."""
    principal = request[PRINCIPAL]
    quiet = not query_flag(request, "announce", default=True)
    if quiet:
        principal.require("operate")  # a sender alone must not be able to hide its touchpoints from others
    refuse_encoding(request)
    site = request.app[SITE]
    media = request.headers.get(CONTENT_TYPE, "")
    if media != "application/json":
        media = request.content_type.lower()
    binary = is_binary(request.headers) and not media.startswith(CLOUDEVENTS)
    if media in NDJSON and not binary:
        return await stream(request, site, principal, quiet=quiet)
    body = (await read_body(request)).removeprefix(BOM)
    if binary:
        body = as_structured(request.headers, request.headers.get(CONTENT_TYPE), body)
    if binary or media == STRUCTURED:
        return await _record_one(site, principal, body, cloudevents=True, quiet=quiet)
    if media == BATCHED:
        raws = decode(body, list[msgspec.Raw])
        return await _record_batch(site, principal, raws, cloudevents=True, quiet=quiet)
    if media not in ("application/json", "application/octet-stream", "text/plain"):
        raise UnsupportedMedia("Send JSON, NDJSON, or CloudEvents")
    if body.lstrip()[:1] == b"[":
        raws = decode(body, list[msgspec.Raw])
        return await _record_batch(site, principal, raws, cloudevents=False, quiet=quiet)
    return await _record_one(site, principal, body, cloudevents=False, quiet=quiet)


# A disconnect cancels nothing: touchpoints that reached the recorder are stored.


async def _record_one(
    site: AppContext, principal: Principal, raw: bytes, *, cloudevents: bool, quiet: bool
) -> web.Response:
    caller = site.caller(principal)
    read: Callable[[], Touchpoint]
    if cloudevents:
        read = partial(read_cloudevent, raw, caller, time.time_ns() // 1000)
    else:
        read = partial(read_native, raw, caller)
    if principal.queues is not None:
        touchpoint = read()
        await check_recording(site.store, principal, [it.identity for it in touchpoint.identities])
        read = partial(_same, touchpoint)
    noted = Noted(read)
    if quiet:
        (result,) = await record(site.store, principal.tenant, noted(), quiet=True)
    else:
        (result,) = await site.intake.record(principal.tenant, noted, len(raw))
    site.measures.count(principal.name, (result,))
    site.measures.line_wrong(noted.rule, result)
    return answer(recorded(result)) if result.ok else rejection(result)


def _same(touchpoint: Touchpoint) -> Touchpoint:
    return touchpoint


async def _record_batch(
    site: AppContext,
    principal: Principal,
    raws: Sequence[bytes | msgspec.Raw],
    *,
    cloudevents: bool,
    quiet: bool,
) -> web.Response:
    if len(raws) > MAX_ITEMS:
        detail = f"A request has at most {MAX_ITEMS} touchpoints: send more as NDJSON"
        raise PayloadTooLarge(detail, code="too_many_items", limit=MAX_ITEMS)
    site.rates.charge(principal.tenant, principal.credential, len(raws) - 1)
    caller = site.caller(principal)
    read = await site.store.pace.each(principal.tenant, lambda raw: read_item(raw, caller, cloudevents), raws)
    view = await store_items(site, principal, read, bulk=False, quiet=quiet)
    if view.rejected and not any(view.ids):
        detail = "No touchpoint of the batch was stored"
        return problem(422, "all_rejected", detail, **msgspec.to_builtins(view))
    return answer(view, status=207 if view.rejected else 200)


async def read(request: web.Request) -> web.Response:
    """`GET /v1/touchpoints/{id}`."""
    principal = request[PRINCIPAL]
    store, id_ = request.app[SITE].store, request.match_info["id"]
    home, _id = store.hashes(principal.tenant).private(TOUCHPOINT, id_, 2)
    about_homes(request, [home])
    await check_home(store, principal, home)
    return answer(await read_touchpoint(store, principal.tenant, id_, principal.reader))
