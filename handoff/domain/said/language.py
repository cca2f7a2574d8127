"""The languages that a text may be in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .grammar import Grammar

STATED = 2  # function words that the stated language is worth


def likely(grammars: Mapping[str, Grammar], words: Sequence[str], stated: str | None) -> list[Grammar]:
    """The grammars to read a text with: those whose language has most function words in it."""
    scores = {name: len(it.function_words.intersection(words)) for name, it in grammars.items()}
    if stated in scores:
        scores[stated] += STATED
    best = max(scores.values(), default=0)
    likely = [name for name, score in scores.items() if score >= best - 1]
    return [grammars[it] for it in sorted(likely, key=lambda name: -scores[name])]
