"""A line that is given up while it is being opened leaves no connection behind."""

from __future__ import annotations

import asyncio

import pytest

from handoff.domain.errors import StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.resp.address import parse_address
from handoff.store.resp.wire import RespConnection, pack
from handoff.store.settings import StoreSettings
from tests.store.servers import Server, ask, server, valkey_binary, wait_until

PING = pack(("PING",))


def clients(running: Server) -> int:
    """Connections that the server has, this question's own not counted."""
    listing = ask(str(running.directory / "server.sock"), "CLIENT", "LIST")
    return sum(line.startswith("id=") for line in listing.splitlines()) - 1


async def test_callers_who_leave_before_the_greeting_is_answered() -> None:
    with server(valkey_binary()) as running:
        line = RespConnection(parse_address(running.url), silence_s=5)
        running.pause()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await line.exchange(PING)
        running.resume()
        assert [bytes(it) for it in await line.exchange(PING)] == [b"PONG"]
        await asyncio.to_thread(wait_until, lambda: clients(running) == 1)
        line.drop()
        await asyncio.to_thread(wait_until, lambda: clients(running) == 0)


async def test_a_closed_line_is_not_opened_again() -> None:
    with server(valkey_binary()) as running:
        line = RespConnection(parse_address(running.url), silence_s=5)
        await line.exchange(PING)
        line.close()
        with pytest.raises(ConnectionAbortedError):
            await line.exchange(PING)
        await asyncio.to_thread(wait_until, lambda: clients(running) == 0)


async def test_a_line_that_is_closed_while_it_is_opened() -> None:
    with server(valkey_binary()) as running:
        line = RespConnection(parse_address(running.url), silence_s=5)
        running.pause()
        asked = asyncio.create_task(line.exchange(PING))
        await asyncio.sleep(0.05)
        line.close()
        running.resume()
        with pytest.raises(ConnectionError):
            await asked
        await asyncio.to_thread(wait_until, lambda: clients(running) == 0)


async def test_who_waits_when_a_connection_is_closed_opens_none() -> None:
    with server(valkey_binary()) as running:
        connection = Connection(StoreSettings(url=running.url))
        await connection.call("PING")
        running.pause()
        asked = asyncio.create_task(connection.call("PING"))
        await asyncio.sleep(0.05)
        await connection.aclose()
        with pytest.raises(StoreUnavailable) as failed:
            await asked
        assert failed.value.fields["reason"] == "closed"
        running.resume()
        await asyncio.to_thread(wait_until, lambda: clients(running) == 0)
