"""`/v1/touchpoints`: the native way in, and one touchpoint by its id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

import msgspec
from aiohttp import web
from aiohttp.hdrs import CONTENT_TYPE
from msgspec import Struct

from handoff.domain.errors import HandoffError, InvalidPayload, PayloadTooLarge, UnsupportedMedia
from handoff.domain.touchpoint import Touchpoint
from handoff.services.cloudevents import BATCHED, STRUCTURED, read_cloudevent
from handoff.services.feedback import Noted, wrong_rule
from handoff.services.native import Caller, read_native
from handoff.services.recording import Result, record
from handoff.services.timelines import read_touchpoint

from .access import TENANT_HEADER, Principal
from .exchange import HEADERS, answer, decode, encode, read_body, refuse_encoding, stream_answer
from .keys import SITE, Site, authorized, principal_of
from .plain import Answer, Headers, PlainAnswer, Take, Way, plain_of
from .problems import problem, status_of

NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"}
)
MAX_LINE = 512 * 1024  # bytes: a touchpoint's limit with room for JSON escapes
LINES_AT_ONCE = 200  # lines recorded and answered together
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
    principal = authorized(request, "touchpoints:write")
    refuse_encoding(request)
    site = request.app[SITE]
    media = request.headers.get(CONTENT_TYPE, "")
    if media != "application/json":
        media = request.content_type.lower()
    if media in NDJSON:
        return await _stream(request, site, principal)
    body = await read_body(request)
    if media == STRUCTURED:
        return await _record_one(site, principal, body, cloudevents=True)
    if media == BATCHED:
        return await _record_batch(site, principal, decode(body, list[msgspec.Raw]), cloudevents=True)
    if media not in ("application/json", "application/octet-stream", "text/plain"):
        raise UnsupportedMedia("send JSON, NDJSON or CloudEvents")
    if body.lstrip()[:1] == b"[":
        return await _record_batch(site, principal, decode(body, list[msgspec.Raw]), cloudevents=False)
    return await _record_one(site, principal, body, cloudevents=False)


# Whoever hangs up withdraws nothing: what is handed to the recorder is stored.


async def _record_one(site: Site, principal: Principal, raw: bytes, *, cloudevents: bool) -> web.Response:
    caller = site.caller(principal)
    read: Callable[[], Touchpoint]
    if cloudevents:
        read = partial(read_cloudevent, raw, caller, time.time_ns() // 1000)
    else:
        read = partial(read_native, raw, caller)
    noted = Noted(read)
    result = await site.intake.record(principal.tenant, noted, len(raw))
    site.measures.count(principal.name, (result,))
    site.measures.line_wrong(noted.rule, result)
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


def fast_way(site: Site) -> Way:
    """`create` for one touchpoint in JSON from the holder of a configured token, past the framework."""

    def open_(_path: str, headers: Headers) -> Take | None:
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        principal = principal_of(site, headers.get("authorization", ""), headers.get(_TENANT))
        if media != "application/json" or principal is None:
            return None
        principal.require("touchpoints:write")
        return partial(_take, site, principal, site.caller(principal))

    vary = (("Vary", "Origin"),) if site.allowed_origins else ()
    return Way(PATH, open_, vary)


def _take(site: Site, principal: Principal, caller: Caller, body: bytes, answer: Answer) -> bool:
    if body.lstrip()[:1] == b"[":
        return False

    noted = Noted(partial(read_native, body, caller))

    def told(outcome: Result | Exception) -> None:
        if isinstance(outcome, Exception):
            answer(outcome)
            return
        site.measures.count(principal.name, (outcome,))
        site.measures.line_wrong(noted.rule, outcome)
        if outcome.ok:
            answer(PlainAnswer(200, encode(_recorded(outcome)), HEADERS))
        else:
            answer(plain_of(_refused(outcome)))

    site.intake.begin(principal.tenant, noted, len(body), told)
    return True


async def _record_batch(
    site: Site, principal: Principal, raws: Sequence[bytes | msgspec.Raw], *, cloudevents: bool
) -> web.Response:
    caller = site.caller(principal)
    read = [_read(raw, caller, cloudevents) for raw in raws]
    view = await _store(site, principal, read, bulk=False)
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
    site: Site,
    principal: Principal,
    read: Sequence[Touchpoint | HandoffError],
    *,
    bulk: bool,
) -> RecordedView:
    touchpoints = [it for it in read if isinstance(it, Touchpoint)]
    results = await record(site.store, principal.tenant, touchpoints, bulk=bulk)
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


async def _stream(request: web.Request, site: Site, principal: Principal) -> web.StreamResponse:
    """NDJSON in, NDJSON out: answers come while lines are still being sent.

    While the store has one group of lines the next one is read.
    """
    caller, answers = site.caller(principal), _Lines(request)
    before: tuple[list[bytes], asyncio.Task[RecordedView]] | None = None
    async for lines in _chunks(request):
        read = [it for it in (_line(raw, caller) for raw in lines) if it is not None]
        if before is not None and not await answers.tell(before[0], asyncio.shield(before[1])):
            return await answers.end()
        storing = asyncio.create_task(_store(site, principal, read, bulk=True))
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


async def _chunks(request: web.Request) -> AsyncIterator[list[bytes]]:
    """Lines in bounded groups; a line longer than the limit is cut there and refused by its reader."""
    rest = b""
    lines: list[bytes] = []
    skipping = False
    async for chunk in request.content.iter_any():
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            if skipping:
                skipping = False
                continue
            lines.append(part)
        if len(rest) > MAX_LINE:
            if not skipping:
                lines.append(rest)
            rest, skipping = b"", True
        while len(lines) >= LINES_AT_ONCE:
            yield lines[:LINES_AT_ONCE]
            lines = lines[LINES_AT_ONCE:]
    if rest.strip() and not skipping:
        lines.append(rest)
    if lines:
        yield lines


async def read(request: web.Request) -> web.Response:
    """One touchpoint by its id."""
    principal = authorized(request, "context:read")
    site = request.app[SITE]
    return answer(await read_touchpoint(site.store, principal.tenant, request.match_info["id"]))
