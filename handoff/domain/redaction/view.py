"""A text as a person sees it: without markup, escapes and invisible characters, digits in ASCII."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import chain

from .digits import in_ascii

INVISIBLE = (
    "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e"
    "\\u2060-\\u206f\\u20e3\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff9-\\ufffb\\U000e0000-\\U000e0fff"
)
"""Characters that take no space: soft hyphen, joiners, direction marks, variation selectors, fillers."""
_TOKEN = re.compile(
    r"(?P<gone><!--[^\x1d-\x1f]{0,1000}?-->"
    r"|</?[A-Za-z][A-Za-z0-9:-]{0,30}(?:[\s/][^<>\x1d-\x1f]{0,1000})?>|[" + INVISIBLE + r"]+)"
    r"|(?P<entity>&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});?)"
    r"|(?P<percent>(?:%[0-9a-fA-F]{2})+)"
    r"|(?P<unicode>\\u[0-9a-fA-F]{4})"
    r"|(?P<escape>\\[nrtbf/])",
    re.DOTALL,
)
_QUOTED = re.compile(r"(?P<gone>=[ \t]{0,8}\r?\n)|(?P<quoted>(?:=[0-9A-Fa-f]{2})+)")
_MARKS = re.compile(r"[<&%\\" + INVISIBLE + "]")


class View:
    """Characters with the place of each in the original text."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str, starts: list[int] | range, ends: list[int] | range) -> None:
        self.text = text
        self.starts = starts
        self.ends = ends


def views(text: str, *, mail: bool = False) -> Iterator[View]:
    """The text as it is, and as it is shown where that may differ.

    `mail` also reads quoted-printable (RFC 2045 §6.7), in which `=34` is a 4.
    """
    yield View(in_ascii(text), range(len(text)), range(1, len(text) + 1))
    if _MARKS.search(text):
        yield _decoded(text, _TOKEN)
    if mail and "=" in text:
        yield _decoded(text, _QUOTED)


def _decoded(text: str, tokens: re.Pattern[str]) -> View:
    parts: list[str] = []
    starts: list[range | list[int]] = []
    ends: list[range | list[int]] = []
    before = 0
    for match in chain(tokens.finditer(text), (None,)):
        start, end = match.span() if match else (len(text), len(text))
        parts.append(text[before:start])
        starts.append(range(before, start))
        ends.append(range(before + 1, start + 1))
        before = end
        if match is None or match.lastgroup == "gone":
            continue
        shown = _shown(match.group(), match.lastgroup or "")
        parts.append(shown)
        starts.append([start] * len(shown))
        ends.append([end] * len(shown))
    return View(in_ascii("".join(parts)), list(chain.from_iterable(starts)), list(chain.from_iterable(ends)))


def _shown(token: str, kind: str) -> str:
    if kind == "entity":
        return unescape(token)
    if kind == "escape":
        return " "
    if kind == "unicode":
        return chr(int(token[2:], 16))
    raw = bytes.fromhex(token.replace(token[0], ""))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
