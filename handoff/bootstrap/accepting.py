"""Accepts all waiting connections in each turn of the event loop.

uvloop's libuv accepts one connection per turn. Under load a turn takes milliseconds, so the last of a
thousand senders that connect together would wait for seconds before the server reads its first byte.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

BACKLOG = 1024  # connections that may wait: a burst of senders is not refused
PER_TURN = 128  # connections to accept in one turn
PAUSE_S = 1.0  # before accepting again after the process ran out of file descriptors or memory
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger(__name__)


@asynccontextmanager
async def accepting(
    listening: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], *, pause_s: float = PAUSE_S
) -> AsyncIterator[None]:
    """Accept connections on a bound socket, each with a new protocol. Closes the socket at the end.

    `pause_s` is the pause after the process ran out of resources for another connection.
    """
    listening.setblocking(False)
    listening.listen(BACKLOG)
    acceptor = _Acceptor(listening, protocol, pause_s)
    acceptor.begin()
    try:
        yield
    finally:
        await acceptor.end()


class _Acceptor:
    def __init__(
        self, listening: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], pause_s: float
    ) -> None:
        self._listening = listening
        self._protocol = protocol
        self._pause_s = pause_s
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._loop.add_reader(self._listening, self._accept)

    async def end(self) -> None:
        """Stop accepting. Accepted connections stay open."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()
        await asyncio.gather(*self._opening)

    def _accept(self) -> None:
        for _ in range(PER_TURN):
            try:
                connection, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                log.error("no_room_for_connections", error=str(error))
                self._loop.remove_reader(self._listening)
                self._pause = self._loop.call_later(self._pause_s, self.begin)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # the sender has disconnected
            connection.close()
