"""Errors on the wire: RFC 9457 problem documents with a stable `code`."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from aiohttp import web

from handoff.domain import errors
from handoff.domain.text.cleaning import clean

RETRY_AFTER_S = 1  # the store restarts in well under a second
STATUS: dict[type[errors.HandoffError], int] = {
    errors.InvalidPayload: 400,
    errors.SignatureRefused: 401,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Unprocessable: 422,
    errors.Overloaded: 503,
    errors.StoreUnavailable: 503,
    errors.WrittenByNewer: 503,
}
"""Which status an error's class has; a subclass has its parent's."""

TITLES = {
    400: "The request cannot be read",
    401: "Who is calling is not proved",
    403: "The token does not allow this",
    404: "There is no such thing",
    405: "The method is not allowed here",
    409: "The current state does not allow this",
    413: "The request is too large",
    415: "The media type is not supported",
    422: "The request breaks a rule",
    500: "The server made a mistake",
    503: "The outcome is unknown, send the same again",
}
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}

log = structlog.get_logger(__name__)


def status_of(error: errors.HandoffError) -> int:
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(status: int, code: str, detail: str, **fields: Any) -> web.Response:
    """A problem document. `fields` become its members; JSON pointers go under `errors`."""
    pointers = fields.pop("pointers", None)
    body = {
        "type": f"urn:handoff:problem:{code}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        **({"errors": pointers} if pointers else {}),
        **fields,
    }
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        status=status,
        body=_encoded(body),
        headers=headers,
        content_type="application/problem+json",
    )


def _encoded(body: dict[str, Any]) -> bytes:
    """The document as JSON. A detail may quote a header or a query that is not UTF-8."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return msgspec.json.encode(_cleaned(msgspec.to_builtins(body)))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _cleaned(it) for key, it in value.items()}
    return [_cleaned(it) for it in value] if isinstance(value, list) else value


def problem_of(error: errors.HandoffError) -> web.Response:
    """The problem document of one of our errors."""
    status = status_of(error)
    if status >= 500:
        log.warning("request_failed", code=error.problem_code, detail=error.detail)
    return problem(status, error.problem_code, error.detail, **error.fields)


CLIENT_GONE = 499  # as nginx counts it


def answer_to(error: Exception) -> web.Response:
    """What every error that leaves a handler becomes: a problem document; only crashes become a 500.

    A redirect of aiohttp's own is raised again.
    """
    if isinstance(error, errors.HandoffError):
        return problem_of(error)
    if isinstance(error, web.HTTPException):
        if error.status < 400:
            raise error
        response = problem(error.status, _CODES.get(error.status, "http_error"), error.reason)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    if isinstance(error, ConnectionResetError):
        return web.Response(status=CLIENT_GONE)  # while we wrote to it: nobody reads an answer
    log.error("request_crashed", exc_info=error)  # a caller sees our own words, the log has the rest
    return problem(500, "internal", "an unexpected error was logged")
