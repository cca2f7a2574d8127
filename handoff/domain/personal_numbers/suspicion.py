"""The quick search that decides whether a text, or a JSON document, may have a number. Nearly none has.

It is wrong in one direction only: what it lets pass has no number that would be masked. RE2 searches in
linear time, and fast as long as its automaton is small: gaps become spaces before, in C. Most of its hits are
parts of ids. Each hit is checked in its place, since decoding a whole document takes many times as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from .formats import FORMATS, IBAN, KINDS, NAMES, NATIONAL_ID, NEAR, shape_of, starts_number
from .iban import COUNTRIES, LENGTHS
from .readings import needs_readings

Search = Callable[..., Any]
"""Finds a pattern in UTF-8, from a place on, in linear time; returns a match, or None if it is not there."""
Compile = Callable[[str], Search]
_BEGIN, _END = "(?:^|[^0-9A-Za-z])", "(?:[^0-9A-Za-z]|$)"
_SPELLED = f"{_BEGIN}(?:[0-9A-Za-z] +){{7}}[0-9A-Za-z]{_END}"
"""Characters one by one, which `readings` puts together."""
_IS_SPELLED = re.compile(_SPELLED)
SHORTEST = min(LENGTHS.values()) - 4  # characters of an account
PLACE = 400  # bytes in which a number ends that begins there, whatever its gaps
MOST = 100  # places that are looked at before the document is
_CONDENSED = bytes(
    it if chr(it).isascii() and (chr(it).isalnum() or it == 0x22) else 0x20 for it in range(256)
)


def condensed(raw: bytes) -> bytes:
    """A text in UTF-8 with spaces for all but its letters, digits, and quotation marks."""
    return raw.translate(_CONDENSED)


def unescaped(raw: bytes) -> bytes:
    """A JSON document without the letters of its escapes."""
    if b"\\" in raw:
        for escape in (b"\\\\", b"\\n", b"\\r", b"\\t", b"\\b", b"\\f"):
            raw = raw.replace(escape, b"  ")  # of the same length: in place
    return raw


def candidates(kinds: Sequence[str] = KINDS) -> str:
    """A pattern in RE2's syntax for condensed texts that may hold a number."""
    parts = [_SPELLED]
    if IBAN in kinds:
        apart = "|".join(f"{first} *[{''.join(sorted(seconds))}]" for first, seconds in _SECONDS.items())
        bank = "|".join(
            f"(?: *[A-Z]){{{fewest},{most}}}(?: *[0-9]){{3}}(?: *[0-9A-Za-z]){{{SHORTEST - most - 3}}}"
            for fewest, most in ((4, 4), (1, 3), (0, 0))
        )
        parts += [
            f"{_BEGIN}(?:{COUNTRIES})[0-9]{{2}}(?: *[0-9A-Za-z]){{{SHORTEST}}}",
            f"{_BEGIN}(?:{apart})(?: *[0-9]){{2}}(?:{bank})",
        ]
    if NATIONAL_ID in kinds:
        shapes = dict.fromkeys(shape_of(it, 1) for it in FORMATS if not it.names)
        parts.append(f"{_BEGIN}(?:{'|'.join(shapes)}){_END}")
    return "(?i)" + "|".join(parts)


def named_candidates(kinds: Sequence[str] = KINDS) -> str:
    """A pattern for texts, and for JSON, in which a number may follow its name. Empty if no name counts."""
    if NATIONAL_ID not in kinds:
        return ""
    nested = rf'(?:{NAMES})[^"]*"\s*:\s*[\[{{]'  # a member with that name, and a number anywhere in it
    return f"(?i)(?:{NAMES})[^0-9]{{0,{NEAR}}}[0-9]|{nested}"


_SECONDS = {it[0]: {other[1] for other in LENGTHS if other[0] == it[0]} for it in sorted(LENGTHS)}
"""The second letters of countries by the first."""


class Suspicion:
    """Whether a text, or a JSON document, needs a closer look: nearly none does."""

    def __init__(self, compile_: Compile, kinds: Sequence[str]) -> None:
        named = named_candidates(kinds)
        self._kinds = kinds
        self._shapes = compile_(candidates(kinds))
        self._named = compile_(named) if named else None

    def of_json(self, raw: bytes) -> bool:
        return self._found(raw, condensed(unescaped(raw))) or needs_readings(raw)

    def of_text(self, before: str, text: str) -> bool:
        raw = (before + text).encode(errors="replace")
        return self._found(raw, condensed(raw)) or needs_readings(raw)

    def _found(self, raw: bytes, plain: bytes) -> bool:
        if self._named is not None and self._named(raw) is not None:
            return True
        at = 0
        for _ in range(MOST):
            match = self._shapes(plain, at)
            if match is None:
                return False
            at = match.start()
            place = b" ".join(plain[at : at + PLACE].split()).decode()
            if _IS_SPELLED.match(place) or any(starts_number(place, it, self._kinds) for it in (0, 1)):
                return True
            at += 1
        return True
