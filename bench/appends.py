"""Appending to a long timeline against a short one: what a touchpoint costs by how many came before it."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.contenders import Started, ours
from bench.lives import Life, live, touchpoint
from bench.processes import Failed
from bench.rounds import Settings, check_total
from bench.table import Table, spread, thousands

LONG = Life(name="long", identities=1, touchpoints=100_000)
SHORT = 10  # touchpoints of a short life
BLOCK = 100  # appends of a block: one to each short life, or all to the long one


class Block(Struct, frozen=True, kw_only=True):
    """The median milliseconds of an append, and CPU microseconds of server and store for each."""

    p50_ms: float
    server_us: float
    store_us: float


def measure(settings: Settings, directory: Path) -> Table:
    """Blocks on the long and on short lives in turn; all appended must be there."""
    shorts = [Life(name=f"short-{number}", identities=1, touchpoints=SHORT) for number in range(BLOCK)]
    with ours(directory) as started:
        live(started, LONG)
        for life in shorts:
            live(started, life)
        _block(started, shorts, 0)
        _block(started, [LONG] * BLOCK, 0)
        rounds = [
            (_block(started, shorts, turn), _block(started, [LONG] * BLOCK, turn))
            for turn in range(1, settings.rounds + 1)
        ]
        check_total(started, f"user@{LONG.name}:anna", LONG.touchpoints + BLOCK * (settings.rounds + 1))
        check_total(started, f"user@{shorts[0].name}:anna", SHORT + settings.rounds + 1)
    short, long = ([pair[place] for pair in rounds] for place in (0, 1))
    return Table(
        title="Appending: a timeline of 100 000 against one of 10",
        columns=("timeline", "p50 ms", "ratio", "server µs", "store µs", "ratio of CPU"),
        rows=(
            _row(f"{SHORT} touchpoints", short, short),
            _row(f"{thousands(LONG.touchpoints)} touchpoints", long, short),
        ),
        notes=(
            f"{settings.rounds} blocks of {BLOCK} requests on each in turn, one request at a time, with an "
            "fsync each; median (quartiles) of the blocks",
        ),
    )


def _row(name: str, blocks: Sequence[Block], base: Sequence[Block]) -> tuple[str, ...]:
    pairs = list(zip(blocks, base, strict=True))
    return (
        name,
        f"{statistics.median(it.p50_ms for it in blocks):.2f}",
        spread([one.p50_ms / other.p50_ms for one, other in pairs]),
        f"{statistics.median(it.server_us for it in blocks):.0f}",
        f"{statistics.median(it.store_us for it in blocks):.0f}",
        spread([(one.server_us + one.store_us) / (other.server_us + other.store_us) for one, other in pairs]),
    )


def _block(started: Started, lives: Sequence[Life], turn: int) -> Block:
    """One append to each of `lives`, at the end of its timeline."""
    assert started.store
    headers = {"Content-Type": "application/json", **dict(started.target.headers)}
    bodies = [_next(life, turn, place) for place, life in enumerate(lives)]
    connection = http.client.HTTPConnection("127.0.0.1", started.target.port, timeout=60)
    server, store, spent = started.process.cpu_s(), started.store.cpu_s(), []
    for body in bodies:
        begun = time.perf_counter()
        connection.request("POST", started.target.path, body, headers)
        answer = connection.getresponse()
        body = answer.read()
        spent.append((time.perf_counter() - begun) * 1000)
        if answer.status != 200:
            raise Failed(f"a touchpoint was answered {answer.status}: {body[:200]!r}")
    connection.close()
    scale = 1e6 / len(bodies)
    return Block(
        p50_ms=statistics.median(spent),
        server_us=(started.process.cpu_s() - server) * scale,
        store_us=(started.store.cpu_s() - store) * scale,
    )


def _next(life: Life, turn: int, place: int) -> bytes:
    """A touchpoint after all that the life has."""
    made = touchpoint(life, life.touchpoints + turn * BLOCK + place)
    return msgspec.json.encode({**made, "id": f"{turn}-{place}"})
