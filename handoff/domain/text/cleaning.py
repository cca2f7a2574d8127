"""Cleaning of external text, once, where it enters."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(value: str) -> str:
    """`value` with each lone surrogate replaced by U+FFFD, so that every codec can encode it.

    A surrogate is half of a pair that a sender split, or a byte of a header that is not UTF-8.
    """
    return value if value.isascii() else _SURROGATE.sub("\ufffd", value)


def is_clean(value: str) -> bool:
    """Whether `clean` would return the value unchanged."""
    return value.isascii() or _SURROGATE.search(value) is None


def clean_headers(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers for adapters: cleaned, with lower-case names and the first value of a repeated header."""
    headers: dict[str, str] = {}
    for name, value in given:
        if not (name.isascii() and value.isascii()):  # nearly all are
            name, value = clean(name), clean(value)
        headers.setdefault(name.lower(), value)
    return headers


def clean_pairs(given: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The parameters of a query, cleaned."""
    return tuple((clean(name), clean(value)) for name, value in given)
