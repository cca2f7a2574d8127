"""The readable part of JSON that is cut off or damaged, to find out whom a quarantined delivery names."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.errors import InvalidPayload
from handoff.domain.text.cleaning import clean

from .fields import decode_json

MAX_WHOLE = 256 * 1024  # bytes that the fast parser reads: some milliseconds
MAX_TOLERANT = 64 * 1024  # bytes that the tolerant parser reads: as many milliseconds
MAX_PARTIAL = 32 * 1024  # bytes of damaged JSON that are read
MAX_PIECES = 2_000  # of damaged JSON: strings, words, and signs, some microseconds each
MAX_LEVELS = 32

_PIECE = re.compile(
    r"""\s*(?:([{}\[\],:])|("(?:[^"\\]|\\.)*")|([^\s{}\[\],:"]+))""",
    re.DOTALL,
)
_BOM = b"\xef\xbb\xbf"
_END = object()


class ReadablePart(Struct, frozen=True):
    """A JSON value as far as it can be read, and whether that is all of it."""

    value: Any
    whole: bool


def readable_part(body: bytes) -> ReadablePart:
    """The JSON in `body` up to the first damage; None without any."""
    try:
        if len(body) <= MAX_TOLERANT:
            return ReadablePart(decode_json(body), whole=True)
        if len(body) <= MAX_WHOLE:
            return ReadablePart(msgspec.json.decode(body.removeprefix(_BOM)), whole=True)
    except (InvalidPayload, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    text = body[:MAX_PARTIAL].removeprefix(_BOM).decode("utf-8", "replace")
    return ReadablePart(_PartReader(text).read(), whole=False)


class _PartReader:
    """Reads values until the text ends or is not JSON. Words that JSON does not know are null."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._root: list[Any] = []
        self._open: list[Any] = [self._root]
        self._key: list[str | None] = [None]

    def read(self) -> Any:
        for _ in range(MAX_PIECES):
            piece = self._next()
            if piece is _END:
                break
            if piece in ("{", "["):
                self._begin({} if piece == "{" else [])
            elif piece in ("}", "]"):
                if len(self._open) == 1:
                    break
                self._open.pop()
                self._key.pop()
            elif piece not in (",", ":") and not self._take(piece):
                break
            if len(self._open) == 1 or len(self._open) > MAX_LEVELS:
                break
        return self._root[0] if self._root else None

    def _next(self) -> Any:
        found = _PIECE.match(self._text, self._at)
        if found is None:
            return _END
        self._at = found.end()
        return found[1] or found[2] or found[3]

    def _begin(self, value: Any) -> None:
        if self._put(value):
            self._open.append(value)
            self._key.append(None)
        else:
            self._at = len(self._text)  # an object as a key: the rest has no place

    def _take(self, piece: str) -> bool:
        """Put a string or a word in its place. False for an end in the middle of it."""
        value = _value(piece)
        if isinstance(self._open[-1], dict) and self._key[-1] is None:
            self._key[-1] = value if isinstance(value, str) else piece
            return True
        # A number at the very end may be cut off.
        return (piece[0] == '"' or self._at < len(self._text)) and self._put(value)

    def _put(self, value: Any) -> bool:
        place = self._open[-1]
        if isinstance(place, list):
            place.append(value)
            return True
        key = self._key[-1]
        if key is None:
            return False
        place.setdefault(key, value)
        self._key[-1] = None
        return True


def _value(piece: str) -> Any:
    try:
        value = json.loads(piece, strict=False, parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        return None
    return clean(value) if isinstance(value, str) else value
