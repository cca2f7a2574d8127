"""Work in steps: its caller may do something else between two of them."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]


def finish(steps: Steps[T]) -> T:
    """The result of work, done in one go."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        value: T = done.value
        return value
