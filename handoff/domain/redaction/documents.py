"""Masking bytes of unknown or broken format: JSON, forms, mail, and anything else, as they were received."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import msgspec

from .scan import ALL_DIGITS, Counts, Scan, TenantPattern, add, apply
from .values import masked_texts, masked_value

MAX_NESTED = 3  # base64 in JSON in base64; deeper content is not text that anybody reads
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}(?:(?:\r?\n|\\r\\n|\\n)[A-Za-z0-9+/_-]+={0,2})*")
_BREAK = re.compile(r"\r?\n|\\r\\n|\\n")
_FORM = re.compile(r"[^\s=&{}<>]{1,200}=[^\s{}<>]*")
_FORM_VALUE = re.compile(r"(?<==)([^&]*)")
LONG = 64 * 1024  # bytes
DENSE = 5
"""A long document of which more than a fifth are digits has no message in it. Looking for numbers in it
takes seconds a megabyte, so all of its digits are masked. Base64 has fewer digits."""
_DIGITS = b"0123456789"
_HIDDEN = bytes.maketrans(_DIGITS, b"*" * 10)
_BASE64_MEMBER = "data_base64"
"""The member of a CloudEvent whose content is in base64."""
_CARRIED = ("utf-8", "surrogateescape")


def masked_document(raw: bytes, patterns: Sequence[TenantPattern] = ()) -> tuple[bytes, Counts]:
    """The bytes with everything masked, and the counts.

    JSON stays JSON with the same meaning. Other formats keep their structure: digits are replaced where they
    are. Content in base64 is decoded, masked, and encoded again. All digits of a `DENSE` document are masked.
    """
    if len(raw) > LONG and (len(raw) - len(raw.translate(None, _DIGITS))) * DENSE > len(raw):
        return raw.translate(_HIDDEN), {ALL_DIGITS: 1}
    masked, counts = masked_written(raw.decode(*_CARRIED), patterns)
    return (masked.encode(*_CARRIED), counts) if counts else (raw, {})


def masked_written(
    text: str, patterns: Sequence[TenantPattern] = (), nested: int = MAX_NESTED
) -> tuple[str, Counts]:
    """The same for the bytes as text, with bytes that are not UTF-8 as surrogates."""
    counts: Counts = {}
    try:
        value = msgspec.json.decode(text.encode(*_CARRIED))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        value = None
    if isinstance(value, dict | list):
        masked, counts = _masked_json(value, patterns, nested)
        return (msgspec.json.encode(masked).decode(), counts) if counts else (text, {})
    if nested:
        text = _BASE64.sub(lambda match: _masked_base64(match.group(), patterns, nested, counts), text)
    if _FORM.fullmatch(text):
        parts = _FORM_VALUE.split(text)
        if nested:
            parts[1::2] = [_masked_form_value(it, patterns, nested, counts) for it in parts[1::2]]
        parts[1::2], found = masked_texts(parts[1::2], patterns)
        text = "".join(parts)
        add(counts, found)
    scan = Scan(text, patterns, mail=True)
    add(counts, scan.counts)
    return apply(text, scan.edits()), counts


def _masked_json(value: Any, patterns: Sequence[TenantPattern], nested: int) -> tuple[Any, Counts]:
    """A decoded document. Texts in it may be documents themselves: a mail, a form, JSON again."""
    counts: Counts = {}
    if nested:
        value = _inner(value, patterns, nested - 1, counts, _may_be_document)
    masked, found = masked_value(value, patterns)
    add(counts, found)
    return masked, counts


def masked_encoded(value: Any, patterns: Sequence[TenantPattern], counts: Counts) -> Any:
    """A value of JSON's types with announced base64 masked in it: a data URL, part of a mail."""
    return _inner(value, patterns, 1, counts, _is_encoded)


def _inner(
    value: Any, patterns: Sequence[TenantPattern], nested: int, counts: Counts, chosen: Callable[[str], bool]
) -> Any:
    if isinstance(value, dict):
        return {
            name: _inner(it, patterns, nested, counts, _may_be_document if name == _BASE64_MEMBER else chosen)
            for name, it in value.items()
        }
    if isinstance(value, list | tuple):
        return [_inner(it, patterns, nested, counts, chosen) for it in value]
    if isinstance(value, str) and chosen(value):
        masked, found = masked_written(value, patterns, nested)
        add(counts, found)
        return masked
    return value


def _may_be_document(text: str) -> bool:
    return len(text) > MIN_NESTED


def _is_encoded(text: str) -> bool:
    return "=?" in text or "base64" in text.lower()


MIN_NESTED = 20  # characters: a card number in base64 has more


def _masked_form_value(value: str, patterns: Sequence[TenantPattern], nested: int, counts: Counts) -> str:
    masked, found = masked_written(unquote_plus(value, *_CARRIED), patterns, nested - 1)
    add(counts, found)
    return quote_plus(masked, safe="*", encoding=_CARRIED[0], errors=_CARRIED[1]) if found else value


def _masked_base64(block: str, patterns: Sequence[TenantPattern], nested: int, counts: Counts) -> str:
    lines = _BREAK.split(block)
    joined = "".join(lines)
    altchars = b"-_" if {"-", "_"} & set(joined) else b"+/"
    try:
        content = base64.b64decode(joined + "=" * (-len(joined) % 4), altchars, validate=True).decode()
    except (binascii.Error, ValueError):
        return block
    masked, found = masked_written(content, patterns, nested - 1)
    if not found:
        return block
    add(counts, found)
    encoded = base64.b64encode(masked.encode(*_CARRIED), altchars).decode()
    encoded = encoded if joined.endswith("=") or not len(joined) % 4 else encoded.rstrip("=")
    between = _BREAK.search(block)
    width = len(lines[0])
    rows = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    return (between.group() if between else "").join(rows)
