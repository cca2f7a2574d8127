"""Checkpoints: what was derived from a stretch of timelines, readable only beside that very stretch.

    version (1) ‖ place of its newest member (32) ‖ number of members (4) ‖ nonce (12) ‖ sealed, compressed

The key is a hash of all members, byte for byte, and of whatever else the content was derived from. An
entry that arrives late, an edit, or a deletion changes a member, and nobody can open the checkpoint again.
So a checkpoint is never out of date, and keeps no text longer than the timeline does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import blake2b
from typing import TypeVar

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from .member import PLACE

VERSION = b"\1"
NONCE = 12
_COUNT = 4
_SEALED_AT = len(VERSION) + PLACE + _COUNT + NONCE
_KEY = 32
MAX_CONTENT = 32 * 1024 * 1024  # bytes that a checkpoint may inflate to
_PACK = msgspec.msgpack.Encoder().encode
T = TypeVar("T")


class Stretch(Struct, frozen=True):
    """The members that a checkpoint is about: the newest one's place, and how many there are."""

    newest: bytes
    count: int


def stretch_of(raw: bytes | None) -> Stretch | None:
    """The stretch of a stored checkpoint; None for one that this release cannot read."""
    if not raw or raw[:1] != VERSION or len(raw) <= _SEALED_AT:
        return None
    at = len(VERSION) + PLACE
    return Stretch(raw[len(VERSION) : at], int.from_bytes(raw[at : at + _COUNT], "big"))


def content_key(basis: Iterable[bytes], members: Sequence[bytes]) -> bytes:
    """The key of what is derived from `members` on a `basis`."""
    lengths = _PACK([len(it) for it in members])
    state = blake2b(digest_size=_KEY)
    for part in (*basis, lengths):
        state.update(len(part).to_bytes(4, "big"))
        state.update(part)
    state.update(b"".join(members))
    return state.digest()


def packed_content(value: object) -> bytes:
    """The content of a checkpoint as `sealed` takes it."""
    return _compressor().compress(_PACK(value))


def sealed(packed: bytes, stretch: Stretch, key: bytes) -> bytes:
    """A checkpoint to store."""
    nonce = os.urandom(NONCE)
    head = VERSION + stretch.newest + stretch.count.to_bytes(_COUNT, "big")
    return head + nonce + AESGCM(key).encrypt(nonce, packed, head)


def opened(raw: bytes, key: bytes) -> bytes | None:
    """The packed content of a checkpoint; None where the key is not its own."""
    head, nonce = raw[: _SEALED_AT - NONCE], raw[_SEALED_AT - NONCE : _SEALED_AT]
    try:
        return AESGCM(key).decrypt(nonce, raw[_SEALED_AT:], head)
    except InvalidTag:
        return None


def unpacked_content(packed: bytes, type_: type[T]) -> T | None:
    """The content of a checkpoint; None where it is not of this type."""
    try:
        return msgspec.msgpack.decode(_decompressor().decompress(packed, MAX_CONTENT), type=type_)
    except (zstandard.ZstdError, msgspec.DecodeError):
        return None


@cache
def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=3)


@cache
def _decompressor() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor()
