"""Recently read histories of customers, so that the next read of the same customer reuses them.

Message text stays in memory for KEPT_S after the last read, and up to KEPT_S more until a timer drops it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from msgspec import Struct

from .decoded import KEPT_S

MAX_BYTES = 32 * 1024 * 1024  # of all histories of a worker together, as their readers estimate them


class KeptHistory(Struct, frozen=True):
    """A value that a reader left, its size in bytes, and its expiry."""

    value: Any
    size: int
    until: float


class RecentHistories:
    """The most recently read histories, by customer.

    A history has one owner: a reader takes it, and puts it back at the end. Another reader of the same
    customer finds nothing in between, and reads everything itself.

    A full store turns newcomers away until a kept history expires. If it dropped the oldest instead, readers
    who go round more customers than fit would never find one.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, KeptHistory] = OrderedDict()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self.cleared = 0
        """How often everything was forgotten. A reader must not put back a value that it read before."""

    def clear(self) -> None:
        """Forget all histories."""
        self.cleared += 1
        self._kept.clear()
        self._size = 0

    def take(self, key: Hashable) -> Any:
        """Remove and return the value under a key; None if there is none."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        self._size -= kept.size
        return kept.value

    def has(self, key: Hashable) -> bool:
        """Whether there is a value under a key."""
        return key in self._kept

    def put(self, key: Hashable, value: Any, size: int) -> bool:
        """Keep a value of `size` bytes, if there is room; whether there was."""
        self.take(key)
        self._sweep()
        if self._size + size > MAX_BYTES:
            return False
        self._kept[key] = KeptHistory(value, size, time.monotonic() + KEPT_S)
        self._size += size
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT_S, self._later)
        return True

    def _sweep(self) -> None:
        """Drop what was not read for KEPT_S."""
        now = time.monotonic()
        while self._kept:
            key, first = next(iter(self._kept.items()))
            if first.until > now:
                break
            self.take(key)

    def _later(self) -> None:
        self._timer = None
        self._sweep()
        if self._kept:
            self._timer = asyncio.get_running_loop().call_later(KEPT_S, self._later)
