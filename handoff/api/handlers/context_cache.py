"""Contexts that were told lately, told again in the same bytes while nothing in them has changed.

A hand-off brings several readers at once (panel, desktop, the platform's own screens), and they look
again and again. Whether an answer still holds is asked of the store each time; only what moves with the
clock alone may be TRUSTED_S old. What customers said is in memory for as long, and no longer.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from handoff.services.context.validation import Validator

TRUSTED_S = 10.0  # promises fall due and briefs grow old by the clock alone
MAX_BYTES = 16 * 1024 * 1024  # of all answers together, with what they were made of
_OVERHEAD = 150  # bytes of objects for each question


class CachedContext(Struct, frozen=True):
    """An answer that was given: its JSON, its ETag, what it was made of, until when it may be given."""

    body: bytes
    etag: str
    basis: Validator
    until: float

    @property
    def size(self) -> int:
        asked = self.basis.asked
        return len(self.body) + 2 * len(asked.packed) + _OVERHEAD * len(asked.commands)


class ContextCache:
    """The last answers, by what was asked, within MAX_BYTES."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, CachedContext] = OrderedDict()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._making: dict[Hashable, asyncio.Event] = {}

    def of(self, asked: Hashable) -> CachedContext | None:
        """The last answer to this, where it is recent."""
        kept = self._kept.get(asked)
        return kept if kept is not None and time.monotonic() < kept.until else None

    @contextmanager
    def making(self, asked: Hashable) -> Iterator[None]:
        """While an answer is made: whoever asks the same may wait for it."""
        made = self._making.setdefault(asked, asyncio.Event())
        try:
            yield
        finally:
            made.set()
            self._making.pop(asked, None)

    async def made(self, asked: Hashable) -> bool:
        """Wait for an answer to this that is being made, or has failed; False where none is."""
        under_way = self._making.get(asked)
        if under_way is None:
            return False
        await under_way.wait()
        return True

    def keep(self, asked: Hashable, body: bytes, etag: str, basis: Validator) -> None:
        self._forget(asked)
        kept = CachedContext(body, etag, basis, time.monotonic() + TRUSTED_S)
        if kept.size > MAX_BYTES // 8:
            return
        self._kept[asked] = kept
        self._size += kept.size
        while self._size > MAX_BYTES:
            self._forget(next(iter(self._kept)))
        if self._timer is None:
            self._sweep()

    def _forget(self, asked: Hashable) -> None:
        kept = self._kept.pop(asked, None)
        if kept is not None:
            self._size -= kept.size

    def _sweep(self) -> None:
        """Drop what is too old to be given; again when the next one will be."""
        now = time.monotonic()
        for asked in [asked for asked, kept in self._kept.items() if kept.until <= now]:
            self._forget(asked)
        self._timer = None
        if self._kept:
            oldest = next(iter(self._kept.values()))
            self._timer = asyncio.get_running_loop().call_later(oldest.until - now, self._sweep)
