"""A cache of decoded bodies: the next read of the same customer decodes only new touchpoints.

A handoff has several readers, and the conversation continues while they read. Customers' words stay in memory
for KEPT_S after the last read.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Any

from handoff.codec.body import Body
from handoff.codec.member import Member

KEPT_S = 60.0
MAX_BYTES = 2 * 1024 * 1024  # of members, compressed as they are stored: some 10 000 touchpoints


class DecodedBody:
    """A member's body, and what readers made of it under names of their own."""

    __slots__ = ("body", "made", "until")

    def __init__(self, body: Body, until: float) -> None:
        self.body = body
        self.until = until
        self.made: dict[Any, Any] = {}


class RecentBodies:
    """The last bodies, by the bytes of their members."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, DecodedBody] = OrderedDict()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def sweep(self) -> float:
        """Drop what was not looked at for KEPT_S; until when what is looked at now is kept."""
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
        """Drop what nobody looked at again; again in a while where something is left."""
        self._timer = None
        if self._kept:
            self.sweep()

    def of(self, it: Member, until: float) -> DecodedBody:
        """The body of a member, decoded now or lately."""
        known = self._kept.get(it.raw)
        if known is None:
            known = self._kept[it.raw] = DecodedBody(it.body(), until)
            self._size += len(it.raw)
        else:
            known.until = until
            self._kept.move_to_end(it.raw)
        return known
