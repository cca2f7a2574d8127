"""The cost of a customer's newest 50 touchpoints, by length of the history."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.contenders import UNCACHED, Started, ours
from bench.lives import Life, identity, live, touchpoint
from bench.processes import Failed
from bench.rounds import call
from bench.table import Table, spread, thousands

ROUNDS = 40
WARM_UP = 5


def lives(full: bool) -> list[Life]:
    long = 1_000_000 if full else 200_000
    return [
        Life(name="ten-short", identities=10, touchpoints=100),
        Life(name="ten-long", identities=10, touchpoints=100_000),
        Life(name="one-short", identities=1, touchpoints=100),
        Life(name="one-long", identities=1, touchpoints=long),
    ]


def measure(directory: Path, *, full: bool = False) -> Table:
    """Fill in each life, then ask for them in turn."""
    every = lives(full)
    with ours(directory) as started:
        for life in every:
            live(started, life)
        spent: dict[str, dict[str, list[float]]] = {life.name: {} for life in every}
        for turn in range(WARM_UP + ROUNDS):
            for life in every:
                for what, ask in _questions(started, life, turn).items():
                    begun = time.perf_counter()
                    ask()
                    taken_ms = (time.perf_counter() - begun) * 1e3
                    if turn >= WARM_UP:
                        spent[life.name].setdefault(what, []).append(taken_ms)
    return Table(
        title="Length of a history: the newest 50 touchpoints of a customer",
        columns=("customer", "timeline ms", "ratio", "context ms", "ratio", "store one late ms"),
        rows=tuple(_row(life, spent) for life in every),
        notes=(
            f"median (quartiles) of {ROUNDS} requests, one at a time, over HTTP; ratio to the short life",
            "timeline: `GET …/timeline?limit=50`; context: `POST /v1/context`, brief over the newest 1 000",
            "store one late: a touchpoint that happened before all others, `appendfsync always`",
        ),
    )


def _row(life: Life, spent: dict[str, dict[str, list[float]]]) -> tuple[str, ...]:
    mine, short = spent[life.name], spent[life.name.partition("-")[0] + "-short"]

    def ratio(what: str) -> str:
        return f"{statistics.median(mine[what]) / statistics.median(short[what]):.2f}"

    plural = "identities" if life.identities > 1 else "identity"
    return (
        f"{life.identities} {plural}, {thousands(life.touchpoints)} touchpoints",
        spread(mine["timeline"]),
        ratio("timeline"),
        spread(mine["context"]),
        ratio("context"),
        spread(mine["late"]),
    )


def _questions(started: Started, life: Life, turn: int) -> dict[str, Callable[[], object]]:
    asked = _json({"identities": [identity(life, 0)], "limit": 50})
    found = _call(started, "/v1/context", asked)
    if found["timeline"]["returned"] != 50 or found["timeline"]["total"] < life.touchpoints:
        raise Failed(f"{life.name}: the newest 50 of {life.touchpoints} are not there")
    page = f"/v1/customers/{found['customer']['id']}/timeline?limit=50"
    late = {**touchpoint(life, 0), "id": f"late-{turn}", "occurred_at": "2010-01-01T00:00:00Z"}
    return {
        "timeline": lambda: _call(started, page),
        "context": lambda: _call(started, "/v1/context", asked),
        "late": lambda: _call(started, "/v1/touchpoints", _json(late)),
    }


def _call(started: Started, path: str, body: bytes | None = None) -> Any:
    return msgspec.json.decode(call(started, path, body, UNCACHED))


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
