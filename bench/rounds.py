"""Servers under load in turn: interleaved rounds, so that a machine that gets slower does so for all."""

from __future__ import annotations

import contextlib
import json
import statistics
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from random import Random

from msgspec import Struct

from bench.contenders import Started
from bench.load import (
    BLOCK,
    EACH,
    Pressure,
    Shot,
    Target,
    Unanswered,
    customers,
    shoot,
    shoot_ready,
    write_requests,
    write_templates,
)
from bench.processes import LOAD_CORE, Failed
from bench.table import spread, thousands

CONNECTIONS = 64
WARM_UP_S = 1.0
CHECKED = 40  # customers whose touchpoints are counted after the rounds


class Settings(Struct, frozen=True, kw_only=True):
    """How long to measure and whom: `full` takes in all contenders, `only` the named ones beside bare."""

    rounds: int = 7
    seconds: float = 3.0
    full: bool = False
    only: frozenset[str] = frozenset()
    connections: int = CONNECTIONS
    seed: int = 1
    against: str = ""
    """The commit that the `against` table compares with; the last release if empty."""
    cpu: bool = False
    """The `against` table compares CPU per request, over `requests` in each run."""
    requests: int = 0
    """Ends a run after so many requests instead of after `seconds`."""


class Lane(Struct, frozen=True, kw_only=True):
    """A server and what it is loaded with. `fire` takes the run's number and its seconds."""

    key: str
    name: str
    started: Started
    fire: Callable[[int, float], Shot]


class Round(Struct, frozen=True, kw_only=True):
    """One run on one lane. CPU in µs per request, of the server and of its store."""

    run: int
    shot: Shot
    server_us: float
    store_us: float
    shares: tuple[float, ...] = ()
    """CPU seconds of each worker of the server, where it has some."""


Rounds = dict[str, list[Round]]
"""By the lane's key, one after the other."""


def interleaved(lanes: Sequence[Lane], settings: Settings, runs: Iterator[int] | None = None) -> Rounds:
    """Run all lanes once per round, in random order. The first, short round is a warm-up and does not count.

    `runs` numbers the runs, and touchpoints' ids contain the number. To load the same server again, continue
    with the same iterator.
    """
    random, runs = Random(settings.seed), runs or count(1)
    found: Rounds = {it.key: [] for it in lanes}
    for lane in random.sample(list(lanes), len(lanes)):
        with contextlib.suppress(Unanswered):  # a thousand connections may need the whole second to be made
            _round(lane, next(runs), WARM_UP_S)
    for number in range(1, settings.rounds + 1):
        for lane in random.sample(list(lanes), len(lanes)):
            made = _round(lane, next(runs), settings.seconds)
            found[lane.key].append(made)
            print(f"  round {number}  {lane.key:<16} {thousands(made.shot.rate):>7}/s", flush=True)
    return found


def _round(lane: Lane, run: int, seconds: float) -> Round:
    started = lane.started
    started.process.check()
    server, workers = started.process.cpu_s(), started.process.workers_cpu_s()
    store = started.store.cpu_s() if started.store else 0.0
    shot = lane.fire(run, seconds)
    spent = started.process.cpu_s() - server
    stored = (started.store.cpu_s() if started.store else 0.0) - store
    shares = zip(started.process.workers_cpu_s(), workers, strict=False)
    scale = 1e6 / shot.requests
    return Round(
        run=run,
        shot=shot,
        server_us=spent * scale,
        store_us=stored * scale,
        shares=tuple(after - before for after, before in shares),
    )


def touchpoints(
    started: Started,
    templates: Path,
    connections: int = CONNECTIONS,
    *,
    core: int | None = LOAD_CORE,
    may_refuse: bool = False,
    requests: int = 0,
) -> Callable[[int, float], Shot]:
    """Loads with touchpoints of the templates, one per request."""
    if not templates.exists():
        write_templates(templates)

    def fire(run: int, seconds: float) -> Shot:
        pressure = Pressure(
            connections=connections, seconds=seconds, core=core, may_refuse=may_refuse, requests=requests
        )
        return shoot(started.target, templates, pressure, run)

    return fire


def same(
    target: Target, request: bytes, path: Path, connections: int, requests: int = 0
) -> Callable[[int, float], Shot]:
    """Loads with one request, again and again."""
    write_requests(path, [request])

    def fire(_run: int, seconds: float) -> Shot:
        pressure = Pressure(connections=connections, seconds=seconds, requests=requests)
        return shoot_ready(target, path, pressure)

    return fire


class Fresh:
    """Loads with requests that are made before each run, none sent twice.

    `make` gets the run's number and an iterator of numbers, one for each request.
    """

    def __init__(
        self,
        target: Target,
        path: Path,
        make: Callable[[int, Iterable[int]], Iterator[bytes]],
        connections: int,
        likely: float,
        requests: int = 0,
    ) -> None:
        """`likely`: requests per second that are surely not reached in the first run.

        With `requests` each run sends exactly so many.
        """
        self._target = target
        self._path = path
        self._make = make
        self._connections = connections
        self._likely = likely
        self._least = likely / 4
        self._requests = requests

    def __call__(self, run: int, seconds: float) -> Shot:
        """Fire one run. Failed if there were too few requests: a repeated touchpoint would be a duplicate."""
        wanted = (self._requests or int(self._likely * seconds)) + self._connections + 1
        made = write_requests(self._path, self._make(run, range(wanted)))
        pressure = Pressure(connections=self._connections, seconds=seconds, requests=self._requests)
        shot = shoot_ready(self._target, self._path, pressure)
        self._path.unlink()
        # wrk asks its script for one request more than it sends, and has some under way at the end.
        if shot.requests + self._connections + 1 > made:
            raise Failed(f"{shot.requests} requests in {seconds:.0f} s: only {made} were made for it")
        self._least = max(self._least, 2.5 * shot.rate)  # a slow round does not predict the next
        self._likely = self._least
        return shot


def check_kept(started: Started, rounds: Sequence[Round], connections: int = CONNECTIONS) -> None:
    """Every touchpoint that was acknowledged must be there, once: Failed otherwise."""
    for made in rounds:
        if made.shot.requests < BLOCK * EACH + connections:
            continue  # too slow a machine to have given anybody all of theirs
        for customer in Random(made.run).sample(customers(made.run, BLOCK), CHECKED // len(rounds) + 1):
            check_total(started, customer, EACH)


def check_total(started: Started, identity: str, expected: int) -> None:
    """Failed where a customer has not exactly so many touchpoints."""
    body = json.dumps({"identities": [identity], "limit": 1}).encode()
    found = int(json.loads(call(started, "/v1/context", body))["timeline"]["total"])
    if found != expected:
        raise Failed(f"{identity} has {found} touchpoints after {expected} were acknowledged")


def call(
    started: Started, path: str, body: bytes | None = None, headers: Iterable[tuple[str, str]] = ()
) -> bytes:
    """The server's response. Failed unless it is a 2xx."""
    url = f"http://127.0.0.1:{started.target.port}{path}"
    stated = {"Content-Type": "application/json", **dict(started.target.headers), **dict(headers)}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, stated), timeout=120) as answer:
            body = answer.read()
    except OSError as error:
        started.process.check()
        raise Failed(f"{url}: {error}") from error
    assert isinstance(body, bytes)
    return body


def no_refusals(key: str, rounds: Sequence[Round]) -> None:
    """Failed where a request was refused or its connection broke."""
    refused = sum(it.shot.refused for it in rounds)
    broken = sum(it.shot.broken for it in rounds)
    if refused or broken:
        raise Failed(f"{key} refused {refused} requests and broke {broken}")


def ratios(
    rounds: Sequence[Round], others: Sequence[Round], of: Callable[[Round], float] = lambda it: it.shot.rate
) -> list[float]:
    """To the same round's run of another lane."""
    return [of(one) / of(other) for one, other in zip(rounds, others, strict=True)]


def middle(values: Iterable[float], digits: int = 0) -> str:
    return f"{statistics.median(values):.{digits}f}"


def figures(rounds: Sequence[Round], base: Sequence[Round]) -> tuple[str, ...]:
    """The columns of FIGURES for a lane; `base` is what its ratios are to."""
    return (
        thousands(statistics.median(it.shot.rate for it in rounds)),
        spread(ratios(rounds, base)),
        middle(it.server_us for it in rounds),
        spread(ratios(rounds, base, lambda it: it.server_us)),
        middle(it.store_us for it in rounds),
        middle((it.shot.p50_us / 1000 for it in rounds), 2),
        middle((it.shot.p99_us / 1000 for it in rounds), 2),
        spread(ratios(rounds, base, lambda it: it.shot.p99_us)),
        thousands(sum(it.shot.refused + it.shot.broken for it in rounds)),
    )


FIGURES = (
    "req/s",
    "of bare",
    "server µs",
    "µs × bare",
    "store µs",
    "p50 ms",
    "p99 ms",
    "p99 × bare",
    "refused",
)


def how(settings: Settings) -> str:
    return (
        f"{settings.rounds} interleaved rounds of {settings.seconds:.0f} s in random order; "
        "ratios are to the same round's run, median (quartiles); µs are CPU per request"
    )


@contextlib.contextmanager
def together(
    starts: dict[str, Callable[[Path], contextlib.AbstractContextManager[Started]]], directory: Path
) -> Iterator[dict[str, Started]]:
    """All servers for the time of the block, each with a directory of its own."""
    with contextlib.ExitStack() as stack:
        yield {key: stack.enter_context(start(directory / key)) for key, start in starts.items()}
