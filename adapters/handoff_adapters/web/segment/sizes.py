"""Large bodies: what is read of them before their sender is known, and in pieces that take little time each.

Decoding 4 MiB of JSON at once keeps Python's lock, and so the event loop, for up to a quarter of a second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.errors import InvalidPayload, PayloadTooLarge
from handoff_adapters.shared.fields import decode_json

PIECE = 512 * 1024  # bytes decoded at once: the largest touchpoint, with room for JSON escapes
MAX_OBJECTS = 100_000  # in a large batch, at all levels: 40 bytes each at its limit of 4 MiB
MAX_STATED = 10  # write keys looked at in a body that is not valid JSON
MAX_REPEATED = 4 * 1024 * 1024  # bytes of a batch's context, once for each of its events
TOO_LARGE = f"An event has at most {PIECE} bytes"
_KEY = re.compile(rb'"writeKey"\s*:\s*"([^"\\]{1,200})"')


class _Keyed(Struct, frozen=True):
    writeKey: Any = None  # noqa: N815


class _Item(Struct, frozen=True):
    """An object whose members are skipped."""


class _Counted(Struct, frozen=True):
    batch: list[_Item]


class _Pieces(Struct, frozen=True):
    batch: list[msgspec.Raw]
    sentAt: Any = None  # noqa: N815
    context: msgspec.Raw = msgspec.Raw()


class OversizedEvent(Struct, frozen=True):
    """An event that is not decoded. `alone` is the body of a batch with only it."""

    alone: bytes


_KEYED = msgspec.json.Decoder(_Keyed)
_COUNTED = msgspec.json.Decoder(_Counted)
_PIECES = msgspec.json.Decoder(_Pieces)


def stated_keys(body: bytes) -> list[str]:
    """The write key in a body, found without decoding the rest. InvalidPayload for a key that is not text.

    In a body that only tolerant decoding reads, all that look like one.
    """
    try:
        key = _KEYED.decode(body.removeprefix(b"\xef\xbb\xbf")).writeKey
    except RecursionError as error:
        raise InvalidPayload("The JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = islice(_KEY.finditer(body), MAX_STATED)
        return [match[1].decode("utf-8", "replace") for match in found]
    return [key] if isinstance(key, str) else []


def encoded_context(context: Mapping[str, Any], events: int) -> msgspec.Raw:
    """The context of a batch as JSON. InvalidPayload if repeating it for each event would take too much."""
    if not context:
        return msgspec.Raw()
    try:
        encoded = msgspec.json.encode(context)
    except RecursionError as error:  # just within the decoder's limit
        raise InvalidPayload("The JSON is nested too deeply") from error
    if len(encoded) * events > MAX_REPEATED:
        detail = f"The batch's context, repeated for each event, has at most {MAX_REPEATED} bytes"
        raise InvalidPayload(detail, code="too_large")
    return msgspec.Raw(encoded)


def large_batch(body: bytes, limit: int) -> dict[str, Any]:
    """The members of a batch of more than PIECE bytes. PayloadTooLarge above `limit` events, InvalidPayload.

    It is decoded event by event. A larger event is an `OversizedEvent`.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    if body.count(b"{") > MAX_OBJECTS:
        raise PayloadTooLarge(f"A batch has at most {limit} events")
    try:
        count = len(_COUNTED.decode(body).batch)
        if count > limit:
            raise PayloadTooLarge(f"A batch has at most {limit} events")
        found = _PIECES.decode(body)
    except RecursionError as error:
        raise InvalidPayload("The JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidPayload(f"A body of more than {PIECE} bytes is a valid batch of objects") from error
    context = _decoded(found.context) if found.context else None
    return {"batch": list(map(_decoded, found.batch)), "sentAt": found.sentAt, "context": context}


def _decoded(raw: msgspec.Raw) -> Any:
    piece = bytes(raw)
    return decode_json(piece) if len(piece) <= PIECE else OversizedEvent(b'{"batch":[' + piece + b"]}")
