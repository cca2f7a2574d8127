"""Sealing on against off: CPU of ingest and contexts, in interleaved rounds, and memory per touchpoint."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import msgspec

from bench import reads
from bench.contenders import UNCACHED, Started, ours
from bench.lives import identity, live
from bench.load import request, write_templates
from bench.memory import filled
from bench.rounds import Lane, Round, Settings, how, interleaved, middle, no_refusals, ratios, same, together
from bench.rounds import touchpoints as touchpoints_of
from bench.table import Table, spread

OFF, ON = "off", "on"
CONFIG = """
[privacy.sealing]
keys = "a master key of the benchmark, 32 characters"
"""
CONNECTIONS, READERS = 64, 2  # readers: few, so that a busy machine answers them all


def measure(settings: Settings, directory: Path) -> Table:
    """The same load on a clear and on a sealed store, then the memory that the same touchpoints take."""
    starts = {OFF: ours, ON: functools.partial(ours, more=CONFIG)}
    runs = count(1)
    with together(starts, directory) as servers:
        rows = [_row(what, lanes, settings, runs) for what, lanes in _loads(servers, directory)]
    clear, sealed = (filled(directory / f"memory-{it}", it, CONFIG if it == ON else "") for it in (OFF, ON))
    ratio = f"{sealed.memory / clear.memory:.2f}"
    figures = (f"{clear.memory:.0f}", f"{sealed.memory:.0f}", ratio, "-")
    rows.append(("memory, bytes per touchpoint, 5 per identity", *figures))
    return Table(
        title="Sealing: on against off",
        columns=("what", "off", "on", "server: on × off", "store: on × off"),
        rows=tuple(rows),
        notes=(
            how(settings),
            "off and on: CPU of the server, µs per request; ratios of CPU (less is better)",
            f"touchpoints: {CONNECTIONS} connections, five per customer; contexts: 10 identities, "
            "1 000 touchpoints",
        ),
    )


def _loads(servers: dict[str, Started], directory: Path) -> Iterator[tuple[str, list[Lane]]]:
    templates = directory / "templates.jsonl"
    write_templates(templates)
    yield (
        "touchpoints",
        [
            Lane(key=key, name=key, started=it, fire=touchpoints_of(it, templates, CONNECTIONS))
            for key, it in servers.items()
        ],
    )
    for started in servers.values():
        live(started, reads.KNOWN)
    for name, headers in (("cached", ()), ("rebuilt", UNCACHED)):
        yield f"contexts, {name}", [_contexts(directory, name, headers, *it) for it in servers.items()]


def _contexts(
    directory: Path, name: str, headers: Sequence[tuple[str, str]], key: str, started: Started
) -> Lane:
    target = msgspec.structs.replace(started.target, path="/v1/context")
    asked = msgspec.json.encode({"identities": [identity(reads.KNOWN, 0)]})
    fire = same(target, request(target, asked, headers), directory / f"{name}-{key}", READERS)
    return Lane(key=key, name=key, started=started, fire=fire)


def _row(what: str, lanes: list[Lane], settings: Settings, runs: Iterator[int]) -> tuple[str, ...]:
    print(f"  {what}", flush=True)
    found = interleaved(lanes, settings, runs)
    for key, rounds in found.items():
        no_refusals(key, rounds)
    off, on = found[OFF], found[ON]
    return (
        what,
        middle(it.server_us for it in off),
        middle(it.server_us for it in on),
        spread(ratios(on, off, lambda it: it.server_us)),
        _store(on, off),
    )


def _store(on: Sequence[Round], off: Sequence[Round]) -> str:
    """The ratio of the stores' CPU, where requests reach the store."""
    if not statistics.median(it.store_us for it in off):
        return "-"
    return spread(ratios(on, off, lambda it: it.store_us))
