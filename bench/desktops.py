"""The time a desktop waits for a context, by length of the history: rebuilt, cached, and with an ETag.

A bare handler that returns the same bytes is measured in turn by the same client.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from msgspec import Struct

from bench.contenders import AUTHORIZATION, UNCACHED, Started, fixed, ours
from bench.lives import Life, identity, live
from bench.processes import Failed
from bench.rounds import call
from bench.table import Table, thousands

ORDINARY = Life(name="ordinary", identities=2, touchpoints=60)
LONG = Life(name="long", identities=2, touchpoints=10_000)
AT_ONCE = (1, 8)
TURNS, READS = 11, 32  # so many reads of one server, then of the next, again and again
WARM_UP = 1  # turns


class Question(Struct, frozen=True, kw_only=True):
    """A repeated request. `floor` is the URL of the bare handler with the same bytes."""

    name: str
    url: str
    floor: str
    headers: Mapping[str, str]
    status: int = 200


def measure(directory: Path) -> Table:
    """Both lives, idle and with several desktops at once."""
    with ours(directory / "ours") as started:
        for life in (ORDINARY, LONG):
            live(started, life)
        paths = {life.name: f"/v1/context?identity={identity(life, 0)}&limit=50" for life in (ORDINARY, LONG)}
        bodies = {name: call(started, path) for name, path in paths.items()}
        with (
            fixed(directory / "ordinary", bodies[ORDINARY.name]) as ordinary,
            fixed(directory / "long", bodies[LONG.name]) as long,
        ):
            floors = {ORDINARY.name: _url(ordinary, "/"), LONG.name: _url(long, "/")}
            questions = [
                Question(
                    name=f"{thousands(life.touchpoints)} touchpoints, {_size(bodies[life.name])}, {what}",
                    url=_url(started, paths[life.name]),
                    floor=floors[life.name],
                    headers=dict((*AUTHORIZATION, *extra)),
                )
                for what, extra in (("rebuilt", UNCACHED), ("cached", ()))
                for life in (ORDINARY, LONG)
            ]
            rows = [
                row
                for at_once in AT_ONCE
                for row in asyncio.run(_measured(questions, _url(started, paths[ORDINARY.name]), at_once))
            ]
    return Table(
        title="Contexts for desktops: `GET /v1/context?limit=50`",
        columns=("customer, desktops at once", "median ms", "p99 ms", "× bare's median", "× bare's p99"),
        rows=tuple(rows),
        notes=(
            f"{(TURNS - WARM_UP) * READS} reads each, in turn with a bare aiohttp handler that answers the "
            "same bytes; one aiohttp client asks both",
            "rebuilt: `Cache-Control: no-store`, as after a new touchpoint or 10 s without a request",
            "nothing new: with `If-None-Match`, answered 304, against the handler that answers the whole",
        ),
    )


def _size(body: bytes) -> str:
    return f"{len(body) // 1000} kB"


def _url(started: Started, path: str) -> str:
    return f"http://127.0.0.1:{started.target.port}{path}"


async def _measured(questions: list[Question], known: str, at_once: int) -> list[tuple[str, ...]]:
    async with aiohttp.ClientSession() as client:
        async with client.get(known, headers=dict(AUTHORIZATION)) as response:
            etag = response.headers["ETag"]
        again = Question(
            name=f"{thousands(ORDINARY.touchpoints)} touchpoints, nothing new",
            url=known,
            floor=questions[0].floor,
            headers={**dict(AUTHORIZATION), "If-None-Match": etag},
            status=304,
        )
        return [await _row(client, it, at_once) for it in (*questions, again)]


async def _row(client: aiohttp.ClientSession, question: Question, at_once: int) -> tuple[str, ...]:
    mine: list[float] = []
    bare: list[float] = []
    for turn in range(TURNS):
        found = await _turn(client, question.url, question.headers, question.status, at_once)
        floor = await _turn(client, question.floor, {}, 200, at_once)
        if turn >= WARM_UP:
            mine += found
            bare += floor
    least = (statistics.median(bare), _p99(bare))
    figures = (statistics.median(mine), _p99(mine))
    label = f"{question.name}, {at_once} at once" if at_once > 1 else f"{question.name}, one at a time"
    times = (f"{figure / floor_:.1f}" for figure, floor_ in zip(figures, least, strict=True))
    return (label, *(f"{figure:.2f}" for figure in figures), *times)


async def _turn(
    client: aiohttp.ClientSession, url: str, headers: Mapping[str, str], status: int, at_once: int
) -> list[float]:
    """Milliseconds of READS reads, `at_once` of them in flight."""

    async def reader() -> list[float]:
        taken = []
        for _ in range(READS // at_once):
            begun = time.perf_counter()
            async with client.get(url, headers=headers) as response:
                await response.read()
            taken.append((time.perf_counter() - begun) * 1000)
            if response.status != status:
                raise Failed(f"{url} was answered {response.status}")
        return taken

    return [it for found in await asyncio.gather(*(reader() for _ in range(at_once))) for it in found]


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
