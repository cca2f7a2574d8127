"""Short values from senders are cached, long ones never."""

from __future__ import annotations

import tracemalloc

import pytest

from handoff.domain.brief.lines import same
from handoff.domain.identity import identity, parse_identity
from handoff.domain.text.memo import CACHE_SIZE, MAX_CACHED, cached_if_short, forget_people


def test_short_words_are_made_once_and_long_ones_each_time() -> None:
    made: list[str] = []

    @cached_if_short
    def upper(word: str) -> str:
        made.append(word)
        return word.upper()

    long = "a" * (MAX_CACHED + 1)
    assert [upper("a"), upper("a"), upper(long), upper(long)] == ["A", "A", long.upper(), long.upper()]
    assert made == ["a", long, long]


def test_everything_is_forgotten_at_once() -> None:
    made: list[str] = []

    @cached_if_short
    def upper(word: str) -> str:
        made.append(word)
        return word.upper()

    for _ in range(2):
        assert [upper("a"), upper("a")] == ["A", "A"]
        forget_people()
    assert made == ["a", "a"]


def test_many_short_words_together_are_long() -> None:
    made: list[tuple[str | None, ...]] = []

    @cached_if_short
    def joined(*words: str | None) -> str:
        made.append(words)
        return "".join(filter(None, words))

    short, long = ("ab", None, "x" * (MAX_CACHED - 2)), ("ab", None, "x" * (MAX_CACHED - 1))
    for words in (short, short, long, long):
        assert joined(*words) == "".join(filter(None, words))
    assert made == [short, long, long]


def padded(number: int) -> None:
    parse_identity(f"user:{number}" + " " * 100_000)
    identity("user", f"{number}" + " " * 100_000)
    identity("email", f"anna{number}@example.com" + " " * 100_000)
    same(f"{number}" + "x" * 100_000)


def test_hostile_senders_do_not_fill_the_memory() -> None:
    tracemalloc.start()
    try:
        for number in range(100):
            padded(number)
        held, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000  # of 40 MB that were written


def test_an_error_is_not_cached() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="never"):
            cached_if_short(_never)("a")
    assert CACHE_SIZE > 0


def _never(_word: str) -> str:
    raise ValueError("never")
