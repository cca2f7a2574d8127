"""`/v1/touchpoints`: the native way in, and one touchpoint by its id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
from aiohttp import web
from aiohttp.hdrs import CONTENT_TYPE
from msgspec import Struct

from handoff.api.http.access import TENANT_HEADER, Principal
from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext, principal_of
from handoff.api.http.exchange import (
    HEADERS,
    answer,
    decode,
    encode,
    query_flag,
    read_body,
    refuse_encoding,
    stream_answer,
)
from handoff.api.http.ndjson import MAX_LINE, groups
from handoff.api.http.plain_requests import Answer, BodyHandler, FastRoute, Headers, PlainAnswer, plain_of
from handoff.api.http.problems import problem, status_of
from handoff.domain.errors import HandoffError, InvalidPayload, PayloadTooLarge, UnsupportedMedia
from handoff.domain.touchpoint import Touchpoint
from handoff.services.sources.cloudevents import BATCHED, STRUCTURED, read_cloudevent
from handoff.services.sources.native import Caller, read_native
from handoff.services.timeline.reading import read_touchpoint
from handoff.services.timeline.recording import Result, record

NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"}
)
PATH = "/v1/touchpoints"
_TENANT = TENANT_HEADER.lower()


class RejectedView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One touchpoint that was not stored, by its place in the request."""

    index: int
    code: str
    detail: str
    id: str | None = None
    errors: list[dict[str, str]] | None = None


class RecordedView(Struct, frozen=True, kw_only=True):
    """The answer of `POST /v1/touchpoints`. `ids` has an entry per touchpoint, null where rejected."""

    accepted: int
    duplicates: int
    rejected: list[RejectedView]
    ids: list[str | None]
    expired: int = 0


class LinesView(Struct, frozen=True, kw_only=True):
    """One line of the answer to NDJSON: the touchpoints of the lines before `through`, all durable.

    `index` counts lines of the request from 0, empty ones included, so that an import goes on at
    line `through` after it was cut off.
    """

    accepted: int
    duplicates: int
    rejected: list[RejectedView]
    ids: list[str | None]
    through: int
    expired: int = 0


async def create(request: web.Request) -> web.StreamResponse:
    """One touchpoint, an array, NDJSON or CloudEvents: 200, 207 for some rejected, 422 for all."""
    principal = request[PRINCIPAL]
    quiet = not query_flag(request, "announce", default=True)
    if quiet:
        principal.require("operate")  # a sender's token must not be able to keep what it sends from others
    refuse_encoding(request)
    site = request.app[SITE]
    media = request.headers.get(CONTENT_TYPE, "")
    if media != "application/json":
        media = request.content_type.lower()
    if media in NDJSON:
        return await _stream(request, site, principal, quiet=quiet)
    body = await read_body(request)
    if media == STRUCTURED:
        return await _record_one(site, principal, body, cloudevents=True, quiet=quiet)
    if media == BATCHED:
        raws = decode(body, list[msgspec.Raw])
        return await _record_batch(site, principal, raws, cloudevents=True, quiet=quiet)
    if media not in ("application/json", "application/octet-stream", "text/plain"):
        raise UnsupportedMedia("send JSON, NDJSON or CloudEvents")
    if body.lstrip()[:1] == b"[":
        raws = decode(body, list[msgspec.Raw])
        return await _record_batch(site, principal, raws, cloudevents=False, quiet=quiet)
    return await _record_one(site, principal, body, cloudevents=False, quiet=quiet)


# Whoever hangs up withdraws nothing: what is handed to the recorder is stored.


async def _record_one(
    site: AppContext, principal: Principal, raw: bytes, *, cloudevents: bool, quiet: bool
) -> web.Response:
    caller = site.caller(principal)
    read: Callable[[], Touchpoint]
    if cloudevents:
        read = partial(read_cloudevent, raw, caller, time.time_ns() // 1000)
    else:
        read = partial(read_native, raw, caller)
    if quiet:
        (result,) = await record(site.store, principal.tenant, [read()], quiet=True)
    else:
        result = await site.intake.record(principal.tenant, read, len(raw))
    site.measures.count(principal.name, (result,))
    return answer(_recorded(result)) if result.ok else _refused(result)


def _recorded(result: Result) -> RecordedView:
    """The answer for one touchpoint that was stored."""
    accepted = result.status == "accepted"
    return RecordedView(accepted=int(accepted), duplicates=int(not accepted), rejected=[], ids=[result.id])


def _refused(result: Result) -> web.Response:
    """The answer for one touchpoint that was not."""
    rejected = _rejected(0, result)
    return problem(
        422, rejected.code, rejected.detail, id=rejected.id, rejected=[rejected], pointers=rejected.errors
    )


def fast_routes(site: AppContext, scopes: tuple[str, ...]) -> dict[bytes, FastRoute]:
    """`create` on the fast path: one touchpoint in JSON, from a configured token."""

    def open_(_path: str, headers: Headers) -> BodyHandler | None:
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        principal = principal_of(site, headers.get("authorization", ""), headers.get(_TENANT))
        if media != "application/json" or principal is None:
            return None
        for scope in scopes:
            principal.require(scope)
        return partial(_take, site, principal, site.caller(principal))

    vary = (("Vary", "Origin"),) if site.allowed_origins else ()
    return {PATH.encode(): FastRoute(PATH, open_, vary)}


def _take(site: AppContext, principal: Principal, caller: Caller, body: bytes, answer: Answer) -> bool:
    if body.lstrip()[:1] == b"[":
        return False

    def told(outcome: Result | Exception) -> None:
        if isinstance(outcome, Exception):
            answer(outcome)
            return
        site.measures.count(principal.name, (outcome,))
        if outcome.ok:
            answer(PlainAnswer(200, encode(_recorded(outcome)), HEADERS))
        else:
            answer(plain_of(_refused(outcome)))

    site.intake.begin(principal.tenant, partial(read_native, body, caller), len(body), told)
    return True


async def _record_batch(
    site: AppContext,
    principal: Principal,
    raws: Sequence[bytes | msgspec.Raw],
    *,
    cloudevents: bool,
    quiet: bool,
) -> web.Response:
    caller = site.caller(principal)
    read = [_read(raw, caller, cloudevents) for raw in raws]
    view = await _store(site, principal, read, bulk=False, quiet=quiet)
    if view.rejected and len(view.rejected) == len(raws):
        detail = "no touchpoint of the batch was stored"
        return problem(422, "all_rejected", detail, **msgspec.to_builtins(view))
    return answer(view, status=207 if view.rejected else 200)


def _read(raw: bytes | msgspec.Raw, caller: Caller, cloudevents: bool) -> Touchpoint | HandoffError:
    try:
        if cloudevents:
            return read_cloudevent(raw, caller, time.time_ns() // 1000)
        return read_native(raw, caller)
    except HandoffError as error:
        return error


async def _store(
    site: AppContext,
    principal: Principal,
    read: Sequence[Touchpoint | HandoffError],
    *,
    bulk: bool,
    quiet: bool,
) -> RecordedView:
    touchpoints = [it for it in read if isinstance(it, Touchpoint)]
    results = await record(site.store, principal.tenant, touchpoints, bulk=bulk, quiet=quiet)
    site.measures.count(principal.name, results)
    done = iter(results)
    entries: list[Result | HandoffError] = [it if isinstance(it, HandoffError) else next(done) for it in read]
    rejected = [
        _rejected(place, it) for place, it in enumerate(entries) if isinstance(it, HandoffError) or not it.ok
    ]
    return RecordedView(
        accepted=sum(1 for it in results if it.status == "accepted"),
        duplicates=sum(1 for it in results if it.status == "duplicate"),
        rejected=rejected,
        ids=[it.id if isinstance(it, Result) and it.ok else None for it in entries],
    )


def _rejected(index: int, it: Result | HandoffError) -> RejectedView:
    if isinstance(it, HandoffError):
        return RejectedView(
            index=index, code=it.problem_code, detail=it.detail, errors=it.fields.get("pointers")
        )
    return RejectedView(
        index=index, code=it.code or "rejected", detail=it.detail or "", id=it.id or None, errors=it.pointers
    )


class _Lines:
    """The answer to NDJSON: a line for each group of lines, in their order, begun with the first."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = stream_answer("application/x-ndjson")
        self._through = 0

    async def tell(self, lines: Sequence[bytes], storing: Awaitable[RecordedView]) -> bool:
        """Answer for a group when it is stored; False where the import must go on from here another time."""
        try:
            view = await storing
        except HandoffError as error:
            if not self._response.prepared:
                raise
            # The status has been sent: the last line says where to go on.
            await self._write(
                {"error": error.problem_code, "status": status_of(error), "through": self._through}
            )
            return False
        places = [self._through + at for at, raw in enumerate(lines) if raw.strip()]
        self._through += len(lines)
        if not self._response.prepared:
            await self._response.prepare(self._request)
        await self._write(
            LinesView(
                accepted=view.accepted,
                duplicates=view.duplicates,
                rejected=[msgspec.structs.replace(it, index=places[it.index]) for it in view.rejected],
                ids=view.ids,
                through=self._through,
            )
        )
        return True

    async def _write(self, line: object) -> None:
        await self._response.write(msgspec.json.encode(line) + b"\n")

    async def end(self) -> web.StreamResponse:
        if not self._response.prepared:
            raise InvalidPayload("there is no line in the request", code="empty")
        await self._response.write_eof()
        return self._response


async def _stream(
    request: web.Request, site: AppContext, principal: Principal, *, quiet: bool
) -> web.StreamResponse:
    """NDJSON in, NDJSON out: answers come while lines are still being sent.

    While the store has one group of lines the next one is read. A long request waits where the fan-out falls
    behind: history has time, and what is live must not stand behind it.
    """
    caller, answers = site.caller(principal), _Lines(request)
    before: tuple[list[bytes], asyncio.Task[RecordedView]] | None = None
    async for lines in groups(request):
        read = [it for it in (_line(raw, caller) for raw in lines) if it is not None]
        if before is not None and not await answers.tell(before[0], asyncio.shield(before[1])):
            return await answers.end()
        if before is not None:
            await site.monitor.pace()
        storing = asyncio.create_task(_store(site, principal, read, bulk=True, quiet=quiet))
        storing.add_done_callback(_look_at)
        before = lines, storing
        await asyncio.sleep(0)  # it begins
    if before is not None:
        await answers.tell(before[0], asyncio.shield(before[1]))
    return await answers.end()


def _look_at(storing: asyncio.Task[RecordedView]) -> None:
    """Its sender may have gone: an error that is looked at is not reported as never retrieved."""
    if not storing.cancelled():
        storing.exception()


def _line(raw: bytes, caller: Caller) -> Touchpoint | HandoffError | None:
    if not raw.strip():
        return None
    if len(raw) > MAX_LINE:
        return PayloadTooLarge(f"a line has at most {MAX_LINE} bytes")
    return _read(raw.strip(b"\x1e\r\n "), caller, cloudevents=False)


async def read(request: web.Request) -> web.Response:
    """One touchpoint by its id."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    return answer(await read_touchpoint(site.store, principal.tenant, request.match_info["id"]))
