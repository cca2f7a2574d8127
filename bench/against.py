"""This tree against an earlier commit of it: the same load on both servers, in interleaved rounds."""

from __future__ import annotations

import functools
import statistics
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from itertools import count
from pathlib import Path

import msgspec

from bench import reads, vendor
from bench.contenders import UNCACHED, Started, ours
from bench.lives import Life, identity, live
from bench.load import Target, request, write_templates
from bench.processes import ROOT, Failed
from bench.rounds import (
    Fresh,
    Lane,
    Settings,
    call,
    how,
    interleaved,
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


def measure(settings: Settings, directory: Path) -> Table:
    """Ingest, a vendor's webhook and contexts, on the server of `settings.against` and on this one."""
    commit = settings.against or LAST_RELEASE
    tree = _checked_out(commit, directory / "tree")
    starts: dict[str, Callable[[Path], AbstractContextManager[Started]]] = {
        BEFORE: functools.partial(ours, more=vendor.SOURCE, tree=tree),
        NOW: functools.partial(ours, more=vendor.SOURCE),
    }
    runs = count(1)
    with together(starts, directory) as servers:
        rows = [_row(what, loads, servers, settings, runs) for what, loads in _loads(servers, directory)]
        rows += [_fresh(length, servers, settings.rounds) for length in (50, 1_000)]
    return Table(
        title=f"This tree against {commit[:12]}",
        columns=("what", "before", "now", "now × before", "server µs now × before"),
        rows=tuple(rows),
        notes=(
            how(settings),
            "contexts: 10 identities, 1 000 touchpoints; fresh: CPU of a first look at a customer (less is "
            "better); all else: requests per second (more is better)",
        ),
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


Loads = Callable[[str, Started], Lane]


def _loads(servers: dict[str, Started], directory: Path) -> Iterator[tuple[str, Loads]]:
    templates = directory / "templates.jsonl"
    write_templates(templates)
    for connections, what in ((64, "touchpoints, 64 connections"), (1, "touchpoints, one connection")):
        yield what, functools.partial(_touchpoints, templates, connections)
    yield "Chatwoot's messages, signed, 64 connections", functools.partial(_vendor, directory)
    for started in servers.values():
        live(started, reads.KNOWN)
    for name, headers in (("cached", ()), ("rebuilt", UNCACHED)):
        yield f"contexts, {name}", functools.partial(_contexts, directory / name, headers)


def _touchpoints(templates: Path, connections: int, key: str, started: Started) -> Lane:
    return Lane(key=key, name=key, started=started, fire=touchpoints(started, templates, connections))


def _vendor(directory: Path, key: str, started: Started) -> Lane:
    target = Target(port=started.target.port, path=vendor.PATH)
    make = functools.partial(vendor.signed_messages, target)
    fire = Fresh(target, directory / f"messages-{key}", make, 64, vendor.LIKELY)
    return Lane(key=key, name=key, started=started, fire=fire)


def _contexts(path: Path, headers: tuple[tuple[str, str], ...], key: str, started: Started) -> Lane:
    target = msgspec.structs.replace(started.target, path="/v1/context")
    asked = msgspec.json.encode({"identities": [identity(reads.KNOWN, 0)]})
    sent = path.with_name(f"{path.name}-{key}")
    fire = same(target, request(target, asked, headers), sent, reads.CONNECTIONS)
    return Lane(key=key, name=key, started=started, fire=fire)


def _row(
    what: str, loads: Loads, servers: dict[str, Started], settings: Settings, runs: Iterator[int]
) -> tuple[str, ...]:
    print(f"  {what}", flush=True)
    found = interleaved([loads(key, it) for key, it in servers.items()], settings, runs)
    for key, rounds in found.items():
        no_refusals(key, rounds)
    before, now = found[BEFORE], found[NOW]
    return (
        what,
        thousands(statistics.median(it.shot.rate for it in before)),
        thousands(statistics.median(it.shot.rate for it in now)),
        spread(ratios(now, before)),
        spread(ratios(now, before, lambda it: it.server_us)),
    )


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
                asked = msgspec.json.encode({"identities": [identity(life, 0)]})
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
