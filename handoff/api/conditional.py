"""Contexts by ETag: a desktop that looks again is told whether anything has changed (RFC 9110 §13).

The ETag is weak and covers the whole answer but for what moves with the clock alone: minutes waited
and when each source was last heard. Readers count those on from `waiting_since`. It is made of the
answer itself, so whatever changes the answer (fields, limit, assurance, the token's scope) changes
it too. `no-store` stays: a desktop keeps the last answer in memory, and nothing lies on a disk.

Of the last answers is remembered what they were made of, so that a desktop that looks again within
TRUSTED_S is told without reading the timeline anew.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.helpers import ETag
from msgspec import Struct, UnsetType

from handoff.services.context_basis import Basis
from handoff.services.context_views import ContextView

from .exchange import answer

REMEMBERED = 512  # answers: some 200 bytes each, and 16 for each conversation
TRUSTED_S = 10.0  # promises fall due and briefs grow old by the clock alone
_SIZE = 16  # bytes: no two states of a customer meet by chance
_MOVING = {
    "source": ("last_seen", "behind_s"),
    "effort": ("waiting_minutes", "text"),
    "params": ("minutes",),
}
_ENCODER = msgspec.msgpack.Encoder()


class Told(Struct, frozen=True):
    """An answer that was given: its ETag, what it was made of, until when that is looked at alone."""

    etag: str
    basis: Basis
    until: float


class Recent:
    """What the last answers were made of, by what was asked."""

    def __init__(self) -> None:
        self._told: OrderedDict[Hashable, Told] = OrderedDict()

    def of(self, asked: Hashable, request: web.Request) -> Told | None:
        """The last answer, where it is recent and the one that the reader has."""
        told = self._told.get(asked)
        if told is None or time.monotonic() > told.until or not _has(request, told.etag):
            return None
        return told

    def keep(self, asked: Hashable, etag: str, basis: Basis) -> None:
        self._told[asked] = Told(etag, basis, time.monotonic() + TRUSTED_S)
        self._told.move_to_end(asked)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)


def answer_context(request: web.Request, context: ContextView) -> web.Response:
    """200 with the context and its ETag, or 304 where the reader has it."""
    if request.method != "GET":
        return answer(context)
    etag = fingerprint(context)
    if _has(request, etag):
        return not_modified(etag)
    response = answer(context)
    response.etag = ETag(etag, is_weak=True)
    return response


def not_modified(etag: str) -> web.Response:
    response = web.Response(status=304, headers={"Cache-Control": "no-store"})
    response.etag = ETag(etag, is_weak=True)
    return response


def _has(request: web.Request, etag: str) -> bool:
    return any(it.value in (etag, "*") for it in request.if_none_match or ())


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
