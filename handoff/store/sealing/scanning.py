"""Looks through the names of all keys of a store, in steps, beside its servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from handoff.store.connection import Connection
from handoff.store.server.sizes import primary_urls
from handoff.store.settings import StoreSettings

STEP = 500  # names of one step: some hundred microseconds of the server's time


async def scan_names(connection: Connection, url: str, pattern: bytes) -> AsyncIterator[list[bytes]]:
    """The names that match a pattern, on every primary of the store at `url`. A name may come twice."""
    async with AsyncExitStack() as stack:
        nodes = [connection]
        if connection.cluster:
            slots, *_ = await connection.on_primaries("CLUSTER", "SLOTS")
            urls = primary_urls(url, slots)
            nodes = [await stack.enter_async_context(Connection(StoreSettings(url=it))) for it in urls]
        for node in nodes:
            cursor = b"0"
            while True:
                cursor, names = await node.call("SCAN", cursor, "MATCH", pattern, "COUNT", STEP)
                yield list(names)
                if cursor == b"0":
                    break
