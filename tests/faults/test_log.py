"""The log: lines of JSON, nothing of what was sent in them, and no harm where it cannot be written."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.load import serving
from tests.store.servers import valkey_binary

UNREADABLE = [
    b"GET /v1/context?identity=email:secret@example.com HTTP/1.1\r\nHost: here\r\nBad Header: x\r\n\r\n",
    b"GET /v1/context?identity=email:secret\0@example.com HTTP/1.1\r\nHost: here\r\n\r\n",
    b"POST /v1/touchpoints HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer secret\0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + b"secret" * 2_000 + b"\r\n\r\n",
    b"secret\r\n\r\n",
]


async def answer(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        async with asyncio.timeout(10):
            return await reader.readline()
    finally:
        writer.close()


async def test_what_cannot_be_read_is_not_repeated_in_the_log(tmp_path: Path) -> None:
    valkey_binary()
    with serving(tmp_path / "data") as server:
        for raw in UNREADABLE:
            assert b" 400 " in await answer(server.port, raw)
    lines = [line for line in server.log.splitlines() if not line.startswith(("---", "handoff listens"))]
    if "secret" in server.log:
        pytest.fail(f"what was sent is in the log: {server.log[-500:]}")
    lines = [json.loads(line) for line in lines]
    assert {line["event"] for line in lines} <= {"request_unreadable"}  # at the level of information


SCRIPT = """
import logging, structlog
from handoff.bootstrap.logs import configure_logging
configure_logging()
for _ in range(1000):
    structlog.get_logger().error("store_down", why="x" * 100)
    logging.getLogger("aiohttp.server").error("it crashed", exc_info=OSError("gone"))
print("continues")
"""


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this machine")
    with full.open("wb") as disk:
        process = subprocess.run(
            [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=disk, check=True
        )
    assert process.stdout == b"continues\n"
