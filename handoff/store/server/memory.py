"""How full the store's memory is, and how much of the machine's an embedded store may take.

The last part of `maxmemory` is a reserve: touchpoints and quarantine do not use it, so that handoffs can
move, items can be deleted, and a server can start while the store is full.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handoff.domain.errors import StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.errors import StoreError

SCARCE = 0.75  # of maxmemory: checkpoints are deleted, and no more are kept
PRESSED = 0.80  # of maxmemory: quarantine is emptied first
FULL = 0.95  # of maxmemory: the rest is the reserve
EMBEDDED_SHARE = (
    0.6  # of the machine's memory: a rewrite of the append-only file copies what changes meanwhile
)
OUT_OF_MEMORY = "out_of_memory"
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_MACHINE = Path("/proc/meminfo")


class MemoryUse:
    """The use of memory as of the last heartbeat, as a share of `maxmemory`: of the fullest primary."""

    def __init__(self) -> None:
        self.share = 0.0
        self.limit = 0
        """`maxmemory` of the smallest primary in bytes; 0 without one, or where the server does not say."""

    @property
    def scarce(self) -> bool:
        return self.share >= SCARCE

    @property
    def pressed(self) -> bool:
        return self.share >= PRESSED

    @property
    def full(self) -> bool:
        return self.share >= FULL

    async def read(self, connection: Connection) -> None:
        """Ask every primary. One that does not answer, or may not be asked, changes nothing."""
        try:
            answers = await connection.on_primaries("INFO", "memory")
        except (StoreError, StoreUnavailable):
            return
        found = [_used_and_limit(it) for it in answers]
        bounded = [(used, limit) for used, limit in found if limit]
        self.share = max((used / limit for used, limit in bounded), default=0.0)
        self.limit = min((limit for _used, limit in bounded), default=0)


def _used_and_limit(answer: Any) -> tuple[int, int]:
    pairs = dict(line.partition(b":")[::2] for line in answer.splitlines())
    return int(pairs.get(b"used_memory", b"0")), int(pairs.get(b"maxmemory", b"0"))


def embedded_limit(places: tuple[Path, ...] = _LIMITS, machine: Path = _MACHINE) -> int | None:
    """The default `maxmemory` of an embedded store in bytes: a share of the container's or machine's memory.

    None where neither can be read.
    """
    found = [total] if (total := _machine(machine)) else []
    for path in places:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return int(min(found) * EMBEDDED_SHARE) if found else None


def _machine(path: Path) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None
