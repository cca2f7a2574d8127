"""`python -m bench`: measure, print, and with `--write` put the tables into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from bench import (
    admission,
    against,
    appends,
    batches,
    briefs,
    cluster,
    connections,
    desktops,
    fsync,
    identity,
    ingest,
    layers,
    libraries,
    limits,
    live,
    memory,
    panel,
    reads,
    retention,
    sealing,
    start,
    streams,
    vendor,
    webhooks,
    workers,
)
from bench.processes import ROOT, Failed, Missing
from bench.rounds import CONNECTIONS, Settings
from bench.table import Table, machine, page, renewed

PAGE = ROOT / "docs/benchmarks.md"


class Measurement(Struct, frozen=True):
    """Makes one table. `full` ones run with `make bench-full` and by their name only."""

    measure: Callable[[Settings, Path], Table]
    full: bool = False


MEASUREMENTS = {
    "ingest": Measurement(ingest.measure),
    "vendor": Measurement(vendor.measure, full=True),
    "fsync": Measurement(fsync.measure, full=True),
    "connections": Measurement(connections.measure, full=True),
    "batches": Measurement(batches.measure, full=True),
    "appends": Measurement(appends.measure, full=True),
    "contexts": Measurement(reads.contexts, full=True),
    "briefs": Measurement(lambda _settings, directory: briefs.measure(directory), full=True),
    "histories": Measurement(reads.histories, full=True),
    "libraries": Measurement(libraries.measure, full=True),
    "layers": Measurement(layers.measure, full=True),
    "limits": Measurement(limits.measure, full=True),
    "workers": Measurement(workers.measure, full=True),
    "cluster": Measurement(cluster.measure, full=True),
    "start": Measurement(start.measure),
    "memory": Measurement(lambda _settings, directory: memory.measure(directory)),
    "live": Measurement(lambda _settings, directory: live.measure(directory)),
    "streams": Measurement(streams.measure, full=True),
    "identity": Measurement(
        lambda settings, directory: identity.measure(directory, full=settings.full), full=True
    ),
    "desktops": Measurement(lambda _settings, directory: desktops.measure(directory), full=True),
    "panel": Measurement(lambda _settings, directory: panel.measure(directory), full=True),
    "admission": Measurement(lambda _settings, directory: admission.measure(directory), full=True),
    "sealing": Measurement(sealing.measure, full=True),
    "retention": Measurement(retention.measure, full=True),
    "against": Measurement(against.measure, full=True),
    "webhooks": Measurement(lambda _settings, directory: webhooks.measure(directory), full=True),
}
"""By name, in the order in which they are measured."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="all comparisons (`make bench-full`)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--only", default="", help="keys of contenders, with commas; the ingest table alone")
    parser.add_argument("--table", choices=MEASUREMENTS, action="append", help="this table alone; repeatable")
    parser.add_argument("--rounds", type=int, default=Settings().rounds)
    parser.add_argument("--seconds", type=float, default=Settings().seconds, help="of one run")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="of the ingest table")
    parser.add_argument("--against", default="", help="a commit, for the table of that name (last release)")
    parser.add_argument("--cpu", action="store_true", help="the table against compares CPU per request")
    parser.add_argument("--requests", type=int, default=0, help="of one run, in place of --seconds")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the order of the runs")
    parser.add_argument("--data", type=Path, default=ROOT, help="where the stores' files go: a real disk")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("the page is written with all contenders")
    return arguments


def chosen(arguments: argparse.Namespace) -> list[str]:
    """Which tables are asked for, in the order in which they are measured."""
    if arguments.table:
        return [name for name in MEASUREMENTS if name in arguments.table]
    if arguments.only:
        return ["ingest"]
    return [name for name, it in MEASUREMENTS.items() if arguments.full or not it.full]


class Without(Struct, frozen=True):
    """Why there is no table of a measurement, and whether that is an error."""

    why: str
    failed: bool


def measured(name: str, measurement: Measurement, settings: Settings, directory: Path) -> Table | Without:
    """One table, with its files in the directory. Whatever goes wrong, the other tables are still to come."""
    print(f"\n{name}", flush=True)
    begun = time.monotonic()
    try:
        table = measurement.measure(settings, directory)
    except Missing as error:
        print(f"left out: {error}", flush=True)
        return Without(str(error), failed=False)
    except Exception as error:
        if not isinstance(error, Failed):
            traceback.print_exc()
        print(f"bench: {name}: {error}", file=sys.stderr, flush=True)
        return Without(f"{type(error).__name__}: {error}".splitlines()[0], failed=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"\n{table.text()}\n\n  took {time.monotonic() - begun:.0f} s", flush=True)
    return table


def main() -> int:
    arguments = _arguments()
    print("\n".join(machine()), flush=True)
    settings = Settings(
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        full=arguments.full,
        only=frozenset(filter(None, arguments.only.split(","))),
        connections=arguments.connections,
        seed=arguments.seed,
        against=arguments.against,
        cpu=arguments.cpu,
        requests=arguments.requests,
    )
    directory = Path(tempfile.mkdtemp(prefix=".handoff-bench-", dir=arguments.data.resolve()))
    try:
        found = {
            name: measured(name, MEASUREMENTS[name], settings, directory / name) for name in chosen(arguments)
        }
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    tables = {name: it for name, it in found.items() if isinstance(it, Table)}
    without = {name: it for name, it in found.items() if isinstance(it, Without)}
    if arguments.write and arguments.table:
        PAGE.write_text(renewed(PAGE.read_text(), tables))
        print(f"\nrenewed {PAGE.relative_to(ROOT)}")
    elif arguments.write:
        command = "make bench-full" if arguments.full else "make bench"
        PAGE.write_text(page(tables, command, {name: it.why for name, it in without.items()}))
        print(f"\nwrote {PAGE.relative_to(ROOT)}")
    for name, reason in without.items():
        print(f"bench: no table of {name}: {reason.why}", file=sys.stderr)
    return 1 if any(it.failed for it in without.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
