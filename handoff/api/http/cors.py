"""Pages of other origins: which of them may call us from a browser (Fetch standard, CORS).

Only origins of the configuration, by exact name; no cookies are used, so none are allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from handoff.domain.text.urls import split_url

METHODS = "GET, POST, PATCH, DELETE"
SENT = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Handoff-Tenant"
SHOWN = "ETag, Handoff-Request-Id, Handoff-Sha256, Location, Retry-After"
MAX_AGE_S = 600  # how long a browser may remember: a change of the configuration is seen soon
_PREFIXES = ("/v1/", "/panel/")


def check_origin(origin: str) -> str:
    """An origin as browsers write it: scheme, host and port, nothing else. ValueError otherwise."""
    parts = split_url(origin)
    if (
        parts is None
        or parts.scheme not in ("http", "https")
        or not parts.host
        or parts.username is not None
        or origin != f"{parts.scheme}://{parts.netloc}".lower()
    ):
        raise ValueError(f"{origin!r} is no origin such as https://desk.example.com")
    if any(it in origin for it in " ;,'\"*\\"):
        raise ValueError(f"{origin!r} has a character that no origin has")
    return origin


def is_preflight(request: web.Request) -> bool:
    """Whether a browser asks beforehand if a page may call us."""
    return "Access-Control-Request-Method" in request.headers and _ours(request)


def answer_preflight(request: web.Request, allowed: frozenset[str]) -> web.Response:
    """The answer to a preflight, which comes before anybody is asked for a token."""
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
    """The signal that lets an allowed origin read an answer, streams included."""

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

    return mark


def _ours(request: web.Request) -> bool:
    return request.path.startswith(_PREFIXES)
