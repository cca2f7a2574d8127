"""The server accepts all waiting connections in a few turns, on both event loops."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from handoff.bootstrap.accepting import accepting

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
SENDERS = 60
TURNS = 12  # of the loop: to accept, to open each connection, to call its protocol


class Echo(asyncio.Protocol):
    """Echoes what it receives and counts connections."""

    connected = 0

    def connection_made(self, transport: Any) -> None:
        type(self).connected += 1
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)
        self._transport.close()


@pytest.fixture
def echo() -> type[Echo]:
    return type("Fresh", (Echo,), {})


@pytest.fixture
def listening() -> socket.socket:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


def run(kind: str, work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:
        runner.run(work)


def connected(address: Any) -> socket.socket:
    sender = socket.create_connection(address, timeout=5)
    sender.sendall(b"hello")
    return sender


@pytest.mark.parametrize("kind", LOOPS)
def test_all_waiting_connections_are_accepted_in_a_few_turns(
    kind: str, listening: socket.socket, echo: type[Echo]
) -> None:
    async def work() -> None:
        async with accepting(listening, echo):
            senders = [connected(listening.getsockname()) for _ in range(SENDERS)]
            for _ in range(TURNS):
                await asyncio.sleep(0)
            assert echo.connected == SENDERS
            for sender in senders:
                assert await asyncio.to_thread(sender.recv, 5) == b"hello"
                sender.close()

    run(kind, work())


@pytest.mark.parametrize("kind", LOOPS)
def test_accepted_connections_stay_open_after_a_stop_and_new_ones_are_refused(
    kind: str, listening: socket.socket, echo: type[Echo]
) -> None:
    async def work() -> None:
        address = listening.getsockname()
        async with accepting(listening, echo):
            sender = socket.create_connection(address, timeout=5)
            for _ in range(TURNS):
                await asyncio.sleep(0)
            assert echo.connected == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        sender.sendall(b"later")
        assert await asyncio.to_thread(sender.recv, 5) == b"later"
        sender.close()

    run(kind, work())


async def test_without_file_descriptors_it_tries_again(echo: type[Echo]) -> None:
    refused: list[int] = []

    class Exhausted(socket.socket):
        def accept(self) -> Any:
            if len(refused) < 2:
                refused.append(1)
                raise OSError(errno.EMFILE, "too many open files")
            return super().accept()

    exhausted = Exhausted()
    exhausted.bind(("127.0.0.1", 0))
    async with accepting(exhausted, echo, pause_s=0.01):
        sender = connected(exhausted.getsockname())
        assert await asyncio.to_thread(sender.recv, 5) == b"hello"
        sender.close()
    assert len(refused) == 2
