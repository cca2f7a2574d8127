"""Many commands in one round trip, across the attempts that it takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from handoff.store.errors import TRANSIENT, reason_of, translate

from .commands import Command


class Pipeline:
    """The answers so far and which commands are still open, across the attempts of one pipeline."""

    def __init__(self, commands: Sequence[Command], keys: Sequence[bytes | None]) -> None:
        self._pairs = list(zip(commands, keys, strict=True))
        self.answers: list[Any] = [None] * len(self._pairs)
        self.open = list(range(len(self._pairs)))

    async def advance(
        self, exchange: Callable[[Sequence[tuple[Command, bytes | None]]], Awaitable[list[Any]]]
    ) -> None:
        """Send what is open once. Raises the first failure that another attempt may heal."""
        places, still_open = self.open, []
        replies = await exchange([self._pairs[place] for place in places])
        for place, reply in zip(places, replies, strict=True):
            self.answers[place] = _in_our_words(reply)
            if reason_of(self.answers[place]) in TRANSIENT:
                still_open.append(place)
        self.open = still_open
        if still_open:
            raise self.answers[still_open[0]]


def _in_our_words(reply: Any) -> Any:
    if not isinstance(reply, Exception):
        return reply
    known = translate(reply)
    if known is not reply:
        known.__cause__ = reply
    return known
