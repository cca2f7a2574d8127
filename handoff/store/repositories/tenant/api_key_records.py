"""API keys by their public id, and the list of each tenant's.

They share one slot outside of the tenants: a key is looked up before its tenant is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from handoff.store.connection import Connection
from handoff.store.keys import api_key, api_keys_of


class ApiKeyRecords:
    """The API keys of all tenants. One round trip a call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, ids: Sequence[str]) -> list[bytes | None]:
        if not ids:
            return []
        (found,) = await self._connection.answers([(b"MGET", *(api_key(id_) for id_ in ids))])
        return list(found)

    async def ids(self, tenant: str) -> list[str]:
        """A tenant's keys, the newest first."""
        (found,) = await self._connection.answers([(b"ZRANGE", api_keys_of(tenant), 0, -1, b"REV")])
        return [id_.decode() for id_ in found]

    async def put(self, tenant: str, id_: str, record: bytes, created_at: int) -> None:
        """Write a key. It is listed first: a listed key without a record is none."""
        listed = api_keys_of(tenant)
        await self._connection.call_durable(b"ZADD", listed, created_at, id_.encode(), key=listed)
        key = api_key(id_)
        await self._connection.call_durable(b"SET", key, record, key=key)

    async def change(self, id_: str, record: bytes) -> bool:
        """Replace a key; False if it was revoked."""
        key = api_key(id_)
        return await self._connection.call_durable(b"SET", key, record, b"XX", key=key) is not None

    async def drop(self, tenant: str, id_: str) -> None:
        """Revoke a key: no server accepts it once this returns."""
        key, listed = api_key(id_), api_keys_of(tenant)
        await self._connection.call_durable(b"DEL", key, key=key)
        await self._connection.call_durable(b"ZREM", listed, id_.encode(), key=listed)
