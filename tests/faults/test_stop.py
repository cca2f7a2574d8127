"""A stop ends in time, whoever is slow meanwhile: a sender, a reader or the store."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest

from handoff.bootstrap import server as bootstrap
from tests.api.conftest import served
from tests.store.servers import server, valkey_binary, valkey_server


async def test_an_answer_that_nobody_reads_holds_up_a_stop_no_longer_than_one_that_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "SHUTDOWN_S", 2.0)
    with valkey_server() as url, socket.socket() as reader:
        async with served(url) as api:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", int(api.url.rpartition(":")[2])))
            reader.setblocking(False)
            asked = b"GET /openapi.json HTTP/1.1\r\nHost: here\r\n\r\n" * 1000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # the server reads no further either
                    await asyncio.get_running_loop().sock_sendall(reader, asked * 100)
            began = time.monotonic()
        assert time.monotonic() - began < 3.5


async def test_a_store_that_hangs_holds_up_a_stop_by_a_moment() -> None:
    with server(valkey_binary()) as valkey:
        async with served(valkey.url, timeout_s=4) as api:
            await api.tell("e1")
            valkey.pause()
            began = time.monotonic()
        assert time.monotonic() - began < 4
