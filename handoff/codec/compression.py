"""Compression with a trained, versioned dictionary: small bodies that resemble each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources

import zstandard

from handoff.domain.errors import WrittenByNewer

PLAIN = 0
DICTIONARY_1 = 1
CURRENT = DICTIONARY_1
KNOWN = frozenset({PLAIN, DICTIONARY_1})
SEALED = 128  # added to the codec of a body that is sealed after it was compressed
MAX_BODY = 4 * 1024 * 1024  # bytes: more than any body that was ever accepted can inflate to
LEVEL = 3  # 2.5 µs for 300 bytes; level 6 gains 2 % for four times as much
_FORMAT = zstandard.FORMAT_ZSTD1_MAGICLESS  # the member's header names the codec: saves 4 bytes in 130


@cache
def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    raw = resources.files("handoff.codec").joinpath(f"dictionary_{number}.zdict").read_bytes()
    return zstandard.ZstdCompressionDict(raw)


def compressor(dictionary: zstandard.ZstdCompressionDict | None) -> zstandard.ZstdCompressor:
    """A compressor of the stored format: no magic number, no checksum, no dictionary id."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL,
        format=_FORMAT,
        write_checksum=False,
        write_content_size=True,
        write_dict_id=False,
    )
    return zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)


@cache
def _compressor(number: int) -> zstandard.ZstdCompressor:
    return compressor(_dictionary(number))


@cache
def _decompress(number: int) -> Callable[[bytes, int], bytes]:
    """By (bytes, most bytes that come out)."""
    return zstandard.ZstdDecompressor(dict_data=_dictionary(number), format=_FORMAT).decompress


def compress(raw: bytes) -> tuple[int, bytes]:
    """The codec id and the bytes to store: the smaller of plain and compressed."""
    packed = _compressor(CURRENT).compress(raw)
    return (CURRENT, packed) if len(packed) < len(raw) else (PLAIN, raw)


def decompress(codec: int, stored: bytes) -> bytes:
    """The bytes that `compress` was given. WrittenByNewer where the codec is none of this release's."""
    if codec == PLAIN:
        return stored
    if codec not in KNOWN:
        raise WrittenByNewer(f"codec {codec} is written by a newer release", what="codec")
    return _decompress(codec)(stored, MAX_BODY)
