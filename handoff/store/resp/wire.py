"""A connection of our own to a single server: packed in one join, written at once, answered in order.

Any number of callers share it. redis-py takes one connection for each, joins the data again with every
further piece and awaits a task per call; a batch of a hundred touchpoints has a thousand pieces.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast

import hiredis

from handoff.store.errors import server_error

from .address import StoreAddress
from .commands import Command
from .packing import Prepared, prepare
from .transport import Places

HostPort = tuple[str, int]
Find = Callable[[], Awaitable[HostPort]]
"""Finds where a primary is now."""
CONNECT_S = 2.0  # as redis-py's connections: a host that does not answer is left for its successor
_NOTHING = object()


class RespConnection:
    """One connection: opened when it is first used, and again after it was lost.

    `find` gives the primary's place where that may change (Sentinel). `silence_s` limits how long an answer
    may take before the connection is given up. `on_reopen` is called each time it was opened again.
    """

    def __init__(
        self,
        address: StoreAddress,
        *,
        silence_s: float | None,
        find: Find | None = None,
        on_reopen: Callable[[], None] | None = None,
    ) -> None:
        self._address = address
        self._find = find
        self._silence_s = silence_s
        self._protocol: _RespProtocol | None = None
        self._opening = asyncio.Lock()
        self._on_reopen = on_reopen
        self._closed = False

    async def exchange(self, batch: Prepared, places: Places = None) -> list[Any]:
        """The answers to packed commands; errors of the server are in their places.

        OSError when the connection is lost or cannot be opened, TimeoutError when the server is silent.
        A caller that is cancelled changes nothing for the others.
        """
        protocol = self._protocol
        if protocol is None or protocol.lost:
            protocol = await self._open()
        return await protocol.send(batch.packed, len(batch.commands))

    async def exchange_in_order(self, batch: Prepared, key: bytes) -> list[Any]:
        return await self.exchange(batch)

    @property
    def is_open(self) -> bool:
        return self._protocol is not None and not self._protocol.lost

    @property
    def fallback(self) -> RespConnection:
        """Itself: a lost connection is opened again."""
        return self

    def toward(self, key: bytes) -> RespConnection:
        """Itself: one server has all keys."""
        return self

    def drop(self) -> None:
        """Close the connection; the next exchange opens it again, to the primary of that time."""
        if self._protocol is not None:
            self._protocol.give_up(ConnectionAbortedError("the connection was closed"))

    def close(self) -> None:
        """Close the connection for good; later exchanges fail."""
        self._closed = True
        self.drop()

    async def _open(self) -> _RespProtocol:
        async with self._opening:
            if self._protocol is not None and not self._protocol.lost:
                return self._protocol
            if self._closed:
                raise ConnectionAbortedError("the connection was closed")
            async with asyncio.timeout(CONNECT_S):
                protocol = await self._connect()
            try:
                await self._greet(protocol)
            except BaseException:  # a caller's deadline too: nobody else knows this connection
                protocol.give_up(ConnectionAbortedError("the greeting was not answered"))
                raise
            again, self._protocol = self._protocol is not None, protocol
            if self._closed:  # meanwhile
                self.drop()
            elif again and self._on_reopen is not None:
                self._on_reopen()
            return protocol

    async def _greet(self, protocol: _RespProtocol) -> None:
        greeting = prepare(_greeting(self._address))
        for answer in await protocol.send(greeting.packed, len(greeting.commands)):
            if isinstance(answer, Exception):
                raise answer

    async def _connect(self) -> _RespProtocol:
        loop = asyncio.get_running_loop()
        address = self._address
        if address.kind == "unix":
            return (await loop.create_unix_connection(self._new_protocol, address.path))[1]
        host, port = await self._find() if self._find else address.nodes[0]
        context = _tls(address) if address.tls else None
        return (await loop.create_connection(self._new_protocol, host, port, ssl=context))[1]

    def _new_protocol(self) -> _RespProtocol:
        return _RespProtocol(self._silence_s)


def _greeting(address: StoreAddress) -> list[Command]:
    """The first commands of a connection, as redis-py sends them."""
    greeting: list[Command] = []
    if address.password is not None:
        user = (address.username,) if address.username else ()
        greeting.append(("AUTH", *user, address.password))
    greeting.append(("CLIENT", "SETNAME", address.name))
    if address.db:
        greeting.append(("SELECT", address.db))
    return greeting


def _tls(address: StoreAddress) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=address.options.get("ssl_ca_certs"))
    if certificate := address.options.get("ssl_certfile"):
        context.load_cert_chain(certificate, address.options.get("ssl_keyfile"))
    return context


_Asked = tuple[asyncio.Future[list[Any]], list[Any], int, float]
"""The caller's future, the answers so far, their final number, and when the commands were sent."""


class _RespProtocol(asyncio.Protocol):
    """The protocol of one open connection. Every caller gets answers or an error, whatever happens."""

    def __init__(self, silence_s: float | None) -> None:
        self._reader = hiredis.Reader(replyError=server_error, notEnoughData=_NOTHING)
        self._waiting: deque[_Asked] = deque()
        self._transport: asyncio.Transport | None = None
        self._silence_s = silence_s
        self._watch: asyncio.TimerHandle | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def send(self, packed: bytes, count: int) -> asyncio.Future[list[Any]]:
        """Write commands; the future gets their `count` answers."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        if self.lost or self._transport is None:
            future.set_exception(ConnectionResetError("the connection is lost"))
            return future
        self._waiting.append((future, [], count, loop.time()))
        self._transport.write(packed)
        if self._watch is None and self._silence_s is not None:
            self._watch = loop.call_later(self._silence_s, self._check_silence, loop)
        return future

    def _check_silence(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up when the oldest command is unanswered for too long: one timer for all commands."""
        self._watch = None
        if not self._waiting or self._silence_s is None:
            return
        due = self._waiting[0][3] + self._silence_s
        if loop.time() >= due:
            self.give_up(TimeoutError("the server is silent"))
        else:
            self._watch = loop.call_at(due, self._check_silence, loop)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _NOTHING:
                future, answers, count, _asked_at = self._waiting[0]
                answers.append(answer)
                if len(answers) == count:
                    self._waiting.popleft()
                    if not future.done():
                        future.set_result(answers)
        except Exception as error:  # invalid RESP, or an answer without a command
            self.give_up(ConnectionAbortedError(f"invalid answer from the server: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up(exc or ConnectionResetError("the server closed the connection"))

    def give_up(self, error: Exception) -> None:
        """Close, and fail every waiting caller with `error`."""
        self.lost = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            future, *_ = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)
