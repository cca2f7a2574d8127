"""A stored list of record ids, in the order of their scores."""

from __future__ import annotations

from collections.abc import Sequence

from handoff.store.connection import Connection
from handoff.store.repositories.control import ControlReads, count_lists


class RecordList:
    """One list of a tenant's control partition."""

    def __init__(self, control: ControlReads, key: bytes) -> None:
        self._control = control
        self.key = key

    async def entries(
        self, *, limit: int, newest_first: bool = True, below: int | None = None
    ) -> list[tuple[bytes, int]]:
        """Ids with their scores, at most `limit`, after the entry whose `mark` is `below`."""
        return await self._control.ids(self.key, limit=limit, newest_first=newest_first, below=below)

    async def up_to(self, score: int, *, start: int, limit: int) -> list[bytes]:
        """Ids with at most this score, lowest first: `limit` of them, after `start` others."""
        return await self._control.up_to(self.key, score, start=start, limit=limit)

    async def count(self) -> int:
        """How many ids the list has; one round trip."""
        return await self._control.count(self.key)

    async def oldest_first(self) -> list[bytes]:
        """All ids of the list; one round trip."""
        return await self._control.oldest(self.key)


async def count_each(connection: Connection, lists: Sequence[RecordList]) -> list[int | None]:
    """The size of each list, of any tenants; None where one could not be read. One round trip."""
    return await count_lists(connection, [it.key for it in lists])


async def read_each(connection: Connection, lists: Sequence[RecordList]) -> list[list[bytes]]:
    """All ids of each list, of any tenants, lowest first; none where it could not be read. One round trip."""
    found = await connection.pipeline([(b"ZRANGE", it.key, 0, -1) for it in lists])
    return [list(ids) if isinstance(ids, list) else [] for ids in found]
