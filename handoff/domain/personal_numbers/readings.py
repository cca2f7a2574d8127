"""The readings of a text in which a number may be: without markup, in ASCII, and with spelled rows joined.

Digits, invisible characters, markup, and escapes are read as for card numbers: see `redaction.view`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from handoff.domain.redaction.quick import has_any, is_disguised
from handoff.domain.redaction.view import View, views

_LATIN_RANGES = ((0xFF21, 0xFF3A), (0xFF41, 0xFF5A), (0x24B6, 0x24E9), (0x1D400, 0x1D6A3))
_LATIN = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _LATIN_RANGES) + "]")
"""Full-width, circled, and mathematical letters. Letters of other alphabets are other letters."""
_SPACED = r"[\s./_\u00b7]{1,3}"
_SPELLED = re.compile(
    rf"(?<![0-9A-Za-z])(?:(?:[0-9A-Za-z+-]{_SPACED}){{7,}}[0-9A-Za-z]"
    r"|(?P<dashed>(?:[0-9A-Za-z]-){7,}[0-9A-Za-z]))"
    r"(?![0-9A-Za-z])"
)
"""Single characters with gaps between them, as people dictate a number."""
_ITEMS = {None: re.compile(r"[0-9A-Za-z+-]"), "dashed": re.compile(r"[0-9A-Za-z]")}


def needs_readings(raw: bytes) -> bool:
    """Whether a text in UTF-8, or a JSON document, may show more than is in it. False for nearly all."""
    return is_disguised(raw) or has_any(raw, _LATIN)


def readings(text: str) -> Iterator[View]:
    """The text as it is, and as a person reads it, with the place of each character."""
    plain = View(text, range(len(text)), range(1, len(text) + 1))
    for view in views(text) if needs_readings(text.encode(errors="replace")) else (plain,):
        shown = View(_in_latin(view.text), view.starts, view.ends)
        yield shown
        spelled = _together(shown)
        if spelled is not None:
            yield spelled


def _in_latin(text: str) -> str:
    """The text with letters in ASCII, each at its place."""
    return text if text.isascii() else _LATIN.sub(_plain_latin, text)


def _plain_latin(match: re.Match[str]) -> str:
    plain = unicodedata.normalize("NFKC", match.group())
    return plain if len(plain) == 1 else match.group()


def _together(view: View) -> View | None:
    """The text without the gaps of what is spelled out; None if nothing is."""
    dropped: set[int] = set()
    for match in _SPELLED.finditer(view.text):
        items = _ITEMS[match.lastgroup]
        dropped.update(at for at in range(*match.span()) if not items.match(view.text, at))
    if not dropped:
        return None
    kept = [at for at in range(len(view.text)) if at not in dropped]
    text = "".join([view.text[at] for at in kept])
    return View(text, [view.starts[at] for at in kept], [view.ends[at] for at in kept])
