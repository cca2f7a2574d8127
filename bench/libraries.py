"""Chat histories of well-known libraries against our store called in process, on one Valkey."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from bench.processes import ROOT, SERVER_CORE, Failed, pinned, python, valkey
from bench.rounds import Settings
from bench.table import Table, thousands

NAMES = {
    "handoff": "handoff, `record` and `read_timeline` to the end",
    "stream": "redis-py, `XADD` and `XRANGE` of fields",
    "community": "langchain-community, RedisChatMessageHistory",
    "agents": "openai-agents, RedisSession",
}
SIZES = ("10", "1000", "10000")
TIMEOUT_S = 600.0


def measure(settings: Settings, directory: Path) -> Table:
    """One process with all of them, in turn; what we stored must all come back."""
    with valkey(directory / "store") as (_, socket):
        command = python("bench.rivals.histories", str(socket), str(settings.rounds))
        done = subprocess.run(
            pinned(SERVER_CORE, command), cwd=ROOT, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    if done.returncode:
        raise Failed(f"the histories ended with {done.returncode}\n{done.stderr.decode()[-2000:]}")
    result = msgspec.json.decode(done.stdout)
    found, left_out = result["found"], result["left_out"]
    for size, figures in found["handoff"].items():
        if figures["returned"] != figures["stored"]:
            raise Failed(f"{figures['returned']} of {figures['stored']} touchpoints came back at {size}")
    return Table(
        title="Chat histories in process: append one, read all",
        columns=(
            "library",
            *(f"append at {thousands(int(size))}, µs" for size in SIZES),
            *(f"read {thousands(int(size))}, ms" for size in SIZES),
            "items returned",
        ),
        rows=tuple(_row(NAMES[name], found[name]) for name in NAMES if name in found),
        notes=(
            f"medians of {settings.rounds} turns in random order, one caller at a time, an fsync before "
            "every acknowledgement; the libraries keep a list or a stream: no duplicates found, no order of "
            "time, no evidence, no outbox",
            "langchain-redis is left out: it needs the module RediSearch, which Valkey does not have",
            *(f"left out: {NAMES[name]}: {why}" for name, why in left_out.items()),
        ),
    )


def _row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    longest = found[SIZES[-1]]
    return (
        name,
        *(f"{statistics.median(found[size]['append']):.0f}" for size in SIZES),
        *(f"{statistics.median(found[size]['read']) / 1000:.2f}" for size in SIZES),
        f"{thousands(longest['returned'])} of {thousands(longest['stored'])}",
    )
