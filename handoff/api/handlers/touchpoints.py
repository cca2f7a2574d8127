"""`/v1/touchpoints`: recording in the native format, and reading one touchpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
from aiohttp import web
from aiohttp.hdrs import CONTENT_TYPE
from msgspec import Struct

from handoff.api.handlers.ndjson import MAX_LINE, LineGroup, groups
from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext, principal_of
from handoff.api.http.auditing import about_homes
from handoff.api.http.exchange import (
    BOM,
    HEADERS,
    answer,
    decode,
    encode,
    query_flag,
    read_body,
    refuse_encoding,
    stream_answer,
)
from handoff.api.http.plain_requests import (
    Answer,
    BodyHandler,
    FastRoute,
    Headers,
    PlainAnswer,
    plain_of,
    refuse_later,
)
from handoff.api.http.problems import problem, status_of
from handoff.api.http.protocol import HttpProtocol
from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.errors import (
    HandoffError,
    InvalidPayload,
    PayloadTooLarge,
    RateLimited,
    Unprocessable,
    UnsupportedMedia,
)
from handoff.domain.redaction.redaction import safe_detail
from handoff.domain.touchpoint import Touchpoint
from handoff.services.access.access import TENANT_HEADER
from handoff.services.access.customer_access import check_home, check_recording
from handoff.services.access.principal import Principal
from handoff.services.context.feedback import Noted, wrong_rule
from handoff.services.sources.cloudevents import (
    BATCHED,
    CLOUDEVENTS,
    STRUCTURED,
    as_structured,
    is_binary,
    read_cloudevent,
)
from handoff.services.sources.native import Caller, read_native
from handoff.services.timeline.pages import read_touchpoint
from handoff.services.timeline.recording import Result, record

NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"}
)
PATH = "/v1/touchpoints"
MAX_ITEMS = 5_000  # touchpoints of one request; NDJSON has no limit
MAX_REJECTED = 500  # of them that are described; the others are null in `ids`, like these
READ_AT_ONCE = 100
_TENANT = TENANT_HEADER.lower()


class RejectedView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rejected touchpoint, by its index in the request."""

    index: int
    code: str
    detail: str
    id: str | None = None
    errors: list[dict[str, str]] | None = None


class RecordedView(Struct, frozen=True, kw_only=True):
    """The response of `POST /v1/touchpoints`. `ids` has an entry per touchpoint, null if rejected.

    `rejected` describes the first 500 rejected touchpoints at most.
    """

    accepted: int
    duplicates: int
    rejected: list[RejectedView]
    ids: list[str | None]
    expired: int = 0


class LinesView(Struct, frozen=True, kw_only=True):
    """One line of the response to NDJSON: the touchpoints of the lines before `through`, all durable.

    `index` counts lines of the request from 0, empty ones included. An interrupted import continues at line
    `through`.
    """

    accepted: int
    duplicates: int
    rejected: list[RejectedView]
    ids: list[str | None]
    through: int
    expired: int = 0


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
        return await _stream(request, site, principal, quiet=quiet)
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
    return answer(_recorded(result)) if result.ok else _rejection(result)


def _same(touchpoint: Touchpoint) -> Touchpoint:
    return touchpoint


async def _permitted(
    site: AppContext, principal: Principal, read: Touchpoint | HandoffError
) -> Touchpoint | HandoffError:
    """The touchpoint, or the error if this caller may not record it."""
    if principal.queues is None or isinstance(read, HandoffError):
        return read
    try:
        await check_recording(site.store, principal, [it.identity for it in read.identities])
    except Unprocessable as error:
        return error
    return read


def _recorded(result: Result) -> RecordedView:
    """The response for one stored touchpoint."""
    accepted = result.status == "accepted"
    return RecordedView(accepted=int(accepted), duplicates=int(not accepted), rejected=[], ids=[result.id])


def _rejection(result: Result) -> web.Response:
    """The response for one rejected touchpoint."""
    rejected = _rejected(0, result)
    return problem(
        422, rejected.code, rejected.detail, id=rejected.id, rejected=[rejected], pointers=rejected.errors
    )


def fast_routes(site: AppContext, scopes: tuple[str, ...]) -> dict[bytes, FastRoute]:
    """`create` on the fast path: one touchpoint in JSON, from a configured token."""

    def open_(_path: str, headers: Headers) -> BodyHandler | None:
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        principal = principal_of(site, headers.get("authorization", ""), headers.get(_TENANT))
        if media != "application/json" or principal is None or is_binary(headers):
            return None
        if principal.queues is not None:  # needs the store before it is recorded
            return None
        for scope in scopes:
            principal.require(scope)
        return partial(_take, site, principal, site.caller(principal))

    vary = (("Vary", "Origin"),) if site.allowed_origins else ()
    return {PATH.encode(): FastRoute(PATH, open_, vary)}


def _take(site: AppContext, principal: Principal, caller: Caller, body: bytes, answer: Answer) -> bool:
    body = body.removeprefix(BOM)
    if body.lstrip()[:1] == b"[":
        return False
    try:
        site.rates.admit_caller(principal.tenant, principal.credential)
    except RateLimited as error:
        refuse_later(error, answer)
        return True

    noted = Noted(partial(read_native, body, caller))

    def respond(outcome: list[Result] | Exception) -> None:
        if isinstance(outcome, Exception):
            answer(outcome)
            return
        site.measures.count(principal.name, outcome)
        (result,) = outcome
        if noted.rule is not None:
            site.measures.line_wrong(noted.rule, result)
        if result.ok:
            answer(PlainAnswer(200, encode(_recorded(result)), HEADERS))
        else:
            answer(plain_of(_rejection(result)))

    site.intake.submit(principal.tenant, noted, len(body), respond)
    return True


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
    caller, read = site.caller(principal), []
    for at in range(0, len(raws), READ_AT_ONCE):
        read += [_read(raw, caller, cloudevents) for raw in raws[at : at + READ_AT_ONCE]]
        if at:
            await asyncio.sleep(0)  # other requests get their turn
    view = await _store(site, principal, read, bulk=False, quiet=quiet)
    if view.rejected and not any(view.ids):
        detail = "No touchpoint of the batch was stored"
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
    read = [await _permitted(site, principal, it) for it in read]
    touchpoints = [it for it in read if isinstance(it, Touchpoint)]
    results = await record(site.store, principal.tenant, touchpoints, bulk=bulk, quiet=quiet)
    site.measures.count(principal.name, results)
    for touchpoint, result in zip(touchpoints, results, strict=True):
        site.measures.line_wrong(wrong_rule(touchpoint), result)
    done = iter(results)
    entries: list[Result | HandoffError] = [it if isinstance(it, HandoffError) else next(done) for it in read]
    rejected = [
        _rejected(place, it) for place, it in enumerate(entries) if isinstance(it, HandoffError) or not it.ok
    ]
    return RecordedView(
        accepted=sum(1 for it in results if it.status == "accepted"),
        duplicates=sum(1 for it in results if it.status in ("duplicate", "erased")),
        rejected=rejected[:MAX_REJECTED],
        ids=[it.id if isinstance(it, Result) and it.ok else None for it in entries],
    )


def _rejected(index: int, failed: Result | HandoffError) -> RejectedView:
    if isinstance(failed, HandoffError):
        pointers = failed.fields.get("pointers")
        return RejectedView(
            index=index, code=failed.problem_code, detail=safe_detail(failed.detail), errors=pointers
        )
    return RejectedView(
        index=index,
        code=failed.code or "rejected",
        detail=safe_detail(failed.detail or ""),
        id=failed.id or None,
        errors=failed.pointers,
    )


class _Lines:
    """The response to NDJSON: one line for each group of lines, in order. The first line starts it."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = stream_answer("application/x-ndjson")
        self._through = 0

    async def report(self, group: LineGroup, storing: Awaitable[RecordedView]) -> bool:
        """Report a group once it is stored; False if the import must continue in another request."""
        try:
            view = await storing
        except HandoffError as error:
            if not self._response.prepared:
                raise
            # The status has been sent: the last line has the place to continue.
            await self._write(
                {"error": error.problem_code, "status": status_of(error), "through": self._through}
            )
            return False
        places, self._through = group.places, group.through
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
            raise InvalidPayload("The request has no lines", code="empty")
        await self._response.write_eof()
        return self._response


async def _stream(
    request: web.Request, site: AppContext, principal: Principal, *, quiet: bool
) -> web.StreamResponse:
    """Record NDJSON and respond in NDJSON while lines are still arriving.

    The next group is read while the store records the previous one. A long request waits while the fan-out is
    behind: history is less urgent than live touchpoints.
    """
    caller, answers = site.caller(principal), _Lines(request)
    if isinstance(request.protocol, HttpProtocol):
        request.protocol.be_patient()
    before: tuple[LineGroup, asyncio.Task[RecordedView]] | None = None
    async for group in groups(request):
        read = [_line(raw, caller) for raw in group.lines]
        if before is not None and not await answers.report(before[0], asyncio.shield(before[1])):
            return await answers.end()
        if before is not None:
            await site.monitor.pace()
        storing = asyncio.create_task(_store(site, principal, read, bulk=True, quiet=quiet))
        storing.add_done_callback(_retrieve_error)
        before = group, storing
        await asyncio.sleep(0)  # lets the task start
    if before is not None:
        await answers.report(before[0], asyncio.shield(before[1]))
    return await answers.end()


def _retrieve_error(storing: asyncio.Task[RecordedView]) -> None:
    """Mark the task's error as retrieved: asyncio would warn about it if the sender has disconnected."""
    if not storing.cancelled():
        storing.exception()


def _line(raw: bytes, caller: Caller) -> Touchpoint | HandoffError:
    if len(raw) > MAX_LINE:
        return PayloadTooLarge(f"The line exceeds {MAX_LINE} bytes")
    return _read(raw.strip(b"\x1e\r\n ").removeprefix(BOM), caller, cloudevents=False)


async def read(request: web.Request) -> web.Response:
    """`GET /v1/touchpoints/{id}`."""
    principal = request[PRINCIPAL]
    store, id_ = request.app[SITE].store, request.match_info["id"]
    home, _id = store.hashes(principal.tenant).private(TOUCHPOINT, id_, 2)
    about_homes(request, [home])
    await check_home(store, principal, home)
    return answer(await read_touchpoint(store, principal.tenant, id_, principal.reader))
