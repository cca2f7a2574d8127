"""Remembering what a function made of short words, so that it is not made again.

Senders choose the words: whatever is long is made anew, or they could fill the memory with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

REMEMBERED = 4096  # results of each function: one person comes by many times
LONGEST = 256  # characters of the words of one result, so that all of them stay within a few megabytes

P = ParamSpec("P")
R = TypeVar("R")


def cached_if_short(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which depends on its words (text, bytes or None) alone, with its last results kept."""
    kept = lru_cache(maxsize=REMEMBERED)(function)

    @wraps(function)
    def call(*words: Any, **named: Any) -> R:
        letters = 0
        for it in (*words, *named.values()) if named else words:
            if it:
                letters += len(it)
        return kept(*words, **named) if letters <= LONGEST else function(*words, **named)

    return cast(Callable[P, R], call)
