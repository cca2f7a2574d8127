"""Connections are accepted as they come, however busy the event loop is and whichever it is."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from handoff.bootstrap import accepting as module
from handoff.bootstrap.accepting import accepting

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
SENDERS = 60
TURNS = 12  # of the loop: to accept, to open each, to tell its protocol


class Echo(asyncio.Protocol):
    """Says back what it is told, and counts who is connected."""

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
def test_all_who_wait_are_accepted_in_a_few_turns(
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
def test_what_was_accepted_goes_on_and_nobody_else_is(
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


async def test_without_room_it_is_tried_again(echo: type[Echo], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    refused: list[int] = []

    class Crowded(socket.socket):
        def accept(self) -> Any:
            if len(refused) < 2:
                refused.append(1)
                raise OSError(errno.EMFILE, "too many open files")
            return super().accept()

    crowded = Crowded()
    crowded.bind(("127.0.0.1", 0))
    async with accepting(crowded, echo):
        sender = connected(crowded.getsockname())
        assert await asyncio.to_thread(sender.recv, 5) == b"hello"
        sender.close()
    assert len(refused) == 2
