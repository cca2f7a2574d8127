"""aiohttp's protocol, with our own words for what is not HTTP.

aiohttp answers such bytes with a text that repeats them, and logs them with a traceback: they may be
identities and tokens, and anybody who scans ports writes the log.
"""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from .problems import problem
from .request_ids import HEADER as REQUEST_ID_HEADER
from .request_ids import REQUEST_ID, next_request_id

log = structlog.get_logger(__name__)


class Protocol(web.RequestHandler):
    """One connection of aiohttp's."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that was not understood; the connection is closed after it."""
        if not isinstance(exc, HttpProcessingError) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        REQUEST_ID.set(next_request_id())
        log.info("request_unreadable", error=type(exc).__name__)
        response = problem(status, "bad_request", "the request is not HTTP as it should be")
        response.headers[REQUEST_ID_HEADER] = REQUEST_ID.get()
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.force_close()
        return response
