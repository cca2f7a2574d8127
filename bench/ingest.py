"""Touchpoints per second, one per request, against servers that do less, in interleaved rounds."""

from __future__ import annotations

import contextlib
import json
import statistics
import urllib.request
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from random import Random

from msgspec import Struct

from bench.contenders import AFTERNOON, BARE, CONTENDERS, OURS, Contender, Started
from bench.load import BLOCK, EACH, Shot, customers, shoot, write_templates
from bench.processes import Failed
from bench.table import Table, spread, thousands

CONNECTIONS = 64
WARM_UP_S = 1.0
CHECKED = 40  # customers whose touchpoints are counted after the rounds


class Round(Struct, frozen=True, kw_only=True):
    """One run against one contender. CPU in µs per request, of the server and of its store."""

    run: int
    shot: Shot
    server_us: float
    store_us: float


class Settings(Struct, frozen=True, kw_only=True):
    """How long to measure and whom: `full` takes in all contenders, `only` the named ones beside bare."""

    rounds: int = 7
    seconds: float = 3.0
    full: bool = False
    only: frozenset[str] = frozenset()
    connections: int = CONNECTIONS
    seed: int = 1


def measure(settings: Settings, directory: Path) -> Table:
    """Run all contenders, check that ours kept what it acknowledged, and make the table."""
    chosen = _chosen(settings)
    templates = directory / "templates.jsonl"
    directory.mkdir(parents=True)
    size = write_templates(templates)
    with contextlib.ExitStack() as stack:
        started = {it.key: stack.enter_context(it.start(directory / it.key)) for it in chosen}
        found = _rounds(chosen, started, templates, settings)
        if OURS in started:
            _check(started[OURS], found[OURS])
    return _table(chosen, found, settings, size)


def _chosen(settings: Settings) -> list[Contender]:
    if settings.only:
        return [it for it in CONTENDERS if it.key in settings.only or it.key == BARE]
    return [it for it in CONTENDERS if settings.full or not it.full]


def _rounds(
    chosen: Sequence[Contender], started: dict[str, Started], templates: Path, settings: Settings
) -> dict[str, list[Round]]:
    """All contenders once a round, each round in another order; the first, short round is thrown away."""
    random, runs = Random(settings.seed), count(1)
    found: dict[str, list[Round]] = {it.key: [] for it in chosen}
    for number in range(settings.rounds + 1):
        order = random.sample(list(chosen), len(chosen))
        for contender in order:
            seconds = settings.seconds if number else WARM_UP_S
            made = _round(started[contender.key], templates, next(runs), seconds, settings.connections)
            if number:
                found[contender.key].append(made)
                print(f"  round {number}  {contender.key:<10} {thousands(made.shot.rate):>7}/s", flush=True)
    return found


def _round(started: Started, templates: Path, run: int, seconds: float, connections: int) -> Round:
    started.process.check()
    server, store = started.process.cpu_s(), started.store.cpu_s() if started.store else 0.0
    shot = shoot(started.target, templates, run=run, connections=connections, seconds=seconds)
    spent = started.process.cpu_s() - server
    stored = (started.store.cpu_s() if started.store else 0.0) - store
    scale = 1e6 / shot.requests
    return Round(run=run, shot=shot, server_us=spent * scale, store_us=stored * scale)


def _check(started: Started, rounds: Sequence[Round]) -> None:
    """Every touchpoint that was acknowledged must be there, once: Failed otherwise."""
    for made in rounds:
        if made.shot.requests < BLOCK * EACH + CONNECTIONS:
            continue  # too slow a machine to have given anybody all of theirs
        for customer in Random(made.run).sample(customers(made.run, BLOCK), CHECKED // len(rounds) + 1):
            total = _total(started, customer)
            if total != EACH:
                raise Failed(f"{customer} has {total} touchpoints after {EACH} were acknowledged")


def _total(started: Started, customer: str) -> int:
    """How many touchpoints the server says a customer has."""
    url = f"http://127.0.0.1:{started.target.port}/v1/context"
    body = json.dumps({"identities": [customer], "limit": 1}).encode()
    headers = {"Content-Type": "application/json", **dict(started.target.headers)}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
            return int(json.load(answer)["timeline"]["total"])
    except OSError as error:
        started.process.check()
        raise Failed(f"{url}: {error}") from error


def _table(
    chosen: Sequence[Contender], found: dict[str, list[Round]], settings: Settings, size: float
) -> Table:
    bare, afternoon = found[BARE], found.get(AFTERNOON)
    rows = []
    for contender in chosen:
        rounds = found[contender.key]
        refused = sum(it.shot.refused + it.shot.broken for it in rounds)
        rows.append(
            (
                contender.name,
                thousands(statistics.median(it.shot.rate for it in rounds)),
                spread(_ratios(rounds, bare)),
                spread(_ratios(rounds, afternoon)) if afternoon else "-",
                _middle([it.server_us for it in rounds]),
                _middle([it.store_us for it in rounds]),
                _middle([it.shot.p50_us / 1000 for it in rounds], 1),
                _middle([it.shot.p99_us / 1000 for it in rounds], 1),
                thousands(refused),
            )
        )
    return Table(
        title=f"Ingest: one touchpoint per request, {settings.connections} connections",
        columns=(
            "server",
            "req/s",
            "of bare",
            "× one xadd",
            "server µs",
            "store µs",
            "p50 ms",
            "p99 ms",
            "refused",
        ),
        rows=tuple(rows),
        notes=(
            f"{settings.rounds} interleaved rounds of {settings.seconds:.0f} s in random order; "
            "ratios are to the same round's run, median (quartiles)",
            f"mixed touchpoints of {size:.0f} bytes JSON, fresh ids, {EACH} per customer; "
            "µs are CPU per request",
            "fsync before every acknowledgement (`appendfsync always`), the same Valkey for both stores",
        ),
    )


def _ratios(rounds: Sequence[Round], others: Sequence[Round]) -> list[float]:
    return [one.shot.rate / other.shot.rate for one, other in zip(rounds, others, strict=True)]


def _middle(values: Sequence[float], digits: int = 0) -> str:
    return f"{statistics.median(values):.{digits}f}"
