"""The fast path handles single touchpoints and vendors' deliveries without aiohttp (docs/adr/0018).

Every connection starts here and stays while it carries only plain requests: small HTTP/1.1 POST requests to a
few exact paths, with keep-alive. The first other request goes to aiohttp unchanged, together with its
connection, before any processing. So aiohttp handles everything unusual or invalid.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import cast

from handoff.adapter.admission import ArrivalProgress, HeldBytes
from handoff.domain.errors import Overloaded

from .connections import Connections, Deadlines
from .exchange import TOO_MANY_BYTES
from .plain_requests import MAX_HEAD, FastRoute, Head, PlainAnswer, plain_of, read_head, serialize
from .problems import answer_to
from .request_ids import REQUEST_ID, next_request_id

MAX_BUFFERED = 256 * 1024  # bytes received during a request; above, the connection stops reading
CACHED_HEADS = 512
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+/?")


class FastPath:
    """The connections on the fast path, and the routes it serves.

    Keys of `routes` are paths; a key that ends in a slash matches all paths below it. `otherwise` makes
    aiohttp's protocol. `count` gets the method, route, status, and seconds of each response.
    """

    def __init__(
        self,
        routes: Mapping[bytes, FastRoute],
        otherwise: Callable[[], asyncio.Protocol],
        count: Callable[[str, str, int, float], None],
        connections: Connections,
    ) -> None:
        self._routes = routes
        self.connections = connections
        self._read_head = lru_cache(CACHED_HEADS)(read_head)
        self.otherwise = otherwise
        self.count = count
        self.open: set[_Connection] = set()
        self.ending = False
        self._all_closed = asyncio.Event()

    def replace(self, routes: Mapping[bytes, FastRoute]) -> None:
        """Use these routes from now on, and forget the heads that were read with the others."""
        self._routes = routes
        self._read_head = lru_cache(CACHED_HEADS)(read_head)

    def protocol(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Connection(self)

    def head_of(self, raw: bytes) -> Head | None:
        """The head of the request at the start of `raw`; None if it is not plain.

        Parsed heads are cached, since senders repeat them.
        """
        path = raw[5 : raw.find(b" ", 5)] if raw.startswith(b"POST ") else b""
        route = self._routes.get(path) or self._route_below(path)
        size = raw.find(b"\r\n\r\n", 0, MAX_HEAD) + 4
        return self._read_head(raw[:size], path, route) if route is not None and size > 4 else None

    def _route_below(self, path: bytes) -> FastRoute | None:
        """The route of `/in/shop/` for `/in/shop/v1/batch`; None if the path has unusual characters."""
        if not _PLAIN_PATH.fullmatch(path):
            return None
        return self._routes.get(b"/".join((*path.split(b"/", 3)[:3], b"")))

    def add(self, connection: _Connection) -> bool:
        """Watch a connection; False if there is no room for it."""
        if not self.connections.add(connection):
            return False
        self.open.add(connection)
        return True

    def discard(self, connection: _Connection) -> None:
        self.connections.discard(connection)
        self.open.discard(connection)
        if self.ending and not self.open:
            self._all_closed.set()

    async def end(self, patience_s: float) -> None:
        """Close all connections once their responses are sent; abort those open after `patience_s`."""
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
        self.connections.end()


class _Connection(asyncio.Protocol):
    """One connection on the fast path. It handles its requests one at a time, in order."""

    def __init__(self, path: FastPath) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._raw = b""
        """Bytes received and not processed yet."""
        self._head: Head | None = None
        """Head of the current request."""
        self._busy = False
        """A request waits for its response."""
        self._paused = False
        """Reading is paused, since too much is buffered."""
        self._full = False
        """Processing is paused, since the sender does not read its responses."""
        self._received_at = self._loop.time()
        self._started_at = 0.0
        self._request_id = ""
        self._served = 0
        """Number of responses."""
        self._held = HeldBytes(path.connections.budget)
        """Bytes of an incomplete request."""
        self._progress = ArrivalProgress()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is not a subclass
        if not self._path.add(self):
            self._transport.write(_BUSY)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._held.release()
        self._path.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received_at = self._loop.time()
        self._raw = self._raw + data if self._raw else data
        if not self._busy:
            self._next()
        if len(self._raw) > MAX_BUFFERED and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if not self._busy:
            self._next()

    def end(self) -> None:
        """Close the connection once its response is sent."""
        if not self._busy:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_overdue(self, now: float, deadlines: Deadlines) -> bool:
        """Whether the sender has been silent, or its request incomplete, for too long."""
        if self._busy:
            return False
        since, owed = self._progress.since, self._served
        if self._full:
            return since(now, ("unread", owed), 0) > deadlines.unread_s
        if self._head is not None:
            return since(now, ("body", owed), len(self._raw)) > deadlines.body_s
        if self._raw:
            return since(now, ("head", owed), 0) > deadlines.head_s
        self._progress.stop()
        return now - self._received_at > (deadlines.silent_s if owed else deadlines.new_s)

    def idle_rank(self) -> tuple[int, float] | None:
        return None if self._busy else (0 if self._raw else 1, self._received_at)

    def _next(self) -> None:
        """Process the next request if it is complete."""
        raw = self._raw
        if self._full or self._transport.is_closing():
            return
        if self._paused and len(raw) <= MAX_BUFFERED:
            self._paused = False
            self._transport.resume_reading()
        if not raw:
            return
        head = self._head
        if head is None:
            head = self._head = self._path.head_of(raw)
            if head is None:
                self._hand_over()
                return
        end = head.size + head.body
        if len(raw) < end:
            if not self._held.reach(len(raw)):
                self._refuse()
            return
        if self._held.count:
            self._held.release()
        self._started_at = time.perf_counter()
        self._request_id = next_request_id()
        REQUEST_ID.set(self._request_id)
        self._busy = True
        self._raw = raw[end:]
        try:
            accepted = head.take(raw[head.size : end], self._answer)
        except Exception:  # aiohttp's handler fails in the same way and responds
            accepted = False
        if not accepted:
            self._raw = raw
            self._hand_over()

    def _refuse(self) -> None:
        """Refuse an incomplete request, since too many bytes are in flight, and close the connection."""
        self._held.release()
        self._raw, self._busy = b"", True
        self._started_at, self._request_id = time.perf_counter(), next_request_id()
        self._answer(Overloaded(TOO_MANY_BYTES))
        self._transport.close()

    def _answer(self, outcome: PlainAnswer | Exception) -> None:
        head, self._head, self._busy = self._head, None, False
        self._served += 1
        assert head is not None
        ending, headers = self._path.ending, head.route.headers
        try:
            plain = self._error_response(outcome) if isinstance(outcome, Exception) else outcome
            raw = serialize(plain, headers, self._request_id, last=ending)
        except Exception as error:  # a response that cannot be serialised
            plain = self._error_response(error)
            raw = serialize(plain, headers, self._request_id, last=ending)
        self._path.count("POST", head.route.route, plain.status, time.perf_counter() - self._started_at)
        if self._transport.is_closing():
            return
        self._transport.write(raw)
        if ending:
            self._transport.close()
        elif self._raw or self._paused:
            self._next()

    def _error_response(self, error: Exception) -> PlainAnswer:
        """The response to an error. The log entry has the id of this request, not of the current task."""
        before = REQUEST_ID.set(self._request_id)
        try:
            return plain_of(answer_to(error))
        finally:
            REQUEST_ID.reset(before)

    def _hand_over(self) -> None:
        """Hand the connection to aiohttp, with all unanswered bytes."""
        self._held.release()
        self._path.discard(self)
        protocol = self._path.otherwise()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._paused:
            self._transport.resume_reading()
        protocol.data_received(self._raw)
