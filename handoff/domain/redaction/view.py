"""A text as a person sees it: without markup, escapes and invisible characters, digits in ASCII."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from html import unescape
from itertools import chain

from .digits import LEAF, in_ascii

INVISIBLE = (
    "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e"
    "\\u2060-\\u206f\\u20e3\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff9-\\ufffb\\U000e0000-\\U000e0fff"
)
"""Characters that take no space: soft hyphen, joiners, direction marks, variation selectors, fillers."""
_LAYERS = 3
"""Encodings in each other that are read: an entity in a percent-encoded form in JSON."""
_TOKEN = re.compile(
    r"(?P<gone><[A-Za-z][^<>\x1d-\x1f]{0,200}?\svalue=[\"']?(?=[0-9])|<!--[^\x1d-\x1f]{0,1000}?-->"
    r"|</?[A-Za-z][A-Za-z0-9:-]{0,30}(?:[\s/][^<>\x1d-\x1f]{0,1000})?>|[" + INVISIBLE + r"]+)"
    r"|(?P<entity>&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,32});?(?![A-Za-z0-9_]*=))"
    r"|(?P<name>[?&][A-Za-z_][\w.\[\]-]{0,40}=)"
    r"|(?P<percent>(?:%[0-9a-fA-F]{2})+)"
    r"|(?P<unicode>\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2}))"
    r"|(?P<escape>\\[nrtbf/])",
    re.DOTALL,
)
_QUOTED = re.compile(r"(?P<gone>=[ \t]{0,8}\r?\n)|(?P<quoted>(?:=[0-9A-Fa-f]{2})+)")
_IS_QUOTED = re.compile(r"=[0-9A-F]{2}=[0-9A-F]{2}|[0-9]=20[0-9]|=[ \t]{0,8}\r?\n")
_MARKS = re.compile(r"[<&%?\\" + INVISIBLE + "]")


class View:
    """Characters with the place of each in the original text."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str, starts: list[int] | range, ends: list[int] | range) -> None:
        self.text = text
        self.starts = starts
        self.ends = ends


def views(text: str, *, mail: bool = False) -> Iterator[View]:
    """The text as it is, and as it is shown where that may differ, one encoding after the other.

    Quoted-printable (RFC 2045 §6.7), in which `=34` is a 4, is read with `mail`, and where two such codes are
    side by side.
    """
    plain = view = View(in_ascii(text), range(len(text)), range(1, len(text) + 1))
    yield plain
    for _ in range(_LAYERS):
        if not _MARKS.search(view.text):
            break
        decoded = _decoded(view, _TOKEN)
        if decoded.text == view.text:
            break
        view = decoded
        yield view
    if "=" in text and (mail or _IS_QUOTED.search(text)):
        yield _decoded(plain, _QUOTED)


def _decoded(view: View, tokens: re.Pattern[str]) -> View:
    text = view.text
    parts: list[str] = []
    starts: list[Sequence[int]] = []
    ends: list[Sequence[int]] = []
    before = 0
    for match in chain(tokens.finditer(text), (None,)):
        start, end = match.span() if match else (len(text), len(text))
        parts.append(text[before:start])
        starts.append(view.starts[before:start])
        ends.append(view.ends[before:start])
        before = end
        if match is None or match.lastgroup == "gone":
            continue
        shown = _shown(match.group(), match.lastgroup or "")
        parts.append(shown)
        starts.append([view.starts[start]] * len(shown))
        ends.append([view.ends[end - 1]] * len(shown))
    return View(in_ascii("".join(parts)), list(chain.from_iterable(starts)), list(chain.from_iterable(ends)))


def _shown(token: str, kind: str) -> str:
    if kind == "entity":
        return unescape(token)
    if kind == "escape":
        return " "
    if kind == "name":
        return LEAF
    if kind == "unicode":
        code = int(token[2:].strip("{}"), 16)
        return chr(code) if code <= sys.maxunicode else token
    raw = bytes.fromhex(token.replace(token[0], ""))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
