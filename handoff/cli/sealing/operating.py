"""Key epochs, and sealing of what was stored before: beside the running servers."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from handoff.bootstrap.settings import Settings, load_settings
from handoff.bootstrap.sources import build_sources, tenants
from handoff.cli.maintenance import running_store
from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.keys import Keys
from handoff.store.maintenance import RewrapProgress, Rewriting, Rotation, open_keys
from handoff.store.sealing.key_file import Epoch, read_key_file
from handoff.store.sealing.sealing import Sealing

DAY_S = 86_400


class SealedStore(Struct, frozen=True):
    """An open connection to a sealed store, with its keys."""

    connection: Connection
    url: str
    sealing: Sealing
    rotation: Rotation


@asynccontextmanager
async def _opened(options: argparse.Namespace) -> AsyncIterator[SealedStore]:
    store, url = running_store(options)
    sealed = load_settings(options.config).privacy.sealing
    if not sealed.on:
        raise ConfigurationError("set keys in [privacy.sealing] first")
    async with Connection(store, url=url) as connection:
        sealing, functions = await open_keys(connection, sealed, store.data_dir)
        rotation = Rotation(connection, url, functions, sealing.epochs)
        yield SealedStore(connection, url, sealing, rotation)


def show_keys(options: argparse.Namespace) -> int:
    """List the key epochs of the key file. Needs no running store."""
    settings = load_settings(options.config)
    data_dir = options.data or settings.store.data_dir
    path = settings.privacy.sealing.path(data_dir)
    content = read_key_file(path)
    if content is None:
        raise ConfigurationError(f"there is no key file {path}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Epoch", "Tenant", "State", "Since", "Age", "Next rotation"):
        table.add_column(heading)
    for epoch in content.epochs:
        state, since = _state(epoch)
        due = _due(epoch, settings.privacy.sealing.rotate_every_days)
        table.add_row(epoch.id, epoch.tenant, state, _date(since), _age(epoch), due)
    Console(highlight=False).print(table)
    return 0


def _state(epoch: Epoch) -> tuple[str, int]:
    if epoch.destroyed_at is not None:
        return "destroyed", epoch.destroyed_at
    if epoch.emptied_at is not None:
        return "emptied", epoch.emptied_at
    if epoch.retired_at is not None:
        return "retired", epoch.retired_at
    return "prepared" if epoch.prepared else "current", epoch.created_at


def _age(epoch: Epoch) -> str:
    return f"{max(0.0, time.time() - epoch.created_at) / DAY_S:.1f} days"


def _due(epoch: Epoch, every_days: int) -> str:
    """When the schedule replaces the epoch."""
    if not epoch.current:
        return ""
    return _date(epoch.created_at + every_days * DAY_S)[:10] if every_days else "by hand"


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def rotate_keys(options: argparse.Namespace) -> int:
    """Begin a new epoch, and wrap all data keys in it."""
    return asyncio.run(_rotate(options))


async def _rotate(options: argparse.Namespace) -> int:
    async with _opened(options) as store:
        epochs = store.sealing.epochs
        known = {it.tenant for it in epochs.content.epochs}
        chosen = {options.tenant} if options.tenant else known
        if not options.resume:
            for tenant in sorted(chosen):
                epochs.begin(tenant)
        begun = time.monotonic()
        await _rewrapped(store.rotation)
        # Until then a server may have made keys in the old epoch.
        await asyncio.sleep(max(0.0, begun + options.settle_s - time.monotonic()))
        progress = await _rewrapped(store.rotation)
    print(f"{progress.seen} data keys are in their tenants' current epochs")
    if progress.unreadable:
        print(f"{progress.unreadable} keys do not open: they were changed, or need an epoch that is gone")
    retired = [it.id for it in epochs.content.epochs if it.retired_at is not None and it.destroyed_at is None]
    if retired:
        print("to make older backups unreadable: handoff keys destroy " + " ".join(retired))
    return 1 if progress.unreadable else 0


async def _rewrapped(rotation: Rotation) -> RewrapProgress:
    """Rewrap until a whole scan finds nothing to do."""
    while True:
        progress = RewrapProgress()
        async for step in rotation.run():
            progress = step
        if not progress.rewrapped:
            return progress


def destroy_keys(options: argparse.Namespace) -> int:
    """Destroy retired epochs: backups whose data keys they wrap can no longer be read."""

    async def run() -> None:
        async with _opened(options) as store:
            for id_ in options.epoch:
                await store.rotation.destroy(id_)

    asyncio.run(run())
    print(f"destroyed: {' '.join(options.epoch)}. Destroy all copies of the key file that still have them.")
    return 0


def seal_store(options: argparse.Namespace) -> int:
    """Seal what was stored before sealing was turned on."""
    return asyncio.run(_seal(options, _tenants(load_settings(options.config))))


def _tenants(settings: Settings) -> list[str]:
    return tenants(settings, build_sources(settings))


async def _seal(options: argparse.Namespace, names: list[str]) -> int:
    async with _opened(options) as store:
        settings = load_settings(options.config).store
        keys = Keys(settings.partitions, store.sealing)
        run = await Rewriting.opened(store.connection, store.url, keys, names)
        sealed = skipped = 0
        while True:
            async for step in run.run():
                progress = step
            sealed, skipped = sealed + progress.sealed, progress.skipped
            if not progress.sealed:
                break
    print(f"sealed {sealed} values; nothing is left to seal" if not skipped else f"sealed {sealed} values")
    if skipped:
        print(f"{skipped} identities were skipped: no configured tenant, or no usable key")
    return 1 if skipped else 0
