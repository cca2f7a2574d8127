"""The fast path: single touchpoints and vendors' deliveries, past the framework (docs/adr/0018).

A connection begins here and stays for as long as nothing but plain requests comes on it: POST to one of a
few exact paths, small, in HTTP/1.1, kept alive. The first request that is anything else goes to aiohttp as
it came, and the connection with it, before anything was done. So aiohttp decides about whatever is unusual
or wrong, and nothing here answers it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE
from httptools import HttpParserError, HttpRequestParser
from msgspec import Struct

from .problems import answer_to
from .request_ids import HEADER as REQUEST_ID_HEADER
from .request_ids import REQUEST_ID, next_request_id

MAX_HEAD = 8 * 1024  # bytes: what is longer is aiohttp's to judge
MAX_BODY = 64 * 1024  # bytes: what is larger is read in pieces
MAX_HELD = 256 * 1024  # bytes that come before the answer to those before them; then no more is read
SILENT_S = 3630.0  # as aiohttp: longer than any reverse proxy keeps a connection
STALLED_S = 60.0  # for the next bytes of a request that began to come
SWEEP_S = 15.0
_UNUSUAL = frozenset(
    {
        "content-encoding",
        "expect",
        "idempotency-key",
        "origin",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that no plain request has."""

Headers = Mapping[str, str]
"""By lower-case name; where one is repeated, the first."""


class Plain(Struct, frozen=True):
    """An answer: status, body, and the headers beside those that every answer has."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Taken(Struct, frozen=True):
    """A request that was taken. When `future` is done, `told` is called once: it gives the answer or raises."""

    future: asyncio.Future[Any]
    told: Callable[[], Plain]


class Way(Struct, frozen=True):
    """What is done with plain requests to one path.

    `route` names it in the metrics. `take` gets headers and body; it gives None or raises, before
    anything is done, where the request is aiohttp's after all. `headers` are on every answer.
    """

    route: str
    take: Callable[[Headers, bytes], Taken | None]
    headers: tuple[tuple[str, str], ...] = ()


class FastPath:
    """The connections that are on the fast path, and what leads them off it.

    `ways` are by path, `otherwise` makes aiohttp's protocol, `took` counts a request's route, hundreds of
    its status and seconds.
    """

    def __init__(
        self,
        ways: Mapping[bytes, Way],
        otherwise: Callable[[], asyncio.Protocol],
        took: Callable[[str, int, float], None],
    ) -> None:
        self.ways = ways
        self.otherwise = otherwise
        self.took = took
        self.open: set[_Connection] = set()
        self.ending = False
        self._all_closed = asyncio.Event()
        self._sweeping: asyncio.TimerHandle | None = None

    def protocol(self) -> asyncio.Protocol:
        """The protocol of a connection that was accepted."""
        return _Connection(self)

    def entered(self, connection: _Connection) -> None:
        self.open.add(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def left(self, connection: _Connection) -> None:
        self.open.discard(connection)
        if self.ending and not self.open:
            self._all_closed.set()

    async def end(self, patience_s: float) -> None:
        """Close connections, those that wait for an answer after it; abort what is left after `patience_s`."""
        self.ending = True
        for connection in list(self.open):
            connection.end()
        if self.open:
            try:
                async with asyncio.timeout(patience_s):
                    await self._all_closed.wait()
            except TimeoutError:
                for connection in list(self.open):
                    connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _sweep(self) -> None:
        """Close what was silent for too long; one timer for all connections."""
        loop = asyncio.get_running_loop()
        for connection in list(self.open):
            if connection.is_overdue(loop.time()):
                connection.abort()
        self._sweeping = loop.call_later(SWEEP_S, self._sweep) if self.open else None


class _Head(Struct):
    """The head of a request that may be plain: it ends at `at`, its body at `end`."""

    way: Way
    headers: Headers
    at: int
    end: int


class _Connection(asyncio.Protocol):
    """One connection on the fast path; it answers one request after the other, in their order."""

    def __init__(self, path: FastPath) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._raw = b""
        """What came and was not taken yet."""
        self._head: _Head | None = None
        self._taken: Taken | None = None
        """What waits for its answer."""
        self._held = False
        """Nothing is read, for too much waits."""
        self._full = False
        """Nothing is taken, for the sender does not read its answers."""
        self._heard_at = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by their class
        self._path.entered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._path.left(self)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._raw = self._raw + data if self._raw else data
        if self._taken is None:
            self._go_on()
        elif len(self._raw) > MAX_HELD and not self._held:
            self._held = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._taken is None:
            self._go_on()

    def end(self) -> None:
        """Close the connection, after the answer that it waits for."""
        if self._taken is None:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_overdue(self, now: float) -> bool:
        """Whether its sender said nothing for too long."""
        return self._taken is None and now - self._heard_at > (STALLED_S if self._raw else SILENT_S)

    def _go_on(self) -> None:
        """Take the next request, if all of it is there."""
        if not self._raw or self._full or self._transport.is_closing():
            return
        if self._head is None:
            self._head = read_head(self._raw, self._path.ways)
        head = self._head
        if head is None:
            self._leave()
        elif len(self._raw) >= head.end:
            started = time.perf_counter()
            try:
                taken = head.way.take(head.headers, self._raw[head.at : head.end])
            except Exception:  # whatever is wrong with it, aiohttp's handler finds it too and says so
                taken = None
            if taken is None:
                self._leave()
                return
            self._raw = self._raw[head.end :]
            self._head = None
            self._taken = taken
            taken.future.add_done_callback(partial(self._answer, taken, head.way, started))

    def _answer(self, taken: Taken, way: Way, started: float, _future: asyncio.Future[Any]) -> None:
        request_id = next_request_id()
        ending = self._path.ending
        try:
            plain = taken.told()
        except Exception as error:  # the outermost loop
            REQUEST_ID.set(request_id)
            plain = plain_of(answer_to(error))
        self._path.took(way.route, plain.status // 100, time.perf_counter() - started)
        self._taken = None
        if self._transport.is_closing():
            return
        self._transport.write(written(plain, way.headers, request_id, last=ending))
        if ending:
            self._transport.close()
            return
        if self._held:
            self._held = False
            self._transport.resume_reading()
        self._go_on()

    def _leave(self) -> None:
        """Give the connection to aiohttp, with everything that was not answered yet."""
        self._path.left(self)
        protocol = self._path.otherwise()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._raw)


def read_head(raw: bytes, ways: Mapping[bytes, Way]) -> _Head | None:
    """The head of the request that `raw` begins with; None where that is no plain one."""
    if not raw.startswith(b"POST "):
        return None
    way = ways.get(raw[5 : raw.find(b" ", 5)])
    at = raw.find(b"\r\n\r\n", 0, MAX_HEAD) + 4
    if way is None or at < 4:
        return None
    given = _Given()
    parser = HttpRequestParser(given)
    try:
        parser.feed_data(raw[:at])
    except HttpParserError:
        return None
    headers = given.headers
    length = headers.get("content-length", "")
    if (
        not given.complete
        or parser.get_http_version() != "1.1"
        or not parser.should_keep_alive()
        or headers.get("connection", "keep-alive").lower() != "keep-alive"
        or not _UNUSUAL.isdisjoint(headers)
        or not 0 < len(length) < 6
        or not 0 < (size := int(length)) <= MAX_BODY
    ):
        return None
    return _Head(way, headers, at, at + size)


class _Given:
    """What the parser tells of a head."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # Decoded as aiohttp decodes them, for signatures are over them.
        word = name.decode("latin-1").lower()
        if word not in self.headers:
            self.headers[word] = value.decode("utf-8", "surrogateescape")

    def on_headers_complete(self) -> None:
        self.complete = True


def written(plain: Plain, headers: tuple[tuple[str, str], ...], request_id: str, *, last: bool) -> bytes:
    """The answer as it goes over the wire; `last` says that the connection is closed after it."""
    return b"".join(
        (
            _begin(plain.status, plain.headers, headers),
            b"Connection: close\r\n" if last else b"",
            b"%s: %s\r\nContent-Length: %d\r\nDate: %s\r\n\r\n"
            % (_REQUEST_ID, request_id.encode(), len(plain.body), _date(int(time.time()))),
            plain.body,
        )
    )


_REQUEST_ID = REQUEST_ID_HEADER.encode()


@lru_cache(maxsize=256)
def _begin(status: int, headers: tuple[tuple[str, str], ...], common: tuple[tuple[str, str], ...]) -> bytes:
    """Status line and headers that are the same time and again."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    every = (*common, ("X-Content-Type-Options", "nosniff"), ("Server", SERVER_SOFTWARE))
    named = {name.lower() for name, _value in headers}
    for name, value in (*headers, *(it for it in every if it[0].lower() not in named)):
        if "\r" in value or "\n" in value:
            raise ValueError("a header is one line")
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "")).encode("utf-8")


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def plain_of(response: web.Response) -> Plain:
    """A response of the framework's, made by code that both ways share."""
    body = response.body
    assert body is None or isinstance(body, bytes)
    return Plain(response.status, body or b"", tuple(response.headers.items()))
