"""Cold start: from starting the process to the first 200 of /readyz, with the embedded store."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.processes import Failed, answers, free_port, python, running
from bench.rounds import Settings
from bench.table import Table, spread

STARTS = 10
PATIENCE_S = 30.0
LOOK_EVERY_S = 0.005
IMPORTS = "import aiohttp.web, msgspec, redis.asyncio, structlog"


def measure(_settings: Settings, directory: Path) -> Table:
    """Starts in empty directories, in one that a server left, and what Python takes by itself, in turn."""
    known = directory / "known"
    _start(known)
    starts: dict[str, Callable[[int], float]] = {
        "handoff, an empty directory": lambda number: _start(directory / str(number)),
        "handoff, a directory that a server left": lambda _: _start(known),
        "python alone, its imports": lambda _: _python(),
    }
    rows: dict[str, list[float]] = {name: [] for name in starts}
    for number in range(STARTS):
        for name, start in starts.items():
            rows[name].append(start(number))
    return Table(
        title="Cold start: `handoff serve` to ready, embedded store",
        columns=("start", "median s", "slowest s"),
        rows=tuple((name, spread(spent), f"{max(spent):.2f}") for name, spent in rows.items()),
        notes=(
            f"{STARTS} starts each, in turn; from starting the process to the first 200 of `/readyz`; "
            "files are in the page cache",
            f"python alone: `python -c '{IMPORTS}'`",
        ),
    )


def _python() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.perf_counter() - begun


def _start(directory: Path) -> float:
    """Seconds until one server is ready; it is ended again."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = python("handoff.cli", "serve", "--port", str(port), "--data", str(directory / "data"))
    begun = time.perf_counter()
    with running("handoff", command, directory, None) as process:
        while not answers(port, "/readyz", ok=True):
            process.check()
            if time.perf_counter() - begun > PATIENCE_S:
                raise Failed(f"not ready in {PATIENCE_S:.0f} s; see {process.log}")
            time.sleep(LOOK_EVERY_S)
        return time.perf_counter() - begun
