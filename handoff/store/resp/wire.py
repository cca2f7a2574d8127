"""A connection of our own to a single server: packed in one join, written at once, answered in order.

Any number of callers share it. redis-py takes one connection for each, joins what it has with every further
piece and awaits a task per call; a batch of a hundred touchpoints has a thousand pieces. How a lost line is
met (again, until the deadline) is `Connection`'s affair: a line only says that it is lost.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import hiredis
from msgspec import Struct
from redis._parsers import BaseParser

from handoff.store.errors import StoreError

from .address import StoreAddress
from .commands import Argument, Command

HostPort = tuple[str, int]
Find = Callable[[], Awaitable[HostPort]]
"""Where a primary is now."""
REST_S = 5.0
CONNECT_S = 2.0  # as redis-py's connections: a host that does not answer is left for its successor
_NOTHING = object()


_SIZES = [b"\r\n$%d\r\n" % size for size in range(1024)]


def pack(command: Command) -> bytes:
    """A command in RESP2. One join of pieces that are there already: hiredis prints every length anew."""
    pieces = [b"*%d" % len(command)]
    for it in command:
        raw = it if isinstance(it, bytes) else _bytes_of(it)
        size = len(raw)
        pieces.append(_SIZES[size] if size < 1024 else b"\r\n$%d\r\n" % size)
        pieces.append(raw)
    pieces.append(b"\r\n")
    return b"".join(pieces)


class Prepared(Struct, frozen=True):
    """Commands that are asked again and again, packed once."""

    commands: tuple[Command, ...]
    packed: bytes


def prepare(commands: Iterable[Command]) -> Prepared:
    kept = tuple(commands)
    return Prepared(kept, b"".join(map(pack, kept)))


def _bytes_of(it: str | int | float) -> bytes:
    if not isinstance(it, str | int | float):
        raise StoreError(f"an argument is bytes, text or a number, not {type(it).__name__}")
    return str(it).encode()


class RespConnection:
    """One connection, opened when it is first used and again after it was lost.

    `find` gives the primary's place where that is asked for anew each time (Sentinel). `silence_s` is
    how long an answer may take before the line is given up. `on_reopen` is called each time it was
    opened again.
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
        self._wire: _RespProtocol | None = None
        self._opening = asyncio.Lock()
        self._on_reopen = on_reopen
        self._closed = False

    async def exchange(self, packed: bytes, count: int = 1) -> list[Any]:
        """The answers to `count` packed commands; errors of the server stand in their place.

        OSError when the line is lost or cannot be opened, TimeoutError when it is silent. A caller
        that is cancelled changes nothing for those behind it.
        """
        wire = self._wire
        if wire is None or wire.lost:
            wire = await self._open()
        return await wire.send(packed, count)

    @property
    def is_open(self) -> bool:
        """Whether an exchange begins at once."""
        return self._wire is not None and not self._wire.lost

    def drop(self) -> None:
        """Close the line; the next exchange opens it again, at the primary of then."""
        if self._wire is not None:
            self._wire.give_up(ConnectionAbortedError("the line was closed"))

    def close(self) -> None:
        """Close the line for good; whoever comes after that fails."""
        self._closed = True
        self.drop()

    async def _open(self) -> _RespProtocol:
        async with self._opening:
            if self._wire is not None and not self._wire.lost:
                return self._wire
            if self._closed:
                raise ConnectionAbortedError("the line was closed")
            async with asyncio.timeout(CONNECT_S):
                wire = await self._connect()
            try:
                await self._greet(wire)
            except BaseException:  # a caller's deadline too: nobody else knows this wire
                wire.give_up(ConnectionAbortedError("the greeting was not answered"))
                raise
            again, self._wire = self._wire is not None, wire
            if self._closed:  # meanwhile
                self.drop()
            elif again and self._on_reopen is not None:
                self._on_reopen()
            return wire

    async def _greet(self, wire: _RespProtocol) -> None:
        greeting = _greeting(self._address)
        for answer in await wire.send(b"".join(map(pack, greeting)), len(greeting)):
            if isinstance(answer, Exception):
                raise answer

    async def _connect(self) -> _RespProtocol:
        loop = asyncio.get_running_loop()
        address = self._address
        if address.kind == "unix":
            return (await loop.create_unix_connection(self._new_wire, address.path))[1]
        host, port = await self._find() if self._find else address.nodes[0]
        secured = _tls(address) if address.tls else None
        return (await loop.create_connection(self._new_wire, host, port, ssl=secured))[1]

    def _new_wire(self) -> _RespProtocol:
        return _RespProtocol(self._silence_s)


class RespConnections:
    """Lines of one caller to the primaries of a Cluster, each opened when it is first used.

    `primary_of` gives the place of a key's primary as far as it is known, `new_line` a line to a place.
    """

    def __init__(
        self, primary_of: Callable[[bytes], HostPort | None], new_line: Callable[[HostPort], RespConnection]
    ) -> None:
        self._primary_of = primary_of
        self._new_line = new_line
        self._by_place: dict[HostPort, RespConnection] = {}
        self._resting: dict[RespConnection, float] = {}

    def toward(self, key: bytes) -> RespConnection | None:
        """The line to the primary of a key; None where that is not known, or the line is left alone."""
        place = self._primary_of(key)
        if place is None:
            return None
        line = self._by_place.get(place)
        if line is None:
            line = self._by_place[place] = self._new_line(place)
        if self._resting and self._resting.get(line, 0.0) > asyncio.get_running_loop().time():
            return None
        return line

    def rest(self, line: RespConnection) -> None:
        """Leave a line alone for a while: its primary was silent or gone, and may have a successor."""
        self._resting[line] = asyncio.get_running_loop().time() + REST_S


def _greeting(address: StoreAddress) -> list[tuple[Argument, ...]]:
    """What is said before anything else, as redis-py says it."""
    greeting: list[tuple[Argument, ...]] = []
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


async def first(line: RespConnection, packed: bytes) -> Any:
    """The answer to one command on a line; the server's error is raised."""
    (answer,) = await every(line, packed, 1)
    return answer


async def every(line: RespConnection, packed: bytes, count: int) -> list[Any]:
    """The answers to commands on a line; the first error of the server is raised."""
    answers = await line.exchange(packed, count)
    for it in answers:
        if isinstance(it, Exception):
            raise it
    return answers


_Asked = tuple[asyncio.Future[list[Any]], list[Any], int, float]
"""Who waits, the answers so far, how many there will be, and since when."""


class _RespProtocol(asyncio.Protocol):
    """One open connection. Whatever happens to it, everyone who waits on it is told."""

    def __init__(self, silence_s: float | None) -> None:
        # redis-py's own classes of errors, so that they are translated in one place.
        self._reader = hiredis.Reader(replyError=BaseParser.parse_error, notEnoughData=_NOTHING)
        self._waiting: deque[_Asked] = deque()
        self._transport: asyncio.Transport | None = None
        self._silence_s = silence_s
        self._watch: asyncio.TimerHandle | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by their class

    def send(self, packed: bytes, count: int) -> asyncio.Future[list[Any]]:
        """Write commands; the future gets their `count` answers."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        if self.lost or self._transport is None:
            future.set_exception(ConnectionResetError("the line is lost"))
            return future
        self._waiting.append((future, [], count, loop.time()))
        self._transport.write(packed)
        if self._watch is None and self._silence_s is not None:
            self._watch = loop.call_later(self._silence_s, self._listen, loop)
        return future

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up when the oldest question stands too long: one timer for all, not one for each."""
        self._watch = None
        if not self._waiting or self._silence_s is None:
            return
        due = self._waiting[0][3] + self._silence_s
        if loop.time() >= due:
            self.give_up(TimeoutError("the server is silent"))
        else:
            self._watch = loop.call_at(due, self._listen, loop)

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
        except Exception as error:  # bytes that are no answer, or one that nobody asked for
            self.give_up(ConnectionAbortedError(f"the server's answer makes no sense: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up(exc or ConnectionResetError("the server closed the line"))

    def give_up(self, error: Exception) -> None:
        """Close, and fail everyone who waits with `error`."""
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
