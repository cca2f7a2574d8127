"""Plain requests and their responses on the wire (docs/adr/0018).

A request is plain if it is a small HTTP/1.1 POST with keep-alive and without headers that affect its body or
its response. This parser must accept less than aiohttp does.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv6Address

from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct

from .request_ids import HEADER as REQUEST_ID_HEADER

MAX_HEAD = 8 * 1024  # bytes: aiohttp handles longer heads
MAX_HEADERS = 100
MAX_BODY = 64 * 1024  # bytes: aiohttp reads larger bodies in chunks
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
"""Headers that plain requests do not have."""

_NAME_AND_PORT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*(?::[0-9]*)?")
_ADDRESS_AND_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]*)?")

Headers = Mapping[str, str]
"""Header values by lower-case name."""


class PlainAnswer(Struct, frozen=True):
    """A response: status, body, and headers besides those of every response."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[PlainAnswer | Exception], None]
"""Receives the response to a request once, or the error for `problems.answer_to`."""

BodyHandler = Callable[[bytes, Answer], bool]
"""Processes the body of a request. False, or an error before any effect, hands the request to aiohttp."""


REFUSAL_DELAY_S = 0.25
"""Before a caller above its rate gets 429: one that ignores `Retry-After` takes no more turns than that."""


def refuse_later(error: Exception, answer: Answer) -> None:
    """Refuse a request after a moment, in which its connection sends no other."""
    asyncio.get_running_loop().call_later(REFUSAL_DELAY_S, answer, error)


class FastRoute(Struct, frozen=True):
    """A handler of plain requests to one path.

    `route` is its label in the metrics. `open` reads a request's path and headers; its result is cached for
    requests with the same head. It returns None or raises to hand the request to aiohttp. `headers` are part
    of every response.
    """

    route: str
    open: Callable[[str, Headers], BodyHandler | None]
    headers: tuple[tuple[str, str], ...] = ()


class Head(Struct, frozen=True):
    """The head of a plain request: its size and the size of the body, in bytes."""

    route: FastRoute
    take: BodyHandler
    size: int
    body: int


@lru_cache(maxsize=256)
def is_host(value: str) -> bool:
    """Whether a Host header is valid: a name or an address with an optional port, or empty.

    Any other value gets 400 (RFC 9112 §3.2). The grammar is that of RFC 3986 §3.2.2.
    """
    if _NAME_AND_PORT.fullmatch(value):
        return True
    address = _ADDRESS_AND_PORT.fullmatch(value)
    if address is None:
        return False
    try:
        IPv6Address(address[1])
    except ValueError:
        return False
    return True


def read_head(raw: bytes, path: bytes, route: FastRoute) -> Head | None:
    """The parsed head of a request; None if it is not plain."""
    parsed = _ParsedHead()
    parser = HttpRequestParser(parsed)
    try:
        parser.feed_data(raw)
    except (HttpParserError, HttpParserUpgrade):
        return None
    headers = parsed.headers
    length = headers.get("content-length", "")
    if (
        not parsed.complete
        or parser.get_http_version() != "1.1"
        or not parser.should_keep_alive()
        or headers.get("connection", "keep-alive").lower() != "keep-alive"
        or not _UNUSUAL.isdisjoint(headers)
        or len(headers) != parsed.count  # a repeated header
        or not is_host(headers.get("host", "/").strip(" \t"))  # a missing Host is as bad as an invalid one
        or parsed.count > MAX_HEADERS
        or not 0 < len(length) <= len(str(MAX_BODY))
        or not 0 < int(length) <= MAX_BODY
    ):
        return None
    try:
        take = route.open(path.decode("ascii"), headers)
    except Exception:  # aiohttp's handler fails in the same way and responds
        return None
    return Head(route, take, len(raw), int(length)) if take is not None else None


class _ParsedHead:
    """Collects the headers from the parser."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.count = 0
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # Decoded as aiohttp does, since signatures cover them.
        self.count += 1
        self.headers[name.decode("latin-1").lower()] = value.decode("utf-8", "surrogateescape")

    def on_headers_complete(self) -> None:
        self.complete = True


def serialize(
    plain: PlainAnswer, headers: tuple[tuple[str, str], ...], request_id: str, *, last: bool
) -> bytes:
    """The bytes of a response. `last`: the connection closes after it."""
    first = _first_lines(plain.status, plain.headers, headers)
    if last:
        first += b"Connection: close\r\n"
    named, date = request_id.encode(), _date(int(time.time()))
    if plain.status in _EMPTY:  # RFC 9110 §8.6: a status without content has no Content-Length.
        return _WITHOUT_CONTENT % (first, named, date)
    return _WITH_CONTENT % (first, len(plain.body), named, date, plain.body)


_WITHOUT_CONTENT = b"%b" + REQUEST_ID_HEADER.encode() + b": %b\r\nDate: %b\r\n\r\n"
_WITH_CONTENT = b"%bContent-Length: %d\r\n" + REQUEST_ID_HEADER.encode() + b": %b\r\nDate: %b\r\n\r\n%b"
SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
"""For responses that set none of their own. Pages have a policy of their own."""
_PHRASES = {it.value: it.phrase for it in HTTPStatus}
_EMPTY = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})


@lru_cache(maxsize=256)
def _first_lines(
    status: int, headers: tuple[tuple[str, str], ...], common: tuple[tuple[str, str], ...]
) -> bytes:
    """The status line and the headers that do not change between responses."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}"]
    every = (*common, *SECURITY_HEADERS, ("Server", SERVER_SOFTWARE))
    named = {name.lower() for name, _value in headers}
    for name, value in (*headers, *(it for it in every if it[0].lower() not in named)):
        if "\r" in value or "\n" in value:
            raise ValueError("a header must be one line")
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "")).encode("utf-8")


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def plain_of(response: web.Response) -> PlainAnswer:
    """A plain answer from an aiohttp response, for code that both paths share."""
    body = response.body
    assert body is None or isinstance(body, bytes)
    return PlainAnswer(response.status, body or b"", tuple(response.headers.items()))
