"""Notices erasures, whichever worker was asked for them."""

from __future__ import annotations

from collections.abc import Iterable

from handoff.store.repositories.control import decode_record
from handoff.store.repositories.tenant.listed import count_each
from handoff.store.store import Store

from .erasure import Erasure

MOST = 100  # erasures of a tenant that are read at once


class ErasureWatch:
    """Looks for erasures that came since the last look."""

    def __init__(self, store: Store, tenants: Iterable[str]) -> None:
        self._store = store
        self._tenants = tenants
        self._counts: dict[str, int] = {}

    async def look(self) -> frozenset[bytes] | None:
        """The identities that were erased since the last look; None if there was no erasure.

        One round trip. The first look finds none, and starts the count.
        """
        tenants = list(self._tenants)
        lists = [self._store.of(it).erasures.listed for it in tenants]
        counts = await count_each(self._store.connection, lists)
        more = {
            tenant: count - self._counts.get(tenant, count)
            for tenant, count in zip(tenants, counts, strict=True)
            if count is not None
        }
        self._counts |= {it: n for it, n in zip(tenants, counts, strict=True) if n is not None}
        if not any(more.values()):
            return None
        found = [home for tenant, count in more.items() for home in await self._homes(tenant, count)]
        return frozenset(found)

    async def _homes(self, tenant: str, count: int) -> list[bytes]:
        """The identities of the newest erasures."""
        if count <= 0:  # a backup was restored
            return []
        erasures = self._store.of(tenant).erasures
        newest = await erasures.listed.entries(limit=min(count + 1, MOST))
        raws = await erasures.read([job for job, _at in newest])
        return [home for raw in raws if raw is not None for home in decode_record(raw, Erasure).homes]
