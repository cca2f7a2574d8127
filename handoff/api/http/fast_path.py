"""The fast path: single touchpoints and vendors' deliveries, past the framework (docs/adr/0018).

A connection begins here and stays for as long as nothing but plain requests comes on it: POST to one of a
few exact paths, small, in HTTP/1.1, kept alive. The first request that is anything else goes to aiohttp as
it came, and the connection with it, before anything was done. So aiohttp decides about whatever is unusual
or wrong, and nothing here answers it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import cast

from .plain_requests import MAX_HEAD, FastRoute, Head, PlainAnswer, plain_of, read_head, written
from .problems import answer_to
from .request_ids import REQUEST_ID, next_request_id

MAX_HELD = 256 * 1024  # bytes that come before the answer to those before them; then no more is read
REMEMBERED_HEADS = 512
SILENT_S = 3630.0  # as aiohttp: longer than any reverse proxy keeps a connection
STALLED_S = 60.0  # for the next bytes of a request that began to come
SWEEP_S = 15.0
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+/?")


class FastPath:
    """The connections that are on the fast path, and what leads them off it.

    `ways` are by path, or by the beginning of one that ends in a slash. `otherwise` makes aiohttp's protocol,
    `count` gets method, route, status and seconds of what is answered.
    """

    def __init__(
        self,
        ways: Mapping[bytes, FastRoute],
        otherwise: Callable[[], asyncio.Protocol],
        count: Callable[[str, str, int, float], None],
    ) -> None:
        self._ways = ways
        self._read_head = lru_cache(REMEMBERED_HEADS)(read_head)
        self.otherwise = otherwise
        self.count = count
        self.open: set[_Connection] = set()
        self.ending = False
        self._all_closed = asyncio.Event()
        self._sweeping: asyncio.TimerHandle | None = None

    def protocol(self) -> asyncio.Protocol:
        """The protocol of a connection that was accepted."""
        return _Connection(self)

    def head_of(self, raw: bytes) -> Head | None:
        """The head of the request that `raw` begins with; None where that is no plain one.

        Senders say the same with each request: what was read of a head is remembered.
        """
        path = raw[5 : raw.find(b" ", 5)] if raw.startswith(b"POST ") else b""
        way = self._ways.get(path) or self._way_below(path)
        size = raw.find(b"\r\n\r\n", 0, MAX_HEAD) + 4
        return self._read_head(raw[:size], path, way) if way is not None and size > 4 else None

    def _way_below(self, path: bytes) -> FastRoute | None:
        """Of `/in/shop/v1/batch` that of `/in/shop/`; none where a path has more than plain words."""
        if not _PLAIN_PATH.fullmatch(path):
            return None
        return self._ways.get(b"/".join((*path.split(b"/", 3)[:3], b"")))

    def entered(self, connection: _Connection) -> None:
        self.open.add(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def left(self, connection: _Connection) -> None:
        self.open.discard(connection)
        if self.ending and not self.open:
            self._all_closed.set()

    async def end(self, patience_s: float) -> None:
        """Close connections, after the answers that they wait for; abort what is left after `patience_s`."""
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


class _Connection(asyncio.Protocol):
    """One connection on the fast path; it answers one request after the other, in their order."""

    def __init__(self, path: FastPath) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._raw = b""
        """What came and was not taken yet."""
        self._head: Head | None = None
        """Of the request that is coming, or waits for its answer."""
        self._waits = False
        self._held = False
        """Nothing is read, for too much waits."""
        self._full = False
        """Nothing is taken, for the sender does not read its answers."""
        self._heard_at = self._loop.time()
        self._taken_at = 0.0
        self._request_id = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by their class
        self._path.entered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._path.left(self)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._raw = self._raw + data if self._raw else data
        if not self._waits:
            self._go_on()
        if len(self._raw) > MAX_HELD and not self._held and not self._transport.is_closing():
            self._held = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if not self._waits:
            self._go_on()

    def end(self) -> None:
        """Close the connection, after the answer that it waits for."""
        if not self._waits:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_overdue(self, now: float) -> bool:
        """Whether its sender said nothing for too long."""
        return not self._waits and now - self._heard_at > (STALLED_S if self._raw else SILENT_S)

    def _go_on(self) -> None:
        """Take the next request, if all of it is there."""
        raw = self._raw
        if self._full or self._transport.is_closing():
            return
        if self._held and len(raw) <= MAX_HELD:
            self._held = False
            self._transport.resume_reading()
        if not raw:
            return
        head = self._head
        if head is None:
            head = self._head = self._path.head_of(raw)
            if head is None:
                self._leave()
                return
        end = head.size + head.body
        if len(raw) < end:
            return
        self._taken_at = time.perf_counter()
        self._request_id = next_request_id()
        REQUEST_ID.set(self._request_id)
        self._waits = True
        self._raw = raw[end:]
        try:
            taken = head.take(raw[head.size : end], self._answer)
        except Exception:  # whatever is wrong with it, aiohttp's handler finds it too and says so
            taken = False
        if not taken:
            self._raw = raw
            self._leave()

    def _answer(self, outcome: PlainAnswer | Exception) -> None:
        head, self._head, self._waits = self._head, None, False
        assert head is not None
        ending = self._path.ending
        write = partial(written, headers=head.way.headers, request_id=self._request_id, last=ending)
        try:
            plain = self._refusal(outcome) if isinstance(outcome, Exception) else outcome
            raw = write(plain)
        except Exception as error:  # an answer that cannot be sent
            plain = self._refusal(error)
            raw = write(plain)
        self._path.count("POST", head.way.route, plain.status, time.perf_counter() - self._taken_at)
        if self._transport.is_closing():
            return
        self._transport.write(raw)
        if ending:
            self._transport.close()
            return
        self._go_on()

    def _refusal(self, error: Exception) -> PlainAnswer:
        """What an error becomes; it is logged with the number of this request, not of whoever tells of it."""
        before = REQUEST_ID.set(self._request_id)
        try:
            return plain_of(answer_to(error))
        finally:
            REQUEST_ID.reset(before)

    def _leave(self) -> None:
        """Give the connection to aiohttp, with everything that was not answered yet."""
        self._path.left(self)
        protocol = self._path.otherwise()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._held:
            self._transport.resume_reading()
        protocol.data_received(self._raw)
