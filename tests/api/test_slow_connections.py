"""Connections that never finish a request are closed in time, and hold a bounded number of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest

from tests import serving
from tests.api.conftest import SECRET, WORK, Api, message, secret
from tests.conftest import fresh_tenant

MIB = 1024 * 1024
PATIENCE_S = 12.0  # with timeouts of one second; without deadlines the connections stay open


@asynccontextmanager
async def limited(url: str, **limits: Any) -> AsyncIterator[Api]:
    """A client of a server with these limits."""
    tenant = fresh_tenant()
    settings = serving.settings_for(
        url,
        [serving.token("desk", tenant, *WORK)],
        sources=[{"name": "shop", "adapter": "web.segment", "tenant": tenant, "secrets": [SECRET]}],
        limits=limits,
    )
    async with serving.in_process(settings) as (server, session):
        yield Api(server, session, tenant, tenant)


class RawConnection:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, api: Api) -> RawConnection:
        host, _, port = api.url.removeprefix("http://").rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def is_over(self) -> bytes:
        """The bytes received until the server closed the connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def trickle(self, byte: bytes) -> None:
        """Send a byte now and then until the server closes the connection."""
        try:
            while not self.writer.is_closing():
                await self.send(byte)
                await asyncio.sleep(0.1)
        except OSError:
            pass


HEAD = b"POST /in/shop/v1/track HTTP/1.1\r\nHost: h\r\n"
STARTS = {
    "a head of the fast path": b"POST /v1/touchpoints HTTP/1.1\r\nHost: h\r\nX-A: ",
    "a head of aiohttp": b"GET /v1/handoffs HTTP/1.1\r\nHost: h\r\nX-A: ",
    "a body of the fast path": HEAD + b"Content-Length: 30000\r\n\r\n{",
    "a body of aiohttp": HEAD + b"Content-Length: 300000\r\n\r\n{",
    "a chunked body": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3000\r\n",
    "a body nobody reads": b"POST /v1/handoffs HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n{",
}


@pytest.fixture
async def brief(valkey: str) -> AsyncIterator[Api]:
    """A server whose deadlines are a second."""
    async with limited(valkey, header_timeout_s=1, body_timeout_s=1) as api:
        yield api


@pytest.mark.parametrize("trickles", [False, True], ids=["silent", "a byte at a time"])
async def test_unfinished_requests_are_closed(brief: Api, trickles: bool) -> None:
    async def one(start: bytes) -> None:
        line = await RawConnection.to(brief)
        await line.send(start)
        trickling = asyncio.create_task(line.trickle(b"a")) if trickles else None
        await line.is_over()
        line.writer.close()
        if trickling is not None:
            await trickling

    await asyncio.gather(*map(one, STARTS.values()))


async def test_an_unfinished_second_request_is_closed(brief: Api) -> None:
    line = await RawConnection.to(brief)
    await line.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    await line.reader.readuntil(b"\r\n\r\n")
    await line.send(b"GET /healthz HTTP/1.1\r\nX-A: ")
    await line.is_over()
    line.writer.close()


async def test_many_slow_connections_do_not_disturb_others(brief: Api) -> None:
    starts = [STARTS["a head of the fast path"], STARTS["a body of aiohttp"]]
    lines = [await RawConnection.to(brief) for _ in range(200)]
    for number, line in enumerate(lines):
        await line.send(starts[number % 2])
    for number in range(20):
        await brief.record(f"{number}")
    await asyncio.gather(*(line.is_over() for line in lines))
    for line in lines:
        line.writer.close()


async def test_an_idle_keep_alive_connection_stays(brief: Api) -> None:
    line = await RawConnection.to(brief)
    for _ in range(2):
        await line.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"200 OK" in await line.reader.readuntil(b"\r\n\r\n")
        await line.reader.readexactly(len(b'{"status":"ok","version":""}') + len(_version()))
        await asyncio.sleep(2.5)  # longer than any deadline of an unfinished request
    line.writer.close()


def _version() -> str:
    from handoff import __version__

    return __version__


async def test_a_slow_import_of_a_known_caller_goes_on(brief: Api) -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield msgspec.json.encode(message("one")) + b"\n"
        await asyncio.sleep(2.5)  # longer than the deadline of a stranger's body
        yield msgspec.json.encode(message("two")) + b"\n"

    headers = {"Content-Type": "application/x-ndjson"}
    answer = await brief.call("POST", "/v1/touchpoints", data=lines(), headers=headers)
    assert answer.status == 200
    assert sum(msgspec.json.decode(it)["accepted"] for it in answer.raw.splitlines()) == 2


async def test_strangers_hold_a_bounded_number_of_bytes(valkey: str) -> None:
    """200 unfinished bodies of 4 MiB: most are refused, known callers continue, and nothing stays held."""
    async with limited(valkey, max_bytes_in_flight=16 * MIB, body_timeout_s=2) as api:
        head = b"POST /in/shop/v1/batch HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (4 * MIB)
        lines = [await RawConnection.to(api) for _ in range(40)]

        async def one(line: RawConnection) -> bytes:
            with suppress(OSError):
                await line.send(head + bytes(4 * MIB - 1))
            return await line.is_over()

        sending = [asyncio.create_task(one(line)) for line in lines]
        for number in range(10):
            large = message(f"{number}", text="a" * 100_000)
            assert (await api.post("/v1/touchpoints", [large] * 5)).status == 200
            await asyncio.sleep(0.1)
        answers = await asyncio.gather(*sending)
        refused = [it for it in answers if it.startswith(b"HTTP/1.1 503")]
        assert len(refused) >= 30
        assert all(b"Retry-After: 1" in it and b'"overloaded"' in it for it in refused)
        for line in lines:
            line.writer.close()
        whole = b"x" * (MIB - 1)
        for _ in range(16):  # 16 MiB one after the other: what was held has been given back
            answer = await api.call("POST", "/in/shop/v1/batch", token=None, data=whole)
            assert answer.status == 401


async def test_a_body_of_the_fast_path_counts_too(valkey: str) -> None:
    async with limited(valkey, max_bytes_in_flight=16 * MIB, body_timeout_s=2) as api:
        head = b"POST /in/shop/v1/batch HTTP/1.1\r\nHost: h\r\nContent-Length: 65000\r\n\r\n"
        lines = [await RawConnection.to(api) for _ in range(160)]  # 8 MiB are 128 of them
        for line in lines:
            await line.send(head + bytes(64_000))
        answers = await asyncio.gather(*(line.is_over() for line in lines))
        assert 20 <= sum(b"503" in it for it in answers) <= 40
        for line in lines:
            line.writer.close()


async def test_above_the_limit_of_connections_the_longest_unfinished_one_goes(valkey: str) -> None:
    async with limited(valkey, max_connections=16) as api:
        lines = [await RawConnection.to(api) for _ in range(40)]
        for line in lines:
            await line.send(STARTS["a head of the fast path"])
        await api.record("one")  # on a connection of its own
        over = await asyncio.gather(*(line.is_over() for line in lines[:20]))
        assert len(over) == 20
        for line in lines:
            line.writer.close()


async def test_busy_connections_are_never_closed_for_a_new_one(valkey: str) -> None:
    async with limited(valkey, max_connections=16) as api:
        lines = [await RawConnection.to(api) for _ in range(16)]
        token = secret("desk", api.tenant).encode()
        for line in lines:  # live streams: each is a request that is being answered
            await line.send(
                b"GET /v1/queues/q/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n\r\n" % token
            )
            await line.reader.readuntil(b"\r\n\r\n")
        line = await RawConnection.to(api)
        assert (await line.is_over()).startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n")
        for each in [*lines, line]:
            each.writer.close()
