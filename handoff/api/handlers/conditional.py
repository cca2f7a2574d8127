"""Contexts by ETag: a desktop that looks again is told whether anything has changed (RFC 9110 §13).

The ETag is weak and covers the whole answer but for what moves with the clock alone: minutes waited
and when each source was last heard. Readers count those on from `waiting_since`. It is made of the
answer itself, so whatever changes the answer (fields, limit, assurance, the token's scope) changes
it too. `no-store` stays: a desktop keeps the last answer in memory, and nothing lies on a disk.
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

_SIZE = 16  # bytes: no two states of a customer meet by chance
_MOVING = {
    "source": ("last_seen", "behind_s"),
    "effort": ("waiting_minutes", "text"),
    "params": ("minutes",),
}
_ENCODER = msgspec.msgpack.Encoder()


def answer_context(request: web.Request, body: bytes, etag: str) -> web.Response:
    """200 with the context and its ETag, or 304 where the reader has it."""
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
    """A hash of a context without what moves with the clock."""
    still = context
    if context.completeness and not isinstance(context.completeness, UnsetType):
        sources = [_without(it, _MOVING["source"]) for it in context.completeness.sources]
        still = msgspec.structs.replace(still, completeness=_with(context.completeness, sources=sources))
    if context.brief and not isinstance(context.brief, UnsetType):
        brief = context.brief
        why_now = tuple(_still_line(it) for it in brief.why_now)
        effort = _without(brief.effort, _MOVING["effort"])
        still = msgspec.structs.replace(still, brief=_with(brief, why_now=why_now, effort=effort))
    return blake2b(_ENCODER.encode(still), digest_size=_SIZE).hexdigest()


def _still_line(line: Any) -> Any:
    if line.code != "waiting":
        return line
    params = {name: value for name, value in line.params.items() if name not in _MOVING["params"]}
    return _with(line, params=params, text="")


def _with(it: Struct, **fields: Any) -> Any:
    return msgspec.structs.replace(it, **fields)


def _without(it: Struct, names: Sequence[str]) -> Any:
    known = [name for name in names if name in it.__struct_fields__]
    return msgspec.structs.replace(it, **dict.fromkeys(known))
