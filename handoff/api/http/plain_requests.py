"""Plain requests and their answers on the wire: heads read, answers written (docs/adr/0018).

A request is plain when it is a small POST in HTTP/1.1 on a connection that is kept, with none of the headers
that change what its body is or how it is answered. What is read here must be less than what aiohttp reads.
"""

from __future__ import annotations

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

MAX_HEAD = 8 * 1024  # bytes: what is longer is aiohttp's to judge
MAX_HEADERS = 100
MAX_BODY = 64 * 1024  # bytes: what is larger is read in pieces
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
"""Headers that no plain request has."""

_NAME_AND_PORT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*(?::[0-9]*)?")
_ADDRESS_AND_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]*)?")

Headers = Mapping[str, str]
"""By lower-case name."""


class PlainAnswer(Struct, frozen=True):
    """An answer: status, body, and the headers beside those that every answer has."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[PlainAnswer | Exception], None]
"""Gets the answer to a request, once, or the error that `problems.answer_to` makes one of."""

BodyHandler = Callable[[bytes, Answer], bool]
"""Takes the body of a request. False, or an error before anything was done, where it is aiohttp's."""


class FastRoute(Struct, frozen=True):
    """What is done with plain requests to one path.

    `route` names it in the metrics. `open` reads a request's path and headers, of which it may be told once
    for many requests; it gives None or raises where the request is aiohttp's. `headers` are on every answer.
    """

    route: str
    open: Callable[[str, Headers], BodyHandler | None]
    headers: tuple[tuple[str, str], ...] = ()


class Head(Struct, frozen=True):
    """The head of a plain request: how many bytes it has, and how many follow."""

    way: FastRoute
    take: BodyHandler
    size: int
    body: int


@lru_cache(maxsize=256)
def is_host(value: str) -> bool:
    """Whether a Host header's value is one: a name or an address with an optional port, or nothing.

    RFC 9112 §3.2: a request with any other is answered 400. The grammar is that of RFC 3986 §3.2.2.
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


def read_head(raw: bytes, path: bytes, way: FastRoute) -> Head | None:
    """What the head of a request says; None where that is no plain one."""
    given = _Given()
    parser = HttpRequestParser(given)
    try:
        parser.feed_data(raw)
    except (HttpParserError, HttpParserUpgrade):
        return None
    headers = given.headers
    length = headers.get("content-length", "")
    if (
        not given.complete
        or parser.get_http_version() != "1.1"
        or not parser.should_keep_alive()
        or headers.get("connection", "keep-alive").lower() != "keep-alive"
        or not _UNUSUAL.isdisjoint(headers)
        or len(headers) != given.count  # one is repeated
        or not is_host(
            headers.get("host", "/").strip(" \t")
        )  # one that is missing is no better than a wrong one
        or given.count > MAX_HEADERS
        or not 0 < len(length) <= len(str(MAX_BODY))
        or not 0 < int(length) <= MAX_BODY
    ):
        return None
    try:
        take = way.open(path.decode("ascii"), headers)
    except Exception:  # whatever is wrong with it, aiohttp's handler finds it too and says so
        return None
    return Head(way, take, len(raw), int(length)) if take is not None else None


class _Given:
    """What the parser tells of a head."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.count = 0
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # Decoded as aiohttp decodes them, for signatures are over them.
        self.count += 1
        self.headers[name.decode("latin-1").lower()] = value.decode("utf-8", "surrogateescape")

    def on_headers_complete(self) -> None:
        self.complete = True


def written(
    plain: PlainAnswer, headers: tuple[tuple[str, str], ...], request_id: str, *, last: bool
) -> bytes:
    """The answer as it goes over the wire; `last` says that the connection is closed after it."""
    # RFC 9110 §8.6: an answer that has no content by its status has no length either.
    length = b"" if plain.status in _EMPTY else b"Content-Length: %d\r\n" % len(plain.body)
    return b"".join(
        (
            _begin(plain.status, plain.headers, headers),
            b"Connection: close\r\n" if last else b"",
            length,
            b"%s: %s\r\nDate: %s\r\n\r\n" % (_REQUEST_ID, request_id.encode(), _date(int(time.time()))),
            b"" if plain.status in _EMPTY else plain.body,
        )
    )


_REQUEST_ID = REQUEST_ID_HEADER.encode()
_PHRASES = {it.value: it.phrase for it in HTTPStatus}
_EMPTY = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})


@lru_cache(maxsize=256)
def _begin(status: int, headers: tuple[tuple[str, str], ...], common: tuple[tuple[str, str], ...]) -> bytes:
    """Status line and headers that are the same time and again."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}"]
    every = (*common, ("X-Content-Type-Options", "nosniff"), ("Server", SERVER_SOFTWARE))
    named = {name.lower() for name, _value in headers}
    for name, value in (*headers, *(it for it in every if it[0].lower() not in named)):
        if "\r" in value or "\n" in value:
            raise ValueError("a header is one line")
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "")).encode("utf-8")


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def plain_of(response: web.Response) -> PlainAnswer:
    """A response of the framework's, made by code that both ways share."""
    body = response.body
    assert body is None or isinstance(body, bytes)
    return PlainAnswer(response.status, body or b"", tuple(response.headers.items()))
