"""The quick search that decides whether a text, or a JSON document, may have a number. Nearly none has.

It is wrong in one direction only: what it lets pass has no number that would be masked. RE2 searches in
linear time, and fast as long as its automaton is small: gaps become one space before, in C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .formats import FORMATS, IBAN, KINDS, NAMES, NATIONAL_ID, NEAR, shape_of
from .iban import COUNTRIES, LENGTHS
from .readings import needs_readings

Search = Callable[[bytes], object]
"""Finds a pattern in UTF-8 in linear time, and returns None if it is not there."""
Compile = Callable[[str], Search]
_BEGIN, _END = "(?:^|[^0-9A-Za-z])", "(?:[^0-9A-Za-z]|$)"
_CONDENSED = bytes(
    it if chr(it).isascii() and (chr(it).isalnum() or it == 0x22) else 0x20 for it in range(256)
)


def condensed(raw: bytes) -> bytes:
    """A text in UTF-8 with one space for all that is between its letters, digits, and quotation marks."""
    return b" ".join(raw.translate(_CONDENSED).split())


def unescaped(raw: bytes) -> bytes:
    """A JSON document without the letters of its escapes."""
    if b"\\" in raw:
        for escape in (b"\\\\", b"\\n", b"\\r", b"\\t", b"\\b", b"\\f"):
            raw = raw.replace(escape, b" ")
    return raw


def candidates(kinds: Sequence[str] = KINDS) -> str:
    """A pattern in RE2's syntax for condensed texts that may hold a number."""
    parts = [f"{_BEGIN}(?:[0-9A-Za-z] ){{7}}[0-9A-Za-z]{_END}"]  # spelled out: see `readings`
    if IBAN in kinds:
        apart = "|".join(f"{first} ?[{''.join(sorted(seconds))}]" for first, seconds in _SECONDS.items())
        parts += [
            f"{_BEGIN}(?:{COUNTRIES})[0-9]{{2}}(?: ?[0-9A-Za-z]){{11}}",
            f"{_BEGIN}(?:{apart}) ?[0-9] ?[0-9](?: ?[A-Z]){{0,4}} ?[0-9](?: ?[0-9A-Za-z]){{6}}",
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
        self._shapes = compile_(candidates(kinds))
        self._named = compile_(named) if named else None

    def of_json(self, raw: bytes) -> bool:
        return self._found(raw, condensed(unescaped(raw))) or needs_readings(raw.decode(errors="replace"))

    def of_text(self, before: str, text: str) -> bool:
        raw = (before + text).encode(errors="replace")
        return self._found(raw, condensed(raw)) or needs_readings(text)

    def _found(self, raw: bytes, plain: bytes) -> bool:
        return self._shapes(plain) is not None or (self._named is not None and self._named(raw) is not None)
