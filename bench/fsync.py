"""The cost of an fsync before every acknowledgement: ours against itself with `everysec`."""

from __future__ import annotations

import functools
from itertools import count
from pathlib import Path

from bench.contenders import ours
from bench.rounds import (
    FIGURES,
    Lane,
    Settings,
    check_kept,
    figures,
    how,
    interleaved,
    no_refusals,
    together,
    touchpoints,
)
from bench.table import Table

NAMES = {"everysec": "handoff, `everysec`", "always": "handoff, `always`"}


def measure(settings: Settings, directory: Path) -> Table:
    """Both servers in turn, at 64 connections and, one request at a time, at one."""
    rows, runs = [], count(1)
    with together(
        {"everysec": functools.partial(ours, durability="everysec"), "always": ours}, directory
    ) as started:
        for connections in (64, 1):
            lanes = [
                Lane(
                    key=key,
                    name=name,
                    started=started[key],
                    fire=touchpoints(started[key], directory / "templates.jsonl", connections),
                )
                for key, name in NAMES.items()
            ]
            found = interleaved(lanes, settings, runs)
            for lane in lanes:
                no_refusals(lane.key, found[lane.key])
                check_kept(lane.started, found[lane.key], connections)
                label = f"{lane.name}, {connections} connection{'s' if connections > 1 else ''}"
                rows.append((label, *figures(found[lane.key], found["everysec"])))
    return Table(
        title="Durability: an fsync before every acknowledgement",
        columns=("server", *(name.replace("bare", "everysec") for name in FIGURES)),
        rows=tuple(rows),
        notes=(how(settings), "`everysec` may lose the last second when the machine loses power"),
    )
