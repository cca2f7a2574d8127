"""`python -m tests.faults`: play the scenarios, print the table, fail where a bound does not hold."""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bench.processes import ROOT
from tests.faults.load import kill_process
from tests.faults.scenarios import table
from tests.faults.scenarios.catalogue import SCENARIOS
from tests.faults.scenarios.scenario import Figures, Scenario
from tests.faults.scenarios.stage import play
from tests.store.servers import valkey_binary

PAGE = ROOT / "docs/reliability.md"
FILES = 8192  # open files: connections of all senders, proxies and subscribers
LIMIT_S = 600.0  # for one run, on the busiest machine


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--only", default="", metavar="NAMES", help="scenarios whose names begin so, with commas"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first run of each scenario")
    parser.add_argument("--quick", action="store_true", help="each scenario once, with one fault")
    parser.add_argument("--list", action="store_true", help="print the scenarios and end")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.relative_to(ROOT)}")
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="again and again for so long, with random seeds"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="continue the table in this file")
    chosen = parser.parse_args(words)
    if chosen.only and not selected(chosen.only):
        parser.error(f"no scenario begins with {chosen.only!r}: see --list")
    return chosen


def selected(only: str) -> list[Scenario]:
    prefixes = tuple(only.split(","))
    return [it for it in SCENARIOS if it.key.startswith(prefixes)]


def unsolved(scenario: Scenario, only: str) -> str | None:
    """The promise known not to hold yet, unless the scenario was asked for by its whole name."""
    if scenario.unsolved is None or scenario.key in only.split(","):
        return None
    return f"known not to hold yet: {scenario.unsolved}"


def runs(scenarios: Sequence[Scenario], seed: int, minutes: float | None) -> Iterator[tuple[Scenario, int]]:
    """The runs to play: each scenario with its seeds, or for some minutes with random ones."""
    if minutes is None:
        for scenario in scenarios:
            yield from ((scenario, seed + number) for number in range(scenario.runs))
        return
    end = time.monotonic() + 60 * minutes
    while True:
        for scenario in scenarios:
            if time.monotonic() > end:
                return
            yield scenario, random.SystemRandom().randrange(1_000_000)


def main() -> int:
    chosen = arguments()
    scenarios = selected(chosen.only)
    if chosen.quick:
        scenarios = [replace(it, runs=1, rounds=1) for it in scenarios]
    if chosen.list:
        print("\n".join(f"{it.key:20} {it.title}" for it in scenarios))
        return 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard < 0 else min(FILES, hard), hard))
    valkey_binary()
    skipped = {it.key: why for it in scenarios if (why := it.missing() or unsolved(it, chosen.only))}
    for key, why in skipped.items():
        print(f"{key}: skipped, {why}", flush=True)
    results = table.load(chosen.state) if chosen.state else {}
    failed: list[str] = []
    playable = [it for it in scenarios if it.key not in skipped]
    for scenario, seed in runs(playable, chosen.seed, chosen.minutes):
        figures = once(scenario, seed)
        results.setdefault(scenario.key, Figures()).add(figures)
        if figures.failures:
            failed.append(f"{scenario.key} with seed {seed}")
        if chosen.state:
            table.save(chosen.state, results)
    made = table.table(results, skipped)
    print(f"\n{made.text()}")
    if chosen.write:
        table.write(PAGE, made)
    if failed:
        print(f"\nFAILED: {'; '.join(failed)}\nAgain: make faults ARGS='--only NAME --seed N'")
    return 1 if failed else 0


def once(scenario: Scenario, seed: int) -> Figures:
    """One run in a directory of its own, reported as it ends."""
    begun = time.monotonic()
    print(f"{scenario.key} seed {seed}: ", end="", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="handoff-faults-"))
    try:
        figures = asyncio.run(_within_limit(scenario, seed, directory))
    finally:
        end_orphans(directory)
        shutil.rmtree(directory, ignore_errors=True)
    outcome = "FAILED" if figures.failures else "ok"
    times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in figures.longest_s.items())
    print(
        f"{outcome} in {time.monotonic() - begun:.0f} s: {figures.acknowledged} acknowledged,"
        f" {figures.lost} lost, {figures.twice} twice; {times}; slowness {figures.slowness:.1f}",
        flush=True,
    )
    for failure in figures.failures:
        print(f"  {failure}", flush=True)
    return figures


def end_orphans(directory: Path) -> None:
    """End embedded stores that outlived a killed server of a run that failed."""
    for file in directory.glob("**/valkey.pid"):
        with suppress(OSError, ValueError):
            pid = int(file.read_text())
            if Path(f"/proc/{pid}/cwd").resolve().is_relative_to(directory):
                kill_process(pid)


async def _within_limit(scenario: Scenario, seed: int, directory: Path) -> Figures:
    try:
        async with asyncio.timeout(LIMIT_S):
            return await play(scenario, seed, directory)
    except TimeoutError:
        return Figures(seeds=[seed], failures=[f"not over after {LIMIT_S:g} s"])


if __name__ == "__main__":
    sys.exit(main())
