"""aiohttp's protocol, with problem documents for bytes that are not HTTP.

aiohttp's response repeats such bytes, and its log has them with a traceback. They may contain identities
and tokens, and any port scanner could fill the log.
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
    """One aiohttp connection."""

    __slots__ = ()

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
