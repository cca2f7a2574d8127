"""Decompression of request bodies, with a limit on the result."""

from __future__ import annotations

import zlib

from handoff.domain.errors import InvalidPayload, PayloadTooLarge, UnsupportedMedia

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
MAX_MEMBERS = 16  # a gzip body may have several members (RFC 1952 §2.2); writers use one
_GZIP_MAGIC = b"\x1f\x8b"


def decompress(raw: bytes, encoding: str, limit: int) -> bytes:
    """The decoded body of a Content-Encoding (RFC 9110 §8.4): gzip, deflate, or identity.

    A body without an encoding that starts with gzip's magic number is decompressed too: one SDK sends
    gzip as a form. PayloadTooLarge above `limit` bytes, InvalidPayload for a broken stream,
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
    raise UnsupportedMedia(f"The content encoding {name[:20]!r} is not supported")


def _inflate(raw: bytes, wbits: int, limit: int) -> bytes:
    body = b""
    for _ in range(MAX_MEMBERS):
        inflater = zlib.decompressobj(wbits)
        try:
            body += inflater.decompress(raw, limit + 1 - len(body))
        except zlib.error as error:
            raise InvalidPayload("The compressed body is corrupt", code="invalid_encoding") from error
        if len(body) > limit:
            raise PayloadTooLarge(f"The decompressed body exceeds {limit} bytes", limit=limit)
        if not inflater.eof:
            raise InvalidPayload("The compressed body is truncated", code="invalid_encoding")
        raw = inflater.unused_data
        if not raw:
            return body
    raise InvalidPayload("The compressed body has too many members", code="invalid_encoding")
