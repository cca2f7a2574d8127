"""Responses in gzip for clients that accept it (RFC 9110 §8.4, §12.5.3).

The table of operations marks the routes: long responses, but no streams and none that show a secret (session
tokens, secrets of subscriptions). The length of a compressed response reveals part of its content to an
observer who controls some of its text. A random number of bytes in the header of each response hides that
("Heal the BREACH", Palacios and others 2022; Django does the same).
"""

from __future__ import annotations

import asyncio
import secrets
import zlib
from struct import pack

from aiohttp import web
from aiohttp.hdrs import ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, VARY

from handoff.domain.text.memo import cached_if_short

WORTH_IT = 1024  # bytes: a smaller response fits into one packet either way
ON_THE_LOOP = 128 * 1024  # bytes: takes about a millisecond; a thread compresses larger responses
BLUR = 100  # maximum bytes of padding
_LEVEL = 1  # half the time of zlib's default, for a third more bytes
_NAMED = 0x08  # RFC 1952 §2.3.1: a zero-terminated name follows
_UNKNOWN_OS = 255


async def compress(request: web.Request, response: web.StreamResponse) -> None:
    """Compress a response if it is long enough and the client accepts gzip."""
    response.headers.add(
        VARY, ACCEPT_ENCODING
    )  # also on 304 (RFC 9110 §15.4.5) and on uncompressed responses
    body = response.body if isinstance(response, web.Response) else None
    if not isinstance(body, bytes) or len(body) < WORTH_IT or CONTENT_ENCODING in response.headers:
        return
    accepted = request.headers.get(ACCEPT_ENCODING)
    if not accepted or not takes_gzip(accepted):
        return
    packed = gzipped(body) if len(body) <= ON_THE_LOOP else await asyncio.to_thread(gzipped, body)
    assert isinstance(response, web.Response)
    response.body = packed
    response.headers[CONTENT_ENCODING] = "gzip"
    etag = response.headers.get(ETAG)
    if etag is not None and not etag.startswith("W/"):
        response.headers[ETAG] = f"W/{etag}"  # the bytes differ (RFC 9110 §8.8.1)


def gzipped(body: bytes) -> bytes:
    """The body as one gzip member, with a meaningless name of random length."""
    name = b"0" * secrets.randbelow(BLUR + 1)
    head = pack("<BBBBLBB", 0x1F, 0x8B, zlib.DEFLATED, _NAMED, 0, 0, _UNKNOWN_OS) + name + b"\0"
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b"".join((head, packer.compress(body), packer.flush(), pack("<LL", zlib.crc32(body), len(body))))


@cached_if_short  # browsers send the same again and again
def takes_gzip(accepted: str) -> bool:
    """Whether an `Accept-Encoding` names gzip, or `*`, without `q=0`."""
    weights: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        coding, *parameters = (it.strip() for it in part.split(";"))
        weights[coding] = not any(_is_zero(it) for it in parameters)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip() in ("0", "0.", "0.0", "0.00", "0.000")
