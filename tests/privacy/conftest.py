"""The server of the API tests, with what a privacy officer does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Api, served

__all__ = ["Api", "erase", "everything", "finished"]

PATIENCE_S = 20.0


@pytest.fixture
async def api(valkey: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A server whose journal of erasures is its own."""
    async with served(valkey, data_dir=str(tmp_path)) as client:
        yield client


async def erase(api: Api, customer: str, **query: str) -> Any:
    """Erase a customer, and wait until the job is done. Returns the erasure."""
    answer = await api.call("DELETE", f"/v1/customers/{customer}", token="officer", params=query)
    assert answer.status == 202, answer.raw
    return await finished(api, answer.json["id"])


async def finished(api: Api, erasure: str) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            view = await api.ok("GET", f"/v1/erasures/{erasure}", token="officer")
            if view["state"] == "completed":
                return view
            await asyncio.sleep(0.02)


async def everything(api: Api) -> list[bytes]:
    """All keys and values of the tenant's store, compressed ones also as text."""
    from handoff.codec.compression import KNOWN, decompress

    connection = api.server.store.connection
    found: list[bytes] = []

    def add(raw: Any) -> None:
        if isinstance(raw, bytes):
            found.append(raw)
            for at in range(min(len(raw), 64)):
                if raw[at] in KNOWN:
                    try:
                        found.append(decompress(raw[at], raw[at + 1 :]))
                    except Exception:
                        continue
        elif isinstance(raw, dict):
            add(list(raw.items()))
        elif isinstance(raw, list | tuple | set):
            for member in raw:
                add(member)

    readers = {
        b"string": lambda key: (b"GET", key),
        b"hash": lambda key: (b"HGETALL", key),
        b"zset": lambda key: (b"ZRANGE", key, 0, -1),
        b"set": lambda key: (b"SMEMBERS", key),
        b"list": lambda key: (b"LRANGE", key, 0, -1),
        b"stream": lambda key: (b"XRANGE", key, b"-", b"+"),
    }
    for key in await connection.call(b"KEYS", b"*"):
        found.append(key)
        type_ = await connection.call(b"TYPE", key)
        kind = type_ if isinstance(type_, bytes) else str(type_).encode()
        if kind in readers:
            add(await connection.call(*readers[kind](key)))
    return found
