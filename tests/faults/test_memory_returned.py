"""Unfinished requests give their memory back to the machine."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from .load import serving

MIB = 1024 * 1024
BODIES = 24
CONFIG = """
[limits]
body_timeout_s = 1

[[sources]]
name = "shop"
adapter = "web.segment"
secrets = ["a-write-key-of-the-shop"]
"""
SPARE = 24 * MIB  # caches and code that the attack loads for the first time
PATIENCE_S = 30.0
HEAD = b"POST /in/shop/v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (4 * MIB)


def resident(pid: int) -> int:
    stated = Path(f"/proc/{pid}/status").read_text()
    return int(stated.partition("VmRSS:")[2].split()[0]) * 1024


async def unfinished(port: int) -> None:
    """All but one byte of a body, until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(OSError):
        writer.write(HEAD)
        for _ in range(4):
            writer.write(bytes(MIB - 1))
            await writer.drain()
        await reader.read()
    writer.transport.abort()


async def test_the_memory_of_unfinished_requests_is_returned(tmp_path: Path) -> None:
    config = tmp_path / "handoff.toml"
    config.write_text(CONFIG)
    with serving(tmp_path / "data", None, "--config", str(config)) as server:
        before = peak = resident(server.popen.pid)
        attack = asyncio.gather(*(unfinished(server.port) for _ in range(BODIES)))
        while not attack.done():
            peak = max(peak, resident(server.popen.pid))
            await asyncio.sleep(0.02)
        await attack
        async with asyncio.timeout(PATIENCE_S):
            while resident(server.popen.pid) > before + SPARE:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
    assert peak > before + 2 * SPARE, "the attack must hold memory, or nothing is shown"
