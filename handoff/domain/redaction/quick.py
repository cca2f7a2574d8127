"""The quick check: whether a touchpoint needs a closer look. Nearly all of them do not.

It reads the values as JSON, in C, and is wrong in one direction only: what it lets pass has no card number
and no card code. Its steps are in order of their cost. Most touchpoints have too few digits and end at the
first one.
"""

from __future__ import annotations

import re

from .codes import names_code
from .digits import FEWEST, FOREIGN, LEADS, PADDED, in_ascii
from .issuers import lengths_of, luhn, passes, running_sums
from .view import INVISIBLE

_ASCII = b"0123456789"
_ALPHABET = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_COUNTED = _ASCII + LEADS
_LOWER = bytes.maketrans(_ALPHABET[26:], _ALPHABET[:26])
_SHAPES = bytes.maketrans(_ASCII + _ALPHABET, b"0" * 10 + b"a" * 52)
_BETWEEN = bytes(it for it in range(256) if it not in _ASCII + _ALPHABET)
FEWEST_DIGITS = 2
"""Digits of the shortest hint: `base64`. A card code has three."""
SHORT_RUN = 64  # digits: in longer runs, sums make each test cheap
_ROW = "0" * FEWEST
_ZEROS = bytes.maketrans(_ASCII, b"0" * 10)
_NO_DIGITS = bytes(it for it in range(256) if it not in _ASCII)
_ESCAPED = re.compile(rb"\\[nrtbf]")
_MEMBER = re.compile(rb'"[^"\\]*+":')
_NOTHING = (b"null", b"true", b"false")
_TAG = re.compile(r"<(?:/?[A-Za-z][A-Za-z0-9:-]{0,30}[\s/>\\]|!--)")
_ENTITY = re.compile(r"&(?:#|[A-Za-z]{2,32};)")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_QUOTED = re.compile(r"=(?:[0-9A-F]{2}=[0-9A-F]{2}|20[0-9]|[ \t]{0,8}(?:\r?\n|\\[rn]))")
_QUERY = re.compile(rb"[?&][A-Za-z_][\w.\[\]-]{0,40}=")
_UNICODE = re.compile(r"\\[ux]")
_UNUSUAL = re.compile(f"[{FOREIGN}{INVISIBLE}]")
_ALL_ASCII = bytes(range(128))
_RUN = re.compile(rb"[0-9]++(?:[^0-9A-Za-z]*+[0-9]++)*+")
_GROUP = re.compile(rb"[0-9]+")


def needs_look(raw: bytes) -> bool:
    """Whether the JSON of a touchpoint's values may hold a card number or a card code."""
    rest = raw.translate(_LOWER, _COUNTED)
    digits = len(raw) - len(rest)
    if digits < FEWEST_DIGITS:
        return False
    if digits >= FEWEST and _may_hold_number(raw):
        return True
    lowered = rest.decode("latin-1")  # searching in a `str` is faster
    return names_code(lowered, raw) or ("base" in lowered and b"base64" in raw.lower()) or "=?" in lowered


def is_suspicious(name: str) -> bool:
    """The same for a short text of senders: a name, a thread's id."""
    if len(name) < FEWEST:
        return False
    if not name.isascii():
        name = in_ascii(name)
    raw = name.encode(errors="replace")
    if len(raw.translate(None, _NO_DIGITS)) < FEWEST:
        return False
    return _is_written(name) or any(map(_is_card, _RUN.findall(raw)))


def is_disguised(raw: bytes) -> bool:
    """Whether a text, or a JSON document, may show digits that are not in it, or has invisible characters."""
    return has_any(raw, _UNUSUAL) or _is_written(raw.decode("latin-1"))


def has_any(raw: bytes, characters: re.Pattern[str]) -> bool:
    """Whether one of these characters, none of which is ASCII, is in a text in UTF-8."""
    rest = raw.translate(None, _ALL_ASCII)
    return bool(rest) and characters.search(rest.decode(errors="replace")) is not None


def _may_hold_number(raw: bytes) -> bool:
    if not raw.isascii() and len(raw.translate(None, LEADS)) != len(raw):
        raw = in_ascii(raw.decode(errors="replace")).encode()
    text = raw.decode("latin-1")
    if _is_written(text):
        return len(raw) - len(raw.translate(None, _ASCII)) >= FEWEST
    if "\\" in text:
        raw = _ESCAPED.sub(b" ", raw).replace(b'\\"', b"'")  # such a quotation mark ends no name
    if "=" in text:
        raw = _QUERY.sub(b" ", raw)
    if _has_row(raw) and any(map(_is_card, _RUN.findall(raw))):
        return True
    zeros = raw.translate(_ZEROS).decode("latin-1")
    if ':"0' in zeros or ":0" in zeros or "[0" in zeros or '["0' in zeros:  # split over members
        values = _MEMBER.sub(b"", raw)
        for word in _NOTHING:
            values = values.replace(word, b" ")
        return _has_row(values) and any(map(_is_card, _RUN.findall(values)))
    return False


def _has_row(raw: bytes) -> bool:
    """Whether enough digits follow one another, with no letter between them."""
    return _ROW in raw.translate(_SHAPES, _BETWEEN).decode()


def _is_written(text: str) -> bool:
    """Whether markup or escapes may stand for digits, or between them."""
    return (
        ("<" in text and _TAG.search(text) is not None)
        or ("&" in text and _ENTITY.search(text) is not None)
        or ("%" in text and _PERCENT.search(text) is not None)
        or ("=" in text and _QUOTED.search(text) is not None)
        or ("\\" in text and _UNICODE.search(text) is not None)
    )


def _is_card(run: bytes) -> bool:
    """Whether neighbouring groups of a run's digits are together a card number."""
    if len(run) < FEWEST:
        return False
    groups = _GROUP.findall(run)
    digits = b"".join(groups).decode()
    at, starts = 0, []
    for group in groups:
        starts.append(at)
        if len(group) in PADDED:
            starts.append(at + len(group) - len(group.lstrip(b"0")))
        at += len(group)
    ends = {*starts, at}
    likely = (
        (start, start + length)
        for start in starts
        for length in lengths_of(digits[start : start + 4])
        if start + length in ends
    )
    if len(digits) <= SHORT_RUN:
        return any(luhn(digits[start:end]) for start, end in likely)
    sums = running_sums(list(map(int, digits)))
    return any(passes(sums, start, end) for start, end in likely)
