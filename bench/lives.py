"""Customers with a history of a stated length, for measurements of reading and appending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from bench.contenders import Started
from bench.processes import Failed
from bench.rounds import call
from handoff.domain.clock import MINUTE, Micros, format_time, parse_time

START: Micros = parse_time("2018-01-01T00:00:00Z")
LINES = 5_000  # of one request, as `handoff import` sends them
TEXT = "Where is my parcel? It was promised for Tuesday and the shop claims that it is on its way. "


class Life(Struct, frozen=True, kw_only=True):
    """A customer: how many identities, and how many touchpoints among them."""

    name: str
    identities: int
    touchpoints: int


def live(started: Started, life: Life) -> None:
    """Record the whole life. Failed where a touchpoint is not accepted."""
    everybody = {
        **touchpoint(life, 0),
        "id": "together",
        "identities": [identity(life, number) for number in range(life.identities)],
    }
    call(started, "/v1/touchpoints", msgspec.json.encode(everybody))
    for lines in _batches(life):
        body = call(started, "/v1/touchpoints", lines, (("Content-Type", "application/x-ndjson"),))
        accepted = sum(msgspec.json.decode(line)["accepted"] for line in body.splitlines())
        if accepted != lines.count(b"\n"):
            raise Failed(f"{life.name}: {accepted} touchpoints of a request were accepted")


def _batches(life: Life) -> Iterator[bytes]:
    for first in range(1, life.touchpoints, LINES):  # the first states all identities
        numbers = range(first, min(first + LINES, life.touchpoints))
        yield b"".join(msgspec.json.encode(touchpoint(life, number)) + b"\n" for number in numbers)


def identity(life: Life, number: int) -> str:
    return f"anonymous@{life.name}:a{number}" if number else f"user@{life.name}:anna"


def touchpoint(life: Life, number: int) -> dict[str, Any]:
    """The touchpoint of that number, as `POST /v1/touchpoints` takes it."""
    return {
        "id": f"{life.name}-{number}",
        "channel": "chat",
        "type": "message.received",
        "occurred_at": format_time(START + number * MINUTE),
        "identities": [identity(life, number % life.identities)],
        "text": f"{TEXT}({number})",
    }
