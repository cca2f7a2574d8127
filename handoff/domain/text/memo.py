"""Bounded caches of what customers are called and write, which are emptied when a customer is erased.

Senders choose the strings, so results for long ones are not cached: they could fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast
from weakref import WeakSet

CACHE_SIZE = 4096  # results per function: one person sends many events
MAX_CACHED = 256  # characters of all arguments of one call, so that a cache stays within a few megabytes

P = ParamSpec("P")
R = TypeVar("R")


class _Cache(Protocol):
    def cache_clear(self) -> None: ...


C = TypeVar("C", bound=_Cache)
_personal: WeakSet[_Cache] = WeakSet()


def personal(cache: C) -> C:
    """The `lru_cache`, emptied by `forget_people` from now on: it holds identities or words of customers."""
    _personal.add(cache)
    return cache


def forget_people() -> None:
    """Empty all caches that hold identities or words of customers."""
    for cache in list(_personal):
        cache.cache_clear()


def cached_if_short(function: Callable[P, R]) -> Callable[P, R]:
    """Caches a pure function whose arguments are text, bytes or None."""
    cached = personal(lru_cache(maxsize=CACHE_SIZE)(function))

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> R:
        size = 0
        for argument in (*arguments, *named.values()) if named else arguments:
            if argument:
                size += len(argument)
        return cached(*arguments, **named) if size <= MAX_CACHED else function(*arguments, **named)

    return cast(Callable[P, R], call)
