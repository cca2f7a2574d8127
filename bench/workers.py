"""A second core: two workers on one port against one, with what the load generator took set apart."""

from __future__ import annotations

import functools
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from bench.contenders import ours
from bench.processes import Failed
from bench.rounds import (
    Lane,
    Round,
    Settings,
    check_kept,
    interleaved,
    middle,
    no_refusals,
    ratios,
    together,
    touchpoints,
)
from bench.table import Table, spread, thousands

CONNECTIONS = 64
WORKERS = (1, 2)


def measure(settings: Settings, directory: Path) -> Table:
    """Both servers in turn; nothing is pinned: server, store and load share all cores."""
    names = {str(it): f"{it} worker{'s' if it > 1 else ''}" for it in WORKERS}
    starts = {str(it): functools.partial(ours, workers=it, apart=False) for it in WORKERS}
    with together(dict(starts), directory) as started:
        lanes = [
            Lane(
                key=key,
                name=name,
                started=started[key],
                fire=touchpoints(started[key], directory / "templates.jsonl", CONNECTIONS, core=None),
            )
            for key, name in names.items()
        ]
        found = interleaved(lanes, settings)
        for lane in lanes:
            no_refusals(lane.key, found[lane.key])
            check_kept(lane.started, found[lane.key], CONNECTIONS)
    _check_both_worked(found["2"])
    one = found["1"]
    return Table(
        title="A second core: two workers on one port",
        columns=(
            "server",
            "req/s",
            "× one",
            "load's cores",
            "without load × one",
            "server µs",
            "store µs",
            "load µs",
        ),
        rows=tuple((lane.name, *_figures(found[lane.key], one)) for lane in lanes),
        notes=(
            f"{settings.rounds} interleaved rounds of {settings.seconds:.0f} s, {CONNECTIONS} connections; "
            f"server, store and load share {os.cpu_count()} cores, µs are CPU per request",
            "without load: the rate if the cores that the load generator took were the server's and the "
            "store's too; one worker can use one core only, so its rate is unchanged",
        ),
    )


def _figures(rounds: Sequence[Round], one: Sequence[Round]) -> tuple[str, ...]:
    single = rounds is one
    freed = [_rate(it, single) / other.shot.rate for it, other in zip(rounds, one, strict=True)]
    return (
        thousands(statistics.median(it.shot.rate for it in rounds)),
        spread(ratios(rounds, one)),
        middle((_load_cores(it) for it in rounds), 2),
        spread(freed),
        middle(it.server_us for it in rounds),
        middle(it.store_us for it in rounds),
        middle(it.shot.load_cpu_s / it.shot.requests * 1e6 for it in rounds),
    )


def _load_cores(round_: Round) -> float:
    """How many cores the load generator used."""
    return round_.shot.load_cpu_s / (round_.shot.microseconds / 1e6)


def _rate(round_: Round, single: bool) -> float:
    """Requests per second with the load generator elsewhere."""
    if single:
        return round_.shot.rate
    cores = float(os.cpu_count() or 1)
    used = (round_.server_us + round_.store_us) * round_.shot.requests / round_.shot.microseconds
    return round_.shot.rate * min(cores, used + _load_cores(round_)) / used


def _check_both_worked(rounds: Sequence[Round]) -> None:
    """Failed if the kernel gave one worker almost no requests: that does not measure two workers."""
    for round_ in rounds:
        if len(round_.shares) != len(WORKERS) or min(round_.shares) < 0.1 * sum(round_.shares):
            raise Failed(f"the workers' CPU seconds were {round_.shares}")
