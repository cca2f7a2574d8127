"""Many commands in one round trip, across the attempts that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handoff.store.errors import TRANSIENT, reason_of, translate

from .commands import Command
from .packing import prepare
from .transport import Transport


class Pipeline:
    """The answers so far and the commands that are still open, across the attempts of one pipeline."""

    def __init__(self, commands: Sequence[Command], keys: Sequence[bytes | None] | None) -> None:
        self._commands = commands
        self._keys = keys if keys is not None else [None] * len(commands)
        self.answers: list[Any] = [None] * len(commands)
        self.open = list(range(len(commands)))

    async def advance(self, transport: Transport) -> None:
        """Send what is open once. Raises the first failure that another attempt may heal."""
        places, still_open = self.open, []
        batch = prepare(self._commands[place] for place in places)
        replies = await transport.exchange(batch, [self._keys[place] for place in places])
        for place, reply in zip(places, replies, strict=True):
            self.answers[place] = _translated(reply)
            if reason_of(self.answers[place]) in TRANSIENT:
                still_open.append(place)
        self.open = still_open
        if still_open:
            raise self.answers[still_open[0]]


def _translated(reply: Any) -> Any:
    if not isinstance(reply, Exception):
        return reply
    known = translate(reply)
    if known is not reply:
        known.__cause__ = reply
    return known
