"""RFC 9457 problem documents with a stable `code`, made from errors."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from aiohttp import web

from handoff.domain import errors
from handoff.domain.redaction.redaction import safe_detail
from handoff.domain.redaction.values import masked_value
from handoff.domain.text.cleaning import clean

RETRY_AFTER_S = 1  # the store restarts in less than a second
STATUS: dict[type[errors.HandoffError], int] = {
    errors.InvalidPayload: 400,
    errors.SignatureRefused: 401,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Unprocessable: 422,
    errors.RateLimited: 429,
    errors.AuditUnavailable: 503,
    errors.IssuerUnavailable: 503,
    errors.JournalUnavailable: 503,
    errors.Overloaded: 503,
    errors.StoreUnavailable: 503,
    errors.WrittenByNewer: 503,
}
"""Status by error class. Subclasses inherit it."""

TITLES = {
    400: "Malformed request",
    401: "Authentication required",
    403: "Not allowed for this token",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict with the current state",
    410: "Erased",
    413: "Request too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal server error",
    503: "Outcome unknown: send the same request again",
}
_CHALLENGES = {
    "token_expired": 'Bearer error="invalid_token", error_description="The token has expired"',
    "unauthenticated": 'Bearer error="invalid_token"',
}
"""RFC 6750 §3.1: without an error for a request that has no token."""
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}

log = structlog.get_logger(__name__)


def status_of(error: errors.HandoffError) -> int:
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(status: int, code: str, detail: str, **fields: Any) -> web.Response:
    """A problem document. `fields` become its members; `pointers` become `errors`."""
    pointers = fields.pop("pointers", None)
    body = {
        "type": f"urn:handoff:problem:{code}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": safe_detail(detail),
        "code": code,
        **({"errors": masked_value(pointers)[0]} if pointers else {}),
        **fields,
    }
    wait = fields.get("retry_after_s", RETRY_AFTER_S)
    headers = {"Retry-After": str(wait)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = _CHALLENGES.get(code, "Bearer")
    return web.Response(
        status=status,
        body=_encoded(body),
        headers=headers,
        content_type="application/problem+json",
    )


def _encoded(body: dict[str, Any]) -> bytes:
    """The document as JSON. A detail may quote a header or query that is not UTF-8."""
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
    """The problem document of a HandoffError."""
    status = status_of(error)
    if status >= 500:
        log.warning("request_failed", code=error.problem_code, detail=error.detail)
    return problem(status, error.problem_code, error.detail, **error.fields)


CLIENT_GONE = 499  # as nginx logs it


def answer_to(error: Exception) -> web.Response:
    """The problem document of any error that leaves a handler. Unexpected errors become a 500.

    Redirects of aiohttp are raised again.
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
        return web.Response(status=CLIENT_GONE)  # the client is gone and reads no response
    log.error("request_crashed", exc_info=error)  # details go to the log, not to the caller
    return problem(500, "internal", "An unexpected error occurred; the log has details")
