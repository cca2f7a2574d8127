"""Bounded decompression of request bodies: a small body never becomes a large one."""

from __future__ import annotations

import zlib

from handoff.domain.errors import InvalidPayload, PayloadTooLarge, UnsupportedMedia

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
MAX_MEMBERS = 16  # a gzip body may be several, one behind the other (RFC 1952 §2.2); writers make one
_GZIP_MAGIC = b"\x1f\x8b"


def decompress(raw: bytes, encoding: str, limit: int) -> bytes:
    """The body after its Content-Encoding (RFC 9110 §8.4): gzip, deflate or identity.

    A body that says nothing and begins with gzip's magic number is inflated too: one SDK sends
    gzip as a form. PayloadTooLarge beyond `limit` bytes, InvalidPayload for a broken stream,
    UnsupportedMedia for another encoding.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _inflate(raw, _GZIP_OR_ZLIB, limit) if raw.startswith(_GZIP_MAGIC) else raw
    if name in ("gzip", "x-gzip"):
        return _inflate(raw, _GZIP_OR_ZLIB, limit)
    if name == "deflate":
        try:
            return _inflate(raw, _GZIP_OR_ZLIB, limit)
        except InvalidPayload:
            return _inflate(raw, -zlib.MAX_WBITS, limit)
    raise UnsupportedMedia(f"the content encoding {name[:20]!r} is not supported")


def _inflate(raw: bytes, wbits: int, limit: int) -> bytes:
    body = b""
    for _ in range(MAX_MEMBERS):
        inflater = zlib.decompressobj(wbits)
        try:
            body += inflater.decompress(raw, limit + 1 - len(body))
        except zlib.error as error:
            raise InvalidPayload("the compressed body is broken", code="invalid_encoding") from error
        if len(body) > limit:
            raise PayloadTooLarge(f"a body has at most {limit} bytes inflated", limit=limit)
        if not inflater.eof:
            raise InvalidPayload("the compressed body is cut short", code="invalid_encoding")
        raw = inflater.unused_data
        if not raw:
            return body
    raise InvalidPayload("the compressed body has too many parts", code="invalid_encoding")
