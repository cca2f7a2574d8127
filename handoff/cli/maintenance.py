"""`handoff store …`: inspects and maintains the store."""

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
    """Remove function libraries of other releases. Run it after their servers have stopped."""
    settings = load_settings(options.config)
    if settings.store.url is None:
        raise ConfigurationError(
            "the embedded store removes old functions itself; for another store, set store.url"
        )

    async def run() -> list[str]:
        async with Connection(settings.store) as connection:
            return await prune(connection)

    removed = asyncio.run(run())
    print(f"removed {len(removed)} function libraries" + "".join(f"\n  {name}" for name in removed))
    return 0


def accept_loss_of_data(options: argparse.Namespace) -> int:
    """Resume writes after the store lost acknowledged data."""
    settings, url = running_store(options)

    async def run() -> list[Loss]:
        async with Connection(settings, url=url) as connection:
            keys = heartbeat_keys(Keys(settings.partitions), cluster=connection.cluster)
            return await accept_loss(connection, keys)

    losses = asyncio.run(run())
    if not losses:
        print("nothing to accept: the servers of this store report no loss")
        return 0
    what = "was empty" if "empty" in losses else "had older data than its servers had seen"
    print(f"loss accepted: the store {what}. The servers resume writes within seconds.")
    return 0


def upgrade_store(options: argparse.Namespace) -> int:
    """Raise the store's format to this release's if every live worker understands it."""
    settings, url = running_store(options)

    async def run() -> Upgrade:
        async with Connection(settings, url=url) as connection:
            return await upgrade(connection, force=options.force, dry_run=options.dry_run)

    found = asyncio.run(run())
    if found.format >= FORMAT:
        print(f"nothing to do: the store has format {found.format}; release {__version__} supports {FORMAT}")
        return 0
    if found.obstacles:
        raise ConfigurationError(
            f"the store stays at format {found.format}: not every worker understands format {FORMAT}\n"
            + "".join(f"  {it}\n" for it in found.obstacles)
            + "Upgrade or stop these workers and run the command again. --force raises the format anyway: "
            "workers that do not understand it become unready and show records they cannot read as unknown."
        )
    print(f"the store has format {found.format} and can be upgraded to {FORMAT}")
    return 0


def running_store(options: argparse.Namespace) -> tuple[StoreSettings, str]:
    """The settings and URL of the configured store, or of a running embedded one."""
    settings = load_settings(options.config).store
    if options.data is not None:
        settings = msgspec.structs.replace(settings, data_dir=options.data)
    return settings, settings.url or _embedded(settings)


def show_sizes(options: argparse.Namespace) -> int:
    """Show memory use by kind of key and per touchpoint."""
    settings, url = running_store(options)

    async def run() -> Sizes:
        async with Connection(settings, url=url) as connection:
            return await sizes(connection, url, options.sample)

    found = asyncio.run(run())
    if options.json:
        print(json.dumps(_as_json(found), indent=2))
    else:
        _print_sizes(Console(highlight=False), found)
    return 0


def _embedded(settings: StoreSettings) -> str:
    """The embedded store's URL, while a server runs it."""
    socket = Path(settings.data_dir).resolve() / "valkey" / "valkey.sock"
    if not socket.exists():
        raise ConfigurationError(f"no server is running on {settings.data_dir}: start it, or set store.url")
    return f"unix://{quote(str(socket))}"


def _as_json(found: Sizes) -> dict[str, Any]:
    """Bytes in total and per touchpoint (null without touchpoints)."""
    kinds = [
        {**msgspec.structs.asdict(kind), "bytes_per_touchpoint": found.per_touchpoint(kind.bytes)}
        for kind in found.kinds
    ]
    derived = {
        "rest": found.rest,
        "fragmentation": found.fragmentation,
        "bytes_per_touchpoint": found.per_touchpoint(found.used - found.startup),
    }
    return {**msgspec.structs.asdict(found), **derived, "kinds": kinds}


def _print_sizes(console: Console, found: Sizes) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Kind")
    for heading in ("Keys", "Measured", "Bytes", "Share", "Per touchpoint"):
        table.add_column(heading, justify="right")

    def row(name: str, keys: str, measured: str, bytes_: int) -> None:
        each = found.per_touchpoint(bytes_)
        share = f"{bytes_ / found.used:.1%}" if found.used else ""
        table.add_row(name, keys, measured, f"{bytes_:,}", share, "" if each is None else f"{each:.1f}")

    for kind in found.kinds:
        row(kind.kind, f"{kind.keys:,}", f"{kind.measured:,}", kind.bytes)
    row("key tables, buffers", "", "", found.overhead - found.startup)
    row("not attributed to a key", "", "", found.rest)
    row("empty servers" if found.servers > 1 else "empty server", "", "", found.startup)
    row("allocated", "", "", found.used)
    console.print(table)
    each = found.per_touchpoint(found.used - found.startup)
    about = f" (± {found.error:.1%})" if found.error else ""
    console.print(
        f"{found.touchpoints:,} touchpoints{about}"
        + ("" if each is None else f", {each:.0f} bytes each on top of an empty server")
    )
    console.print(f"{found.rss:,} bytes resident, {found.fragmentation:.2f} per allocated byte")
