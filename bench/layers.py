"""The cost of HTTP alone: aiohttp with one more layer each, recording nothing (docs/adr/0013, 0018)."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

from bench.contenders import Start, Started, alone, bare
from bench.processes import python
from bench.rounds import FIGURES, Lane, Settings, figures, how, interleaved, together, touchpoints
from bench.table import Table

LAYERS = {
    "answer": "reads the body, answers 110 bytes with four headers",
    "turn": "and waits for the others of its turn",
    "middleware": "and has a middleware around it",
    "server": "the same without middleware, on `web.Server` without an application",
    "fast": "the product's fast path, which waits for the turn as well",
}


def measure(settings: Settings, directory: Path) -> Table:
    """All servers in turn, at 64 connections."""
    starts: dict[str, Start] = {"bare": bare, "uvloop": functools.partial(bare, loop="uvloop")}
    starts |= {layer: functools.partial(_layer, layer=layer) for layer in LAYERS}
    names = {"bare": "bare aiohttp, answers 204, asyncio", "uvloop": "the same on uvloop"} | LAYERS
    with together(starts, directory) as started:
        lanes = [
            Lane(
                key=key,
                name=names[key],
                started=started[key],
                fire=touchpoints(started[key], directory / "templates.jsonl"),
            )
            for key in starts
        ]
        found = interleaved(lanes, settings)
    return Table(
        title="HTTP alone: aiohttp, a layer more each",
        columns=("server", *FIGURES),
        rows=tuple((it.name, *figures(found[it.key], found["bare"])) for it in lanes),
        notes=(how(settings),),
    )


def _layer(directory: Path, layer: str) -> contextlib.AbstractContextManager[Started]:
    return alone(f"layer {layer}", lambda port: python("bench.rivals.layers", str(port), layer), directory)
