"""A cache of recent contexts, encoded.

A handoff has several readers at once (panel, desktop, the platform's screens), which poll. Each hit is
validated against the store; only values that depend on the clock alone may be TRUSTED_S old. Customers' words
stay in memory for that long and no longer.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from handoff.services.context.validation import Validator

TRUSTED_S = 10.0  # promises fall due and briefs age without any write
MAX_BYTES = 16 * 1024 * 1024  # of all entries, with the data that validates them
_OVERHEAD = 150  # bytes of Python objects for each command


class CachedContext(Struct, frozen=True):
    """A cached context: its JSON, its ETag, the data that validates it, and its expiry."""

    body: bytes
    etag: str
    basis: Validator
    expires: float
    customers: tuple[str, ...] = ()
    """The ids of the customers that it shows."""

    @property
    def size(self) -> int:
        asked = self.basis.asked
        return len(self.body) + 2 * len(asked.packed) + _OVERHEAD * len(asked.commands)


class ContextCache:
    """Recent contexts by lookup, least recent first, each for `trusted_s` and all within `max_bytes`."""

    def __init__(self, *, trusted_s: float = TRUSTED_S, max_bytes: int = MAX_BYTES) -> None:
        self.trusted_s = trusted_s
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, CachedContext] = OrderedDict()
        self._size = 0
        self.cleared = 0
        """How often everything was forgotten. A context that started before leaves nothing."""
        self._timer: asyncio.TimerHandle | None = None
        self._building: dict[Hashable, asyncio.Event] = {}

    def get(self, lookup: Hashable) -> CachedContext | None:
        """The cached context of a lookup, unless it has expired."""
        kept = self._kept.get(lookup)
        return kept if kept is not None and time.monotonic() < kept.expires else None

    def clear(self) -> None:
        """Forget all contexts."""
        self.cleared += 1
        self._kept.clear()
        self._size = 0

    @contextmanager
    def building(self, lookup: Hashable) -> Iterator[None]:
        """Mark a lookup as being built, so that equal lookups can wait for it."""
        built = self._building.setdefault(lookup, asyncio.Event())
        try:
            yield
        finally:
            built.set()
            self._building.pop(lookup, None)

    async def wait_for(self, lookup: Hashable) -> bool:
        """Wait until an equal lookup is built or has failed; False if there is none."""
        building = self._building.get(lookup)
        if building is None:
            return False
        await building.wait()
        return True

    def put(
        self, lookup: Hashable, body: bytes, etag: str, basis: Validator, customers: tuple[str, ...] = ()
    ) -> None:
        self._drop(lookup)
        kept = CachedContext(body, etag, basis, time.monotonic() + self.trusted_s, customers)
        if kept.size > self._max_bytes // 8:
            return
        self._kept[lookup] = kept
        self._size += kept.size
        while self._size > self._max_bytes:
            self._drop(next(iter(self._kept)))
        if self._timer is None:
            self._sweep()

    def _drop(self, lookup: Hashable) -> None:
        kept = self._kept.pop(lookup, None)
        if kept is not None:
            self._size -= kept.size

    def _sweep(self) -> None:
        """Drop expired entries, and schedule the next sweep."""
        now = time.monotonic()
        for lookup in [lookup for lookup, kept in self._kept.items() if kept.expires <= now]:
            self._drop(lookup)
        self._timer = None
        if self._kept:
            oldest = next(iter(self._kept.values()))
            self._timer = asyncio.get_running_loop().call_later(oldest.expires - now, self._sweep)
