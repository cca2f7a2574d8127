"""What senders write is remembered where it is short, and never where it is long."""

from __future__ import annotations

import tracemalloc

import pytest

from handoff.domain.brief.lines import same
from handoff.domain.identity import identity, parse_identity
from handoff.domain.remembering import LONGEST, REMEMBERED, remembered


def test_short_words_are_made_once_and_long_ones_each_time() -> None:
    made: list[str] = []

    @remembered
    def upper(word: str) -> str:
        made.append(word)
        return word.upper()

    long = "a" * (LONGEST + 1)
    assert [upper("a"), upper("a"), upper(long), upper(long)] == ["A", "A", long.upper(), long.upper()]
    assert made == ["a", long, long]


def test_short_words_that_are_many_letters_together_are_long() -> None:
    made: list[tuple[str | None, ...]] = []

    @remembered
    def joined(*words: str | None) -> str:
        made.append(words)
        return "".join(filter(None, words))

    short, long = ("ab", None, "x" * (LONGEST - 2)), ("ab", None, "x" * (LONGEST - 1))
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


def test_an_error_is_not_remembered() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="never"):
            remembered(_never)("a")
    assert REMEMBERED > 0


def _never(_word: str) -> str:
    raise ValueError("never")
