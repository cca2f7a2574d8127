"""This tree against an earlier commit of it: the same load on both servers, in interleaved rounds.

With `--cpu` the figure is the CPU time of each server per request, over runs of equal numbers of requests. It
hardly depends on what else the machine does.
"""

from __future__ import annotations

import statistics
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from io import BytesIO
from itertools import count
from pathlib import Path

from msgspec import Struct, json, structs

from bench import reads, vendor
from bench.contenders import UNCACHED, Started, ours
from bench.lives import Life, identity, live
from bench.load import Target, request, write_templates
from bench.processes import ROOT, Failed
from bench.rounds import (
    Fresh,
    Lane,
    Round,
    Rounds,
    Settings,
    call,
    how,
    interleaved,
    middle,
    no_refusals,
    ratios,
    same,
    together,
    touchpoints,
)
from bench.table import Table, spread, thousands

LAST_RELEASE = (ROOT / ".ci/last-release").read_text().strip()
BEFORE, NOW = "before", "now"
CUSTOMERS = 4  # whose contexts are looked at fresh in a round
CPU_REQUESTS = 2_000  # of one run: short runs alternate often, so that both trees have the same neighbours
FEWEST = 40  # requests of a run
COSTS = {"ingest": 1, "one": 1, "vendor": 1, "cached": 1, "lookup": 40, "rebuilt": 40}
"""The rough cost of a request of each load: costly ones are sent so many times less often."""
CONTEXTS: tuple[tuple[str, str, dict[str, list[str]]], ...] = (
    ("cached", "contexts, cached", {}),
    ("lookup", "look-ups without a timeline, rebuilt", {"fields": ["customer"]}),
    ("rebuilt", "contexts, rebuilt", {}),
)
"""Loads of a customer's context: the key, what it is, and what is asked for."""


def measure(settings: Settings, directory: Path) -> Table:
    """Ingest, a vendor's webhook and contexts, on the server of `settings.against` and on this one."""
    if unknown := settings.only - COSTS.keys():
        raise Failed(f"no such load: {', '.join(sorted(unknown))}; there are {', '.join(COSTS)}")
    if settings.cpu:
        settings = structs.replace(settings, requests=settings.requests or CPU_REQUESTS)
    commit = settings.against or LAST_RELEASE
    tree = _checked_out(commit, directory / "tree")
    starts: dict[str, Callable[[Path], AbstractContextManager[Started]]] = {
        BEFORE: partial(ours, more=vendor.SOURCE, tree=tree),
        NOW: partial(ours, more=vendor.SOURCE),
    }
    runs = count(1)
    with together(starts, directory) as servers:
        rows = [
            _row(load.what, _measured(load, servers, settings, runs), settings)
            for load in _loads(servers, directory, settings)
        ]
        if not settings.cpu and not settings.only:
            rows += [_fresh(length, servers, settings.rounds) for length in (50, 1_000)]
    return Table(
        title=f"This tree against {commit[:12]}",
        columns=CPU_COLUMNS if settings.cpu else COLUMNS,
        rows=tuple(rows),
        notes=_notes(settings),
    )


COLUMNS = ("what", "before", "now", "now × before", "server µs now × before")
CPU_COLUMNS = ("what", "before µs", "now µs", "before ÷ now", "of the cheapest", "store µs now × before")


def _notes(settings: Settings) -> tuple[str, ...]:
    if settings.cpu:
        return (
            f"{settings.rounds} rounds of {settings.requests} requests to each tree in turn, in random "
            f"order; look-ups: {requests_of('lookup', settings.requests)}, rebuilt contexts: "
            f"{requests_of('rebuilt', settings.requests)}",
            "CPU time per request of the server, user and system; median (quartiles)",
            "before ÷ now: requests for the same CPU time, in the same round (more is better); of the "
            "cheapest: the same of each tree's cheapest run, which neighbours disturbed least",
            "contexts: 10 identities, 1 000 touchpoints",
        )
    return (
        how(settings),
        "contexts: 10 identities, 1 000 touchpoints; fresh: CPU of a first look at a customer (less is "
        "better); all else: requests per second (more is better)",
    )


def _checked_out(commit: str, directory: Path) -> Path:
    """The packages of a commit, from this repository's history."""
    command = ["git", "-C", str(ROOT), "archive", commit, "handoff", "adapters", "config"]
    packed = subprocess.run(command, capture_output=True, check=False)
    if packed.returncode:
        raise Failed(f"{commit} is not in this repository: {packed.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as tree:
        tree.extractall(directory, filter="data")
    return directory


class Load(Struct, frozen=True):
    """A kind of request that both servers get. `key` chooses it on the command line (`--only`)."""

    key: str
    what: str
    lane: Callable[[str, Started], Lane]


def requests_of(key: str, requests: int) -> int:
    """How many requests a run of this load takes where the cheapest takes `requests`; 0: unlimited."""
    return max(requests // COSTS[key], min(requests, FEWEST))


def _loads(servers: dict[str, Started], directory: Path, settings: Settings) -> Iterator[Load]:
    """The loads that are asked for."""
    templates, requests = directory / "templates.jsonl", settings.requests
    wanted = settings.only or COSTS.keys()
    if wanted & {"ingest", "one"}:
        write_templates(templates)
    for key, connections, what in (("ingest", 64, "64 connections"), ("one", 1, "one connection")):
        if key in wanted:
            yield Load(key, f"touchpoints, {what}", partial(_touchpoints, templates, connections, requests))
    if "vendor" in wanted:
        chatwoot = "Chatwoot's messages, signed, 64 connections"
        yield Load("vendor", chatwoot, partial(_vendor, directory, requests))
    contexts = [it for it in CONTEXTS if it[0] in wanted]
    for started in servers.values() if contexts else ():
        live(started, reads.KNOWN)
    for key, what, more in contexts:
        headers = () if key == "cached" else UNCACHED
        lane = partial(_contexts, directory / key, headers, more, requests_of(key, requests))
        yield Load(key, what, lane)


def _touchpoints(templates: Path, connections: int, requests: int, key: str, started: Started) -> Lane:
    fire = touchpoints(started, templates, connections, requests=requests)
    return Lane(key=key, name=key, started=started, fire=fire)


def _vendor(directory: Path, requests: int, key: str, started: Started) -> Lane:
    target = Target(port=started.target.port, path=vendor.PATH)
    make = partial(vendor.signed_messages, target)
    fire = Fresh(target, directory / f"messages-{key}", make, 64, vendor.LIKELY, requests)
    return Lane(key=key, name=key, started=started, fire=fire)


def _contexts(
    path: Path,
    headers: tuple[tuple[str, str], ...],
    more: dict[str, list[str]],
    requests: int,
    key: str,
    started: Started,
) -> Lane:
    target = structs.replace(started.target, path="/v1/context")
    asked = json.encode({"identities": [identity(reads.KNOWN, 0)], **more})
    sent = path.with_name(f"{path.name}-{key}")
    fire = same(target, request(target, asked, headers), sent, reads.CONNECTIONS, requests)
    return Lane(key=key, name=key, started=started, fire=fire)


def _measured(load: Load, servers: dict[str, Started], settings: Settings, runs: Iterator[int]) -> Rounds:
    """The rounds of both trees."""
    print(f"  {load.what}", flush=True)
    found = interleaved([load.lane(key, it) for key, it in servers.items()], settings, runs)
    for key, rounds in found.items():
        no_refusals(key, rounds)
    return found


def _row(what: str, found: Rounds, settings: Settings) -> tuple[str, ...]:
    before, now = found[BEFORE], found[NOW]
    if settings.cpu:
        return (
            what,
            middle(it.server_us for it in before),
            middle(it.server_us for it in now),
            spread(ratios(before, now, lambda it: it.server_us), 3),
            f"{min(it.server_us for it in before) / min(it.server_us for it in now):.3f}",
            _times(before, now, lambda it: it.store_us),
        )
    return (
        what,
        thousands(statistics.median(it.shot.rate for it in before)),
        thousands(statistics.median(it.shot.rate for it in now)),
        spread(ratios(now, before)),
        spread(ratios(now, before, lambda it: it.server_us)),
    )


def _times(before: Sequence[Round], now: Sequence[Round], of: Callable[[Round], float]) -> str:
    """How many times as much as before; `-` where a run spends nothing measurable."""
    return spread(ratios(now, before, of)) if all(map(of, before)) else "-"


def _fresh(length: int, servers: dict[str, Started], rounds: int) -> tuple[str, ...]:
    """CPU of a first look at a customer; each is looked at once."""
    spent: dict[str, list[float]] = {key: [] for key in servers}
    for number in range(rounds):
        for key, started in servers.items():
            lives = [
                Life(name=f"fresh{length}-{number}-{one}", identities=1, touchpoints=length)
                for one in range(CUSTOMERS)
            ]
            for life in lives:
                live(started, life)
            before = started.process.cpu_s()
            for life in lives:
                asked = json.encode({"identities": [identity(life, 0)]})
                call(started, "/v1/context", asked, UNCACHED)
            spent[key].append((started.process.cpu_s() - before) * 1000 / CUSTOMERS)
    before_ms, now_ms = (statistics.median(spent[key]) for key in (BEFORE, NOW))
    times = [one / other for one, other in zip(spent[NOW], spent[BEFORE], strict=True)]
    return (
        f"a fresh context of {length} touchpoints, ms of CPU",
        f"{before_ms:.1f}",
        f"{now_ms:.1f}",
        "-",
        spread(times),
    )
