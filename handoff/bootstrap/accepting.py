"""Accepting connections: all that wait, in each turn of the event loop.

libuv, on which uvloop runs, accepts one connection a turn. Under load a turn takes milliseconds, and of a
thousand senders who come at once the last then waits for seconds before a byte of theirs is read.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

BACKLOG = 1024  # connections waiting to be accepted: a burst of senders is not refused
AT_ONCE = 128  # accepted in one turn
PAUSE_S = 1.0  # before accepting again when there is no room for another
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger(__name__)


@asynccontextmanager
async def accepting(
    listening: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]
) -> AsyncIterator[None]:
    """Accept what comes to a bound socket, each connection with a protocol of its own; closes the socket."""
    listening.setblocking(False)
    listening.listen(BACKLOG)
    acceptor = _Acceptor(listening, protocol)
    acceptor.begin()
    try:
        yield
    finally:
        await acceptor.end()


class _Acceptor:
    def __init__(self, listening: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._listening = listening
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._loop.add_reader(self._listening, self._accept)

    async def end(self) -> None:
        """Accept no more; what was accepted goes on."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()
        await asyncio.gather(*self._opening)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                log.error("no_room_for_connections", error=str(error))
                self._loop.remove_reader(self._listening)
                self._pause = self._loop.call_later(PAUSE_S, self.begin)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # it is gone already
            connection.close()
