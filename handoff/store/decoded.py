"""Recently decoded touchpoints, so that the next read of the same customer decodes only new ones.

A handoff brings several readers, and the conversation continues while they read. Message text stays in memory
for KEPT_S after the last read, and up to KEPT_S more until a timer drops it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Any

from msgspec import Struct, field

from handoff.codec.body import Body
from handoff.codec.data_key import DataKey
from handoff.codec.member import Member

KEPT_S = 60.0
MAX_BYTES = 2 * 1024 * 1024  # of members, compressed as stored: about 10 000 touchpoints


class RecentBody(Struct):
    """A member's body, with results that readers cached under their own keys."""

    body: Body
    until: float
    lock: DataKey | None = None
    made: dict[Any, Any] = field(default_factory=dict)


class RecentBodies:
    """The most recent bodies, by the bytes of their members."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, RecentBody] = OrderedDict()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._cleared_until = 0.0

    def clear(self) -> None:
        """Forget all bodies."""
        self._kept.clear()
        self._size = 0
        self._cleared_until = time.monotonic() + KEPT_S

    def sweep(self) -> float:
        """Drop bodies not read for KEPT_S. Returns the time until which a body read now is kept."""
        now = time.monotonic()
        kept = self._kept
        while kept:
            raw, first = next(iter(kept.items()))
            if first.until > now and self._size <= MAX_BYTES:
                break
            del kept[raw]
            self._size -= len(raw)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT_S, self._later)
        return now + KEPT_S

    def _later(self) -> None:
        """Drop bodies not read again, and reschedule if any are left."""
        self._timer = None
        if self._kept:
            self.sweep()

    def of(self, member: Member, until: float) -> RecentBody:
        """The body of a member, decoded now or recently. `until` is what `sweep` returned for this read."""
        known = self._kept.get(member.raw)
        if known is None and until <= self._cleared_until:  # a read that began before
            return RecentBody(member.body(), until, member.lock)
        if known is None or known.lock is not member.lock:  # a key that is gone opens nothing
            self._size += 0 if known else len(member.raw)
            known = self._kept[member.raw] = RecentBody(member.body(), until, member.lock)
            self._kept.move_to_end(member.raw)
        else:
            known.until = until
            self._kept.move_to_end(member.raw)
        return known
