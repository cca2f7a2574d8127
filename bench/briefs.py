"""The server's cost of a fresh context: at a first look at a customer, again, and after one more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.contenders import UNCACHED, Started, ours
from bench.lives import Life, identity, live, touchpoint
from bench.rounds import call, together
from bench.table import Table

LENGTHS = (50, 900, 1_000)  # one more than 1 000 drops the oldest, and the matters are folded again
CUSTOMERS = 8  # of each length: each is unknown once, and a worker keeps all of them


def measure(directory: Path) -> Table:
    """CPU of the server, which has nothing else to do, by length of the history."""
    with together({"handoff": ours}, directory) as servers:
        rows = [_row(servers["handoff"], length) for length in LENGTHS]
    return Table(
        title="A context made fresh: server CPU by the length of the history",
        columns=("touchpoints", "not looked at lately, ms", "again, ms", "after one more touchpoint, ms"),
        rows=tuple(rows),
        notes=(
            f"{CUSTOMERS} customers of each length, one reader, `Cache-Control: no-store`; mean",
            "the newest 50 touchpoints are shown; what recording the one more costs is left out",
        ),
    )


def _row(started: Started, length: int) -> tuple[str, ...]:
    lives = [Life(name=f"brief{length}-{n}", identities=1, touchpoints=length) for n in range(CUSTOMERS)]
    for life in lives:
        live(started, life)
    first, again = _looks(started, lives), _looks(started, lives)
    for life in lives:
        call(started, "/v1/touchpoints", msgspec.json.encode(touchpoint(life, length)))
    more = _looks(started, lives)
    return (f"{length:,}".replace(",", " "), *(f"{it:.1f}" for it in (first, again, more)))


def _looks(started: Started, lives: Sequence[Life]) -> float:
    """Milliseconds of CPU for the context of each customer."""
    before = started.process.cpu_s()
    for life in lives:
        call(started, "/v1/context", msgspec.json.encode({"identities": [identity(life, 0)]}), UNCACHED)
    return (started.process.cpu_s() - before) * 1000 / len(lives)
