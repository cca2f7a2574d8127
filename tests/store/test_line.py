"""A connection that is given up while it is being opened leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from handoff.domain.errors import StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.resp.address import parse_address
from handoff.store.resp.packing import prepare
from handoff.store.resp.wire import RespConnection
from handoff.store.settings import StoreSettings
from tests.store.servers import Server, ask, server, valkey_binary, wait_until

PING = prepare([("PING",)])


def clients(running: Server) -> int:
    """The number of connections to the server, without that of this question."""
    listing = ask(str(running.directory / "server.sock"), "CLIENT", "LIST")
    return sum(line.startswith("id=") for line in listing.splitlines()) - 1


async def test_callers_who_leave_before_the_greeting_is_answered() -> None:
    with server(valkey_binary()) as running:
        connection = RespConnection(parse_address(running.url), silence_s=5)
        running.pause()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connection.exchange(PING)
        running.resume()
        assert [bytes(answer) for answer in await connection.exchange(PING)] == [b"PONG"]
        await asyncio.to_thread(wait_until, lambda: clients(running) == 1)
        connection.drop()
        await asyncio.to_thread(wait_until, lambda: clients(running) == 0)


async def test_a_closed_connection_is_not_opened_again() -> None:
    with server(valkey_binary()) as running:
        connection = RespConnection(parse_address(running.url), silence_s=5)
        await connection.exchange(PING)
        connection.close()
        with pytest.raises(ConnectionAbortedError):
            await connection.exchange(PING)
        await asyncio.to_thread(wait_until, lambda: clients(running) == 0)


async def test_a_connection_that_is_closed_while_it_is_opened() -> None:
    with server(valkey_binary()) as running:
        connection = RespConnection(parse_address(running.url), silence_s=5)
        running.pause()
        asked = asyncio.create_task(connection.exchange(PING))
        await asyncio.sleep(0.05)
        connection.close()
        running.resume()
        with pytest.raises(ConnectionError):
            await asked
        await asyncio.to_thread(wait_until, lambda: clients(running) == 0)


async def test_a_waiting_caller_of_a_closed_connection_opens_none() -> None:
    with server(valkey_binary()) as running:
        connection = Connection(StoreSettings(url=running.url))
        await connection.call("PING")
        running.pause()
        before = connection.round_trips
        asked = asyncio.create_task(connection.call("PING"))
        while connection.round_trips == before:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)
        await connection.aclose()
        with pytest.raises(StoreUnavailable) as failed:
            await asked
        assert failed.value.fields["reason"] == "closed"
        running.resume()
        await asyncio.to_thread(wait_until, lambda: clients(running) == 0)
