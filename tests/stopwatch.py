"""Durations without what a busy machine adds: tests judge the product, not the machine that runs them."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path


class Stopwatch:
    """Starts when it is made.

    Linux counts how long a thread was ready to run while other processes had the processors. `seconds` leaves
    out that time of the calling thread, and of the main threads of `processes`, such as servers that a test
    waits for. Time in which they wait for each other, compute or sleep counts. Elsewhere all time counts.
    """

    def __init__(self, *processes: int) -> None:
        self._queued = [_Queued("thread-self"), *(_Queued(str(pid)) for pid in processes)]
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return max(time.monotonic() - self._began - self.left_out_s, 0.0)

    @property
    def left_out_s(self) -> float:
        return sum(one.seconds() for one in self._queued)


class _Queued:
    """How long a thread has waited for a processor since this was made."""

    def __init__(self, name: str) -> None:
        self._file = Path(f"/proc/{name}/schedstat")
        self._nanoseconds = 0
        self._before = self._read()

    def seconds(self) -> float:
        return (self._read() - self._before) / 1e9

    def _read(self) -> int:
        """Nanoseconds so far; the last known ones of a process that has ended."""
        with suppress(OSError, IndexError, ValueError):
            self._nanoseconds = int(self._file.read_text().split()[1])
        return self._nanoseconds
