"""Hostile deliveries: real ones, damaged in every way that senders and strangers find."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from handoff.adapter.contract import Adapter, InboundRequest, Outcome, Parsed
from handoff.domain.errors import HandoffError, InvalidPayload, NotFound, PayloadTooLarge, SignatureRefused
from handoff.domain.touchpoint import MAX_TOUCHPOINT_BYTES

REFUSALS = (InvalidPayload, NotFound, PayloadTooLarge)
"""The errors that `parse` may raise."""
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, 1e300, "", " ", "0", "\x00", "\u202e", "\ufffd"),
    *([], {}, [[]], {"": ""}, [None], "a@b.fi", "+358401234567", "2026-11-21T21:00:00Z", "9" * 400),
)
ODD_HEADERS = ("", " ", "\ufffd", "Basic !", "Bearer \ufffd", "sha256=\u0661", "9" * 5_000, "=,=;;", "t=,v1=")
_BROKEN = (
    b"",
    b"\xff\xfe\x00",
    b"{",
    b"[" * 2_000,
    b'{"a":' * 500,
    b"null",
    b"0",
    b'"\\ud800"',
    b"a=%ff&=&&",
)


def survive(adapter: Adapter, request: InboundRequest) -> Parsed | None:
    """The adapter's reading of `request`; any error except a refusal fails the test."""
    with suppress(SignatureRefused):
        if adapter.handshake(request) is not None:
            return None
    try:
        parsed = adapter.parse(request)
    except REFUSALS:
        parsed = None
    with suppress(SignatureRefused):
        adapter.verify(request)
    with suppress(HandoffError):
        adapter.check_head(msgspec.structs.replace(request, raw=b"", body=b""))
    with suppress(HandoffError):
        adapter.mentions(request)
    assert adapter.reply(request, parsed, Outcome()).status < 500
    for touchpoint in parsed.touchpoints if parsed else ():
        assert len(msgspec.msgpack.encode(touchpoint)) <= MAX_TOUCHPOINT_BYTES
        assert touchpoint.occurred_at <= request.received_at, "occurred_at is in the future"
    for bad in parsed.malformed if parsed else ():
        bad.detail.encode("utf-8")
    return parsed


def damaged(body: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`body` damaged in `count` ways, the same ones for each seed."""
    chance = random.Random(seed)
    yield from _BROKEN
    value = _decoded(body)
    for _ in range(count):
        if value is not None and chance.random() < 0.6:
            yield msgspec.json.encode(_changed(value, chance))
            continue
        cut = chance.randrange(len(body) + 1)
        junk = chance.randbytes(chance.randrange(4))
        yield chance.choice((body[:cut], body[:cut] + junk + body[cut:], body[:cut] + junk + body[cut + 1 :]))


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _changed(value: Any, chance: random.Random) -> Any:
    """`value` with one of its parts left out or replaced."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        if chance.random() < 0.15:
            return {name: it for name, it in value.items() if name != key}
        return {**value, key: _changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], _changed(value[place], chance), *value[place + 1 :]]
    return chance.choice(ODD_VALUES)


def with_odd_headers(request: InboundRequest, count: int, seed: int = 0) -> Iterator[InboundRequest]:
    """`request` with one of its headers replaced, `count` times."""
    chance = random.Random(seed)
    names = [*request.headers, "authorization", "content-type"]
    for _ in range(count):
        headers = {**request.headers, chance.choice(names): chance.choice(ODD_HEADERS)}
        yield msgspec.structs.replace(request, headers=headers)
