"""From one connection to a thousand: latency with nothing to gather, and who refuses where there is much."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from msgspec import structs

from bench.contenders import afternoon, bare, ours
from bench.rounds import (
    FIGURES,
    Lane,
    Settings,
    check_kept,
    figures,
    how,
    interleaved,
    no_refusals,
    ratios,
    together,
    touchpoints,
)
from bench.table import Table, spread

CONNECTIONS = (1, 256, 1000)
NAMES = {
    "bare": "bare aiohttp",
    "afternoon": "aiohttp + redis-py, one `await xadd`",
    "handoff": "handoff",
}


def measure(settings: Settings, directory: Path) -> Table:
    """Three servers in turn at each number of connections. Failed when ours refuses anybody."""
    rows, runs = [], count(1)
    settings = structs.replace(settings, rounds=max(1, settings.rounds * 2 // 3))
    with together({"bare": bare, "afternoon": afternoon, "handoff": ours}, directory) as started:
        for connections in CONNECTIONS:
            lanes = [
                Lane(
                    key=key,
                    name=f"{name}, {connections}",
                    started=started[key],
                    fire=touchpoints(
                        started[key], directory / "templates.jsonl", connections, may_refuse=key != "handoff"
                    ),
                )
                for key, name in NAMES.items()
            ]
            found = interleaved(lanes, settings, runs)
            no_refusals("handoff", found["handoff"])
            check_kept(started["handoff"], found["handoff"], connections)
            base = found["bare"]
            for lane in lanes:
                p50 = ratios(found[lane.key], base, lambda it: it.shot.p50_us)
                asked = sum(it.shot.requests + it.shot.broken for it in found[lane.key])
                refused = sum(it.shot.refused + it.shot.broken for it in found[lane.key])
                rows.append(
                    (lane.name, *figures(found[lane.key], base)[:-1], spread(p50), f"{refused / asked:.1%}")
                )
    return Table(
        title="Connections: one, 256 and 1 000",
        columns=("server, connections", *FIGURES[:-1], "p50 × bare", "refused"),
        rows=tuple(rows),
        notes=(
            how(settings),
            "req/s counts what was answered with a 2xx; refused: other answers and broken connections",
            "redis-py's pool has 100 connections and raises beyond them",
        ),
    )
