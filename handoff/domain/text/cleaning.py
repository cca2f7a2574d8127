"""Cleaning of external text, once, where it enters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

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
        headers.setdefault(clean(name).lower(), clean(value))
    return headers


def clean_parsed(given: Mapping[str, str]) -> Mapping[str, str]:
    """`clean_headers` of headers whose names are unique and in lower case; nearly all are clean already."""
    if "".join(given).isascii() and "".join(given.values()).isascii():
        return given
    return clean_headers(given.items())


def clean_pairs(given: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The parameters of a query, cleaned."""
    return tuple((clean(name), clean(value)) for name, value in given)
