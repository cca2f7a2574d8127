"""Names of events as a source's configuration writes them.

Case, spaces, `_` and `-` do not matter, and `*` stands for any characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

from handoff.domain.text.memo import cached_if_short

T = TypeVar("T")
WILDCARD = "*"
_APART = re.compile(r"[\s_\-]+")


@cached_if_short
def comparable(name: str) -> str:
    """An event's or category's name in the form used for comparison."""
    return _APART.sub("", name).casefold()


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` is as in `pattern`, in which `*` stands for any characters.

    Takes time in proportion to the text, unlike a regular expression with several `.*`.
    """
    first, *middle = pattern.split(WILDCARD)
    if not middle:
        return text == pattern
    *middle, last = middle
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


class NameTable(Generic[T]):
    """The meaning of event names. A name without `*` goes first, then the pattern with the most letters."""

    def __init__(self, names: Mapping[str, T]) -> None:
        known = {comparable(name): value for name, value in names.items()}
        self._exact = {name: value for name, value in known.items() if WILDCARD not in name}
        patterns = sorted(
            known.keys() - self._exact.keys(), key=lambda it: (-len(it.replace(WILDCARD, "")), it)
        )
        self._patterns = tuple((it, known[it]) for it in patterns)

    def get(self, name: str) -> T | None:
        name = comparable(name)
        found = self._exact.get(name)
        if found is None:
            found = next((value for pattern, value in self._patterns if matches(pattern, name)), None)
        return found
