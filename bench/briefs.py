"""The server's cost of a fresh context: never looked at, first by a worker, again, and after one more."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bench.contenders import UNCACHED, Started, served
from bench.lives import Life, identity, live, touchpoint
from bench.processes import LOAD_CORE, ROOT, valkey
from bench.rounds import call
from bench.table import Table

CUSTOMERS: Mapping[int, int] = {50: 16, 900: 8, 1_000: 8, 10_000: 3}
"""By length of the history: each is unknown once, and a worker keeps all of them."""
WRITTEN_S = 0.5  # after which the checkpoints of the last looks are written


def measure(directory: Path, tree: Path = ROOT) -> Table:
    """CPU of the server, which has nothing else to do, by length of the history. `tree` has its packages."""
    rows: dict[int, list[float]] = {length: [] for length in CUSTOMERS}
    lives = {length: _lives(length) for length in CUSTOMERS}
    with valkey(directory / "store", durability="always", core=LOAD_CORE) as (store, socket):
        with served(directory, store, socket, tree=tree) as started:
            _look_once(started, "before")
            for length, those in lives.items():
                for life in those:
                    live(started, life)
                rows[length].append(_looks(started, those))
                time.sleep(WRITTEN_S)
        with served(directory, store, socket, tree=tree) as started:
            _look_once(started, "after")
            for length, those in lives.items():
                rows[length] += (_looks(started, those), _looks(started, those))
                for life in those:
                    call(started, "/v1/touchpoints", msgspec.json.encode(touchpoint(life, length)))
                rows[length].append(_looks(started, those))
    return Table(
        title="A context made fresh: server CPU by the length of the history",
        columns=(
            *("touchpoints", "never looked at, ms", "first look of a worker, ms", "again, ms"),
            "after one more touchpoint, ms",
        ),
        rows=tuple(
            (f"{length:,}".replace(",", " "), *(f"{it:.1f}" for it in row)) for length, row in rows.items()
        ),
        notes=(
            "3 to 16 customers of each length, one reader, `Cache-Control: no-store`; mean",
            "the newest 50 touchpoints are shown; what recording the one more costs is left out",
            "checkpoints that are written meanwhile are counted",
        ),
    )


def _lives(length: int) -> list[Life]:
    return [
        Life(name=f"brief{length}-{number}", identities=1, touchpoints=length)
        for number in range(CUSTOMERS[length])
    ]


def _look_once(started: Started, name: str) -> None:
    """Keep the cost of a process's first request out of the count."""
    life = Life(name=f"look-{name}", identities=1, touchpoints=10)
    live(started, life)
    _looks(started, [life])


def _looks(started: Started, lives: Sequence[Life]) -> float:
    """Milliseconds of CPU for the context of each customer."""
    before = started.process.cpu_s()
    for life in lives:
        call(started, "/v1/context", msgspec.json.encode({"identities": [identity(life, 0)]}), UNCACHED)
    return (started.process.cpu_s() - before) * 1000 / len(lives)
