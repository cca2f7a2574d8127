"""Operators' commands on the store."""

from __future__ import annotations

import argparse
import asyncio

from handoff.bootstrap.settings import load_settings
from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.functions import prune


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
