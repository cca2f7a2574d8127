"""Text that came in as bytes: made safe once, where it enters."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(value: str) -> str:
    """`value` with each lone surrogate replaced by U+FFFD, so that UTF-8 and every codec can carry it.

    A surrogate is half a pair that a sender cut in two, or a byte of a header that is not UTF-8.
    """
    return value if value.isascii() else _SURROGATE.sub("\ufffd", value)


def is_clean(value: str) -> bool:
    """Whether `clean` would change nothing."""
    return value.isascii() or _SURROGATE.search(value) is None


def clean_headers(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers for adapters: lower-case names, the first value of a repeated one, and all of it clean."""
    headers: dict[str, str] = {}
    for name, value in given:
        headers.setdefault(clean(name).lower(), clean(value))
    return headers


def clean_pairs(given: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The parameters of a query, clean."""
    return tuple((clean(name), clean(value)) for name, value in given)
