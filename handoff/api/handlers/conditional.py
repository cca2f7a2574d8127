"""Conditional requests for contexts, by ETag (RFC 9110 §13).

The ETag is weak. It covers the whole response except values that depend on the clock alone: waiting minutes
and when each source last reported. Clients derive those from `waiting_since`. The ETag is a hash of the
response, so everything that affects the response (fields, limit, assurance, the token's scope) affects it
too. Responses keep `no-store`: a desktop holds the last one in memory, and no cache writes it to disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.helpers import ETag
from msgspec import Struct, UnsetType

from handoff.api.http.exchange import answer_json
from handoff.services.context.views import ContextView

_SIZE = 16  # bytes: makes collisions practically impossible
MASKED = "m"
"""The end of the ETag of a context with masked numbers."""
_CLOCK_VALUES = {
    "source": ("last_seen", "behind_s"),
    "effort": ("waiting_minutes", "text"),
    "params": ("minutes",),
}
_ENCODER = msgspec.msgpack.Encoder()


def answer_context(request: web.Request, body: bytes, etag: str) -> web.Response:
    """200 with the context and its ETag, or 304 if the client has it."""
    if request.method != "GET":
        return answer_json(body)
    if any(it.value in (etag, "*") for it in request.if_none_match or ()):
        return not_modified(etag)
    response = answer_json(body)
    response.etag = ETag(etag, is_weak=True)
    return response


def not_modified(etag: str) -> web.Response:
    response = web.Response(status=304, headers={"Cache-Control": "no-store"})
    response.etag = ETag(etag, is_weak=True)
    return response


def fingerprint(context: ContextView) -> str:
    """A hash of a context without the values that depend on the clock."""
    stable = context
    if context.completeness and not isinstance(context.completeness, UnsetType):
        sources = [_without(it, _CLOCK_VALUES["source"]) for it in context.completeness.sources]
        stable = msgspec.structs.replace(stable, completeness=_with(context.completeness, sources=sources))
    if context.brief and not isinstance(context.brief, UnsetType):
        brief = context.brief
        why_now = tuple(_line_without_clock(it) for it in brief.why_now)
        effort = _without(brief.effort, _CLOCK_VALUES["effort"])
        stable = msgspec.structs.replace(stable, brief=_with(brief, why_now=why_now, effort=effort))
    return blake2b(_ENCODER.encode(stable), digest_size=_SIZE).hexdigest()


def _line_without_clock(line: Any) -> Any:
    if line.code != "waiting":
        return line
    params = {name: value for name, value in line.params.items() if name not in _CLOCK_VALUES["params"]}
    return _with(line, params=params, text="")


def _with(struct: Struct, **fields: Any) -> Any:
    return msgspec.structs.replace(struct, **fields)


def _without(struct: Struct, names: Sequence[str]) -> Any:
    known = [name for name in names if name in struct.__struct_fields__]
    return msgspec.structs.replace(struct, **dict.fromkeys(known))
