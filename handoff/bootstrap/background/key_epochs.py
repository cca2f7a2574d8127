"""Opens the keys of a sealed store, and follows changes of its key file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from handoff.store.store import Store

from .tasks import repeating

KEYS_S = 1.0  # how soon a server uses another key epoch


@asynccontextmanager
async def keys_open(store: Store, tenants: Sequence[str]) -> AsyncIterator[list[Callable[[], str | None]]]:
    """Yields checks of the store: each returns why this server should get no requests, or None."""
    if store.sealing is None:
        yield [store.workers.ready]
        return
    await store.prepare_tenants(tenants)
    epochs = store.sealing.epochs

    async def refresh() -> None:
        epochs.refresh()

    async with repeating("keys", KEYS_S, refresh):
        yield [store.workers.ready, store.sealing.ready]
