"""Opens the keys of a sealed store, follows changes of its key file, and rotates epochs by a schedule."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from handoff.domain.errors import StoreUnavailable
from handoff.services.metrics import Measures
from handoff.store.errors import KEYS_UNAVAILABLE, reason_of
from handoff.store.sealing.rotation import Rotation
from handoff.store.sealing.schedule import ScheduledRotation
from handoff.store.sealing.settings import SealingSettings
from handoff.store.store import Store

from .tasks import repeating

KEYS_S = 1.0  # how soon a server uses another key epoch
TURN_S = 1.0
DAY_S = 86_400


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


@asynccontextmanager
async def rotating(store: Store, settings: SealingSettings, measures: Measures) -> AsyncIterator[None]:
    """Measure the age of the epochs, and rotate them if the configuration has an interval."""
    async with AsyncExitStack() as stack:
        if store.sealing is not None:
            turn = _turns(store, settings, measures)
            await stack.enter_async_context(repeating("key_rotation", TURN_S, turn))
        yield


def _turns(store: Store, settings: SealingSettings, measures: Measures) -> Callable[[], Awaitable[None]]:
    assert store.sealing is not None
    epochs = store.sealing.epochs
    rotation = Rotation(store.connection, store.settings.url or "", store.functions, epochs)
    every_s = settings.rotate_every_days * DAY_S
    schedule = ScheduledRotation(rotation, store.workers, store.rotations, secrets.token_hex(8), every_s)

    async def turn() -> None:
        ages = [time.time() - it.created_at for it in epochs.content.epochs if it.current]
        measures.epoch_age.set(max(ages, default=0))
        if not every_s:
            return
        done = await schedule.turn()
        measures.epochs_begun.inc(len(done.begun))
        measures.keys_rewrapped.inc(done.rewrapped)

    return turn
