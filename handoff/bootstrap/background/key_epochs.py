"""Opens the keys of a sealed store, and follows changes of its key file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from handoff.domain.errors import StoreUnavailable
from handoff.store.errors import KEYS_UNAVAILABLE, reason_of
from handoff.store.store import Store

from .tasks import repeating

KEYS_S = 1.0  # how soon a server uses another key epoch


@asynccontextmanager
async def keys_open(store: Store, tenants: Sequence[str]) -> AsyncIterator[list[Callable[[], str | None]]]:
    """Yields checks of the store: each returns why this server should get no requests, or None."""
    if store.sealing is None:
        yield [store.workers.ready]
        return
    epochs = store.sealing.epochs
    waiting = await _without_keys(store, tenants)

    async def refresh() -> None:
        epochs.refresh()
        waiting[:] = await _without_keys(store, waiting)

    def all_have_keys() -> str | None:
        return KEYS_UNAVAILABLE if waiting else None

    async with repeating("keys", KEYS_S, refresh):
        yield [store.workers.ready, store.sealing.ready, all_have_keys]


async def _without_keys(store: Store, tenants: Sequence[str]) -> list[str]:
    """The tenants whose keys the store cannot take now: it is full, say. Their requests get 503 meanwhile.

    StoreUnavailable (`keys_unavailable`) if a key does not open: waiting does not help.
    """
    waiting: list[str] = []
    for tenant in tenants:
        try:
            await store.prepare_tenants([tenant])
        except StoreUnavailable as error:
            if reason_of(error) == KEYS_UNAVAILABLE:
                raise
            waiting.append(tenant)
    return waiting
