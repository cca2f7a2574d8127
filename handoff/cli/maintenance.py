"""Operators' commands on the store."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from rich.console import Console
from rich.table import Table

from handoff import __version__
from handoff.bootstrap.settings import load_settings
from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.formats import FORMAT
from handoff.store.keys import Keys
from handoff.store.maintenance import prune, upgrade
from handoff.store.server.heartbeat import Loss, accept_loss, heartbeat_keys
from handoff.store.server.sizes import Sizes, sizes
from handoff.store.settings import StoreSettings
from handoff.store.workers import Upgrade


def prune_functions(options: argparse.Namespace) -> int:
    """Remove libraries of other releases; do it when none of their servers runs any more."""
    settings = load_settings(options.config)
    if settings.store.url is None:
        raise ConfigurationError("the embedded store drops old functions by itself; set store.url")

    async def run() -> list[str]:
        async with Connection(settings.store) as connection:
            return await prune(connection)

    removed = asyncio.run(run())
    print(f"removed {len(removed)} function libraries" + "".join(f"\n  {name}" for name in removed))
    return 0


def accept_loss_of_data(options: argparse.Namespace) -> int:
    """Have the servers take writes again after the store lost data that it had acknowledged."""
    settings, url = _running_store(options)

    async def run() -> list[Loss]:
        async with Connection(settings, url=url) as connection:
            keys = heartbeat_keys(Keys(settings.partitions), cluster=connection.cluster)
            return await accept_loss(connection, keys)

    losses = asyncio.run(run())
    if not losses:
        print("the servers of this store report no loss: nothing to accept")
        return 0
    what = "was empty" if "empty" in losses else "held older data than its servers had seen"
    print(f"loss accepted: the store {what}. The servers take writes again within seconds.")
    return 0


def upgrade_store(options: argparse.Namespace) -> int:
    """Raise the store's format to this release's, once every worker that lives understands it."""
    settings, url = _running_store(options)

    async def run() -> Upgrade:
        async with Connection(settings, url=url) as connection:
            return await upgrade(connection, force=options.force, dry_run=options.dry_run)

    found = asyncio.run(run())
    if found.format >= FORMAT:
        print(f"the store has format {found.format}; release {__version__} understands up to {FORMAT}")
        return 0
    if found.obstacles:
        raise ConfigurationError(
            f"the store stays at format {found.format}: not every worker understands format {FORMAT}\n"
            + "".join(f"  {it}\n" for it in found.obstacles)
            + "Upgrade or stop them and run this again. --force raises the format all the same: workers that "
            "do not understand it stop being ready and show what they cannot read as unknown."
        )
    print(f"the store has format {found.format} and can be raised to {FORMAT}")
    return 0


def _running_store(options: argparse.Namespace) -> tuple[StoreSettings, str]:
    """The configured store and its URL; of an embedded one while a server runs it."""
    settings = load_settings(options.config).store
    if options.data is not None:
        settings = msgspec.structs.replace(settings, data_dir=options.data)
    return settings, settings.url or _embedded(settings)


def show_sizes(options: argparse.Namespace) -> int:
    """What the store's memory is spent on, by kind of key and by touchpoint."""
    settings, url = _running_store(options)

    async def run() -> Sizes:
        async with Connection(settings, url=url) as connection:
            return await sizes(connection, url, options.sample)

    found = asyncio.run(run())
    if options.json:
        print(json.dumps(_told(found), indent=2))
    else:
        _print_sizes(Console(highlight=False), found)
    return 0


def _embedded(settings: StoreSettings) -> str:
    """The embedded store's URL, while a server runs it."""
    socket = Path(settings.data_dir).resolve() / "valkey" / "valkey.sock"
    if not socket.exists():
        raise ConfigurationError(f"no server runs on {settings.data_dir}: start it, or set store.url")
    return f"unix://{quote(str(socket))}"


def _told(it: Sizes) -> dict[str, Any]:
    """For programs: bytes, and bytes for each touchpoint (null where there are none)."""
    kinds = [
        {**msgspec.structs.asdict(kind), "bytes_per_touchpoint": it.per_touchpoint(kind.bytes)}
        for kind in it.kinds
    ]
    derived = {
        "rest": it.rest,
        "fragmentation": it.fragmentation,
        "bytes_per_touchpoint": it.per_touchpoint(it.used - it.startup),
    }
    return {**msgspec.structs.asdict(it), **derived, "kinds": kinds}


def _print_sizes(console: Console, it: Sizes) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Kind")
    for heading in ("Keys", "Measured", "Bytes", "Share", "A touchpoint"):
        table.add_column(heading, justify="right")

    def row(name: str, keys: str, measured: str, bytes_: int) -> None:
        each = it.per_touchpoint(bytes_)
        share = f"{bytes_ / it.used:.1%}" if it.used else ""
        table.add_row(name, keys, measured, f"{bytes_:,}", share, "" if each is None else f"{each:.1f}")

    for kind in it.kinds:
        row(kind.kind, f"{kind.keys:,}", f"{kind.measured:,}", kind.bytes)
    row("tables of keys, buffers", "", "", it.overhead - it.startup)
    row("told by no key", "", "", it.rest)
    row("empty servers" if it.servers > 1 else "an empty server", "", "", it.startup)
    row("allocated", "", "", it.used)
    console.print(table)
    each = it.per_touchpoint(it.used - it.startup)
    about = f" (± {it.error:.1%})" if it.error else ""
    console.print(
        f"{it.touchpoints:,} touchpoints{about}"
        + ("" if each is None else f", {each:.0f} bytes each beside what an empty server takes")
    )
    console.print(f"{it.rss:,} bytes of the machine: {it.fragmentation:.2f} for each one allocated")
