"""Whom words name is read once, however often they come, unless they are many."""

from __future__ import annotations

from adapters.handles import Words, handle, of_customer, remembering
from handoff.domain.identity import Assurance, Handle
from handoff.domain.remembering import LONGEST


def test_short_words_are_read_once_and_long_ones_each_time() -> None:
    asked: list[tuple[Words, ...]] = []

    @remembering
    def read(*words: Words) -> tuple[Handle, ...]:
        asked.append(words)
        return of_customer([handle("user", word, Assurance.CLAIMED) for word in words], frozenset())

    short = ("aino", None, "x" * (LONGEST - 4))
    long = ("aino", None, "x" * (LONGEST - 3))
    for words in (short, short, long, long, ("aino", None, None), (None, "aino", None)):
        assert [it.identity.value for it in read(*words)] == [word for word in words if word]
    assert asked == [short, long, long, ("aino", None, None), (None, "aino", None)]
