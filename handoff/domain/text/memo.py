"""A bounded cache for functions of short strings.

Senders choose the strings, so results for long ones are not cached: they could fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

CACHE_SIZE = 4096  # results per function: one person sends many events
MAX_CACHED = 256  # characters of all arguments of one call, so that a cache stays within a few megabytes

P = ParamSpec("P")
R = TypeVar("R")


def cached_if_short(function: Callable[P, R]) -> Callable[P, R]:
    """Caches a pure function whose arguments are text, bytes or None."""
    cached = lru_cache(maxsize=CACHE_SIZE)(function)

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> R:
        size = 0
        for argument in (*arguments, *named.values()) if named else arguments:
            if argument:
                size += len(argument)
        return cached(*arguments, **named) if size <= MAX_CACHED else function(*arguments, **named)

    return cast(Callable[P, R], call)
