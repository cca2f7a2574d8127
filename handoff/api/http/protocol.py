"""aiohttp's protocol, with deadlines, and with problem documents for bytes that are not HTTP.

aiohttp's response repeats such bytes, and its log has them with a traceback. They may contain identities
and tokens, and any port scanner could fill the log.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from handoff.adapter.admission import ArrivalProgress, HeldBytes

from .connections import Connections, Deadlines
from .problems import problem
from .request_ids import HEADER as REQUEST_ID_HEADER
from .request_ids import REQUEST_ID, next_request_id

log = structlog.get_logger(__name__)


class HttpProtocol(web.RequestHandler):
    """One aiohttp connection."""

    __slots__ = ("_active_at", "_connections", "_held", "_partial", "_patient", "_progress")

    def __init__(self, server: web.Server, *, connections: Connections, **given: Any) -> None:
        super().__init__(server, **given)
        self._connections = connections
        self._progress = ArrivalProgress()
        self._held: HeldBytes | None = None
        self._partial = False
        """A part of the next request's head has arrived."""
        self._patient = False
        self._active_at = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._connections.add(self):
            self.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.discard(self)
        self.release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._active_at = self._loop.time()
        # Before the first request, aiohttp's task may not wait yet.
        waiting = self._waiter is not None if self._request_count else True
        self._partial = waiting and not self._messages and (self._partial or bool(data))

    def hold(self, *, known: bool) -> HeldBytes:
        """The bytes of the budget that the current request holds. `release` gives them back."""
        if self._held is None:
            self._held = HeldBytes(self._connections.budget, known=known)
        return self._held

    def release(self) -> None:
        """The current request has its response."""
        self._patient = False
        if self._held is not None:
            self._held.release()
            self._held = None

    def be_patient(self) -> None:
        """The caller is known and streams its body: it may pause longer."""
        self._patient = True

    def is_overdue(self, now: float, deadlines: Deadlines) -> bool:
        """Whether the client has not sent the rest of its request, or not read its response, for too long."""
        since, number = self._progress.since, self._request_count
        if self.writing_paused:
            return since(now, ("unread", number), 0) > deadlines.unread_s
        request = self._current_request
        if request is not None and not request.content.is_eof():
            if self._reading_paused or self._buffer_paused:  # the server is slow, not the client
                self._progress.stop()
                return False
            size = request.content.total_bytes
            if self._patient:
                return since(now, ("stream", number), size, 1) > deadlines.stream_s
            return since(now, ("body", number), size) > deadlines.body_s
        if request is None and self._partial:
            return since(now, ("head", number), 0) > deadlines.head_s
        self._progress.stop()
        return False

    def idle_rank(self) -> tuple[int, float] | None:
        if self._current_request is None and not self._messages:
            return (0 if self._partial else 1, self._active_at)
        incomplete = self._current_request is not None and not self._current_request.content.is_eof()
        return (0, self._active_at) if incomplete and not self._patient else None

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The response to malformed HTTP. The connection closes after it."""
        if not isinstance(exc, HttpProcessingError) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        REQUEST_ID.set(next_request_id())
        log.info("request_unreadable", error=type(exc).__name__)
        response = problem(status, "bad_request", "The request is not valid HTTP")
        response.headers[REQUEST_ID_HEADER] = REQUEST_ID.get()
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.force_close()
        return response
