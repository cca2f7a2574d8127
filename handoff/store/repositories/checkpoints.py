"""Checkpoints of customers' histories: what a look derived, kept for the first look of another worker.

They are never the truth. One that is missing, or does not fit what is stored now, costs time only. They
expire, are few, and go first when memory is scarce.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handoff.store.connection import Connection
from handoff.store.keys import Keys
from handoff.store.resp.commands import Command

KEPT_S = 7 * 24 * 3600
MAX_SIZE = 512 * 1024  # bytes of one
MAX_LISTED = 400  # in one partition: the oldest go
AT_ONCE = 100  # deleted by one command


class CheckpointRecords:
    """The checkpoints of a store, by the identity whose place each is kept at."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def question(self, home: bytes) -> Command:
        """The command that reads one."""
        return (b"GET", self._keys.checkpoint(home))

    async def put(self, home: bytes, checkpoint: bytes, now_s: int) -> None:
        """Keep one, instead of an earlier one, and delete the oldest of its partition beyond the limit."""
        listed = self._keys.checkpoints(self._keys.partition(home))
        *_written, beyond = await self._answers(
            [
                (b"SET", self._keys.checkpoint(home), checkpoint, b"EX", KEPT_S),
                (b"ZADD", listed, now_s, home),
                (b"ZRANGE", listed, 0, -MAX_LISTED - 1),
            ]
        )
        await self.drop(beyond)

    async def drop(self, homes: Sequence[bytes]) -> None:
        """Delete the checkpoints at these identities. To erase a person, name all identities of theirs."""
        commands: list[Command] = []
        for home in homes:
            listed = self._keys.checkpoints(self._keys.partition(home))
            commands += ((b"DEL", self._keys.checkpoint(home)), (b"ZREM", listed, home))
        if commands:
            await self._answers(commands)

    async def drop_all(self) -> None:
        """Delete every checkpoint of the store."""
        for partition in range(self._keys.partitions):
            listed = self._keys.checkpoints(partition)
            while homes := (await self._answers([(b"ZRANGE", listed, 0, AT_ONCE - 1)]))[0]:
                await self.drop(homes)

    async def _answers(self, commands: Sequence[Command]) -> list[Any]:
        return await self._connection.answers(commands)
