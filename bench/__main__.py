"""`python -m bench`: measure, print, and with `--write` put the tables into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench import identity, ingest, live, memory, webhooks
from bench.processes import ROOT, Failed
from bench.table import Table, machine, page

TABLES = ("ingest", "memory", "live", "identity", "webhooks")
PAGE = ROOT / "docs/benchmarks.md"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="all comparisons (`make bench-full`)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--only", default="", help="keys of contenders, with commas; no memory table")
    parser.add_argument("--table", choices=TABLES, help="this table alone")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one run")
    parser.add_argument("--connections", type=int, default=ingest.CONNECTIONS)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the order of the runs")
    parser.add_argument("--data", type=Path, default=ROOT, help="where the stores' files go: a real disk")
    arguments = parser.parse_args()
    if arguments.write and arguments.table:
        parser.error("--write keeps all tables, --table measures one")
    return arguments


def chosen(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Which tables are asked for, in the order in which they are measured."""
    if arguments.table:
        return (arguments.table,)
    if arguments.only:
        return ("ingest",)
    return TABLES if arguments.full else TABLES[:-1]


def measure(name: str, settings: ingest.Settings, directory: Path) -> Table:
    """One table, with its files in the directory."""
    if name == "ingest":
        return ingest.measure(settings, directory)
    if name == "memory":
        return memory.measure(directory)
    if name == "live":
        return live.measure(directory)
    if name == "identity":
        return identity.measure(directory, full=settings.full)
    return webhooks.measure(directory)


def main() -> int:
    arguments = _arguments()
    print("\n".join(machine()), flush=True)
    settings = ingest.Settings(
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        full=arguments.full,
        only=frozenset(filter(None, arguments.only.split(","))),
        connections=arguments.connections,
        seed=arguments.seed,
    )
    directory = Path(tempfile.mkdtemp(prefix=".handoff-bench-", dir=arguments.data.resolve()))
    try:
        tables = [measure(name, settings, directory / name) for name in chosen(arguments)]
    except Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    for table in tables:
        print(f"\n{table.text()}")
    if arguments.write:
        command = "make bench-full" if arguments.full else "make bench"
        PAGE.write_text(page(tables, command))
        print(f"\nwrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
