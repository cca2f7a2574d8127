"""Remembering what a function made of short words, so that it is not made again.

Senders choose the words: whatever is long is made anew, or they could fill the memory with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

REMEMBERED = 4096  # results of each function: one person comes by many times
LONGEST = 256  # characters of a word that is remembered, so that all of them stay within a few megabytes

P = ParamSpec("P")
R = TypeVar("R")


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which depends on its arguments alone, with its last results kept by them."""
    kept = lru_cache(maxsize=REMEMBERED)(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for it in (*args, *kwargs.values()):
            if isinstance(it, str) and len(it) > LONGEST:
                return function(*args, **kwargs)
        return kept(*args, **kwargs)  # type: ignore[arg-type]  # unhashable arguments are the caller's mistake

    return call
