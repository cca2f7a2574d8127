"""Touchpoints per second, one per request, against servers that do less, in interleaved rounds."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import BARE, CONTENDERS, OURS, Contender
from bench.load import EACH, write_templates
from bench.rounds import (
    FIGURES,
    Lane,
    Rounds,
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


def measure(settings: Settings, directory: Path) -> Table:
    """Run all contenders, check that ours kept what it acknowledged, and make the table."""
    chosen, left_out = _chosen(settings)
    directory.mkdir(parents=True, exist_ok=True)
    templates = directory / "templates.jsonl"
    size = write_templates(templates)
    with together({it.key: it.start for it in chosen}, directory) as started:
        lanes = [
            Lane(
                key=it.key,
                name=it.name,
                started=started[it.key],
                fire=touchpoints(started[it.key], templates, settings.connections),
            )
            for it in chosen
        ]
        found = interleaved(lanes, settings)
        if OURS in started:
            no_refusals(OURS, found[OURS])
            check_kept(started[OURS], found[OURS], settings.connections)
    return _table(chosen, left_out, found, settings, size)


def _chosen(settings: Settings) -> tuple[list[Contender], list[str]]:
    """The contenders that can run here, and for each that cannot, why."""
    if settings.only:
        asked = [it for it in CONTENDERS if it.key in settings.only or it.key == BARE]
    else:
        asked = [it for it in CONTENDERS if settings.full or not it.full]
    left_out = [f"left out: {it.name}: {why}" for it in asked if (why := it.missing())]
    for line in left_out:
        print(f"  {line}", flush=True)
    return [it for it in asked if not it.missing()], left_out


def _table(
    chosen: list[Contender], left_out: list[str], found: Rounds, settings: Settings, size: float
) -> Table:
    ours = found.get(OURS)
    return Table(
        title=f"Ingest: one touchpoint per request, {settings.connections} connections",
        columns=("server", *FIGURES, "handoff ×"),
        rows=tuple(
            (
                it.name,
                *figures(found[it.key], found[BARE]),
                spread(ratios(ours, found[it.key])) if ours else "-",
            )
            for it in chosen
        ),
        notes=(
            how(settings),
            "handoff ×: requests per second of ours against this one's",
            f"mixed touchpoints of {size:.0f} bytes JSON, fresh ids, {EACH} per customer",
            "fsync before every acknowledgement (`appendfsync always`), the same Valkey for every store",
            *left_out,
        ),
    )
