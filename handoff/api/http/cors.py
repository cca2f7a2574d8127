"""Cross-origin access: the origins that may call the API from a browser (Fetch standard, CORS).

Only configured origins, by exact name. The API uses no cookies and allows no credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from handoff.domain.text.urls import split_url

METHODS = "GET, POST, PATCH, DELETE"
SENT = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Handoff-Tenant, "
    "Handoff-Reason"
)
SHOWN = "ETag, Handoff-Consent-Missing, Handoff-Request-Id, Handoff-Sha256, Location, Retry-After"
MAX_AGE_S = 600  # browsers cache a preflight this long: short, to notice a changed configuration
_PREFIXES = ("/v1/", "/panel/")


def check_origin(origin: str) -> str:
    """An origin as browsers write it: scheme, host, and port. ValueError otherwise."""
    parts = split_url(origin)
    if (
        parts is None
        or parts.scheme not in ("http", "https")
        or not parts.host
        or parts.username is not None
        or origin != f"{parts.scheme}://{parts.netloc}".lower()
    ):
        raise ValueError(f"{origin!r} is not an origin such as https://desk.example.com")
    if any(it in origin for it in " ;,'\"*\\"):
        raise ValueError(f"{origin!r} has a character that origins cannot have")
    return origin


def is_preflight(request: web.Request) -> bool:
    """Whether a request is a CORS preflight for our API."""
    return "Access-Control-Request-Method" in request.headers and _ours(request)


def answer_preflight(request: web.Request, allowed: frozenset[str]) -> web.Response:
    """The response to a preflight, which has no token."""
    if request.headers.get("Origin") not in allowed:
        return web.Response(status=403)
    headers = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": SENT,
        "Access-Control-Max-Age": str(MAX_AGE_S),
    }
    return web.Response(status=204, headers=headers)


def mark_answers(
    allowed: frozenset[str],
) -> Callable[[web.Request, web.StreamResponse], Coroutine[Any, Any, None]]:
    """A signal handler that lets allowed origins read responses and streams."""

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        if not _ours(request):
            return
        vary = response.headers.get("Vary", "")
        if "Origin" not in vary:
            response.headers["Vary"] = f"{vary}, Origin" if vary else "Origin"
        origin = request.headers.get("Origin")
        if origin in allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = SHOWN
            response.headers["Timing-Allow-Origin"] = origin  # shows the panel's elements the HTTP version

    return mark


def _ours(request: web.Request) -> bool:
    return request.path.startswith(_PREFIXES)
