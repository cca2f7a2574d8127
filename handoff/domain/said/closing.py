"""Whether a customer's message ends a conversation: "it works now, no need to call", "that's all, thanks, bye"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from .grammar import Grammar
from .language import likely
from .sentences import own_words, sentences
from .words import words_of

MAX_CLOSING = 500  # characters of a message: what is longer has content
MAX_CLOSING_WORDS = 60

Closing = Literal["settled", "goodbye"]
_Read = Literal["settled", "goodbye", "open"]
_QUESTIONS = ("?", "？", "؟")


def closing_of(text: str, grammars: Mapping[str, Grammar], language: str | None = None) -> Closing | None:
    """How a message ends a conversation; None where it asks or reports anything."""
    if len(text) > MAX_CLOSING:
        return None
    own = own_words(text)
    if any(it in own for it in _QUESTIONS):
        return None
    words = words_of(own).words
    if not 0 < len(words) <= MAX_CLOSING_WORDS:
        return None
    for grammar in likely(grammars, words, language):
        if not grammar.compiled.closing.isdisjoint(words):
            found = _read(own, grammar)
            if found is not None:
                return None if found == "open" else found
    return None


def _read(text: str, grammar: Grammar) -> _Read | None:
    compiled = grammar.compiled
    settled = goodbye = thanked = False
    for first, last in sentences(text):
        words = words_of(text[first:last]).words
        rest, places = compiled.plain(words)
        count = len(rest)
        settled = settled or compiled.settled.match(places, count)
        goodbye = goodbye or compiled.goodbyes.match(places, count)
        thanked = thanked or compiled.thanks.match(places, count)
        if compiled.reopens.match(places, count) or compiled.complaints.match(places, count):
            return "open"
    if settled:
        return "settled"
    return "goodbye" if (goodbye and thanked) or compiled.ends.match(*_places(text, grammar)) else None


def _places(text: str, grammar: Grammar) -> tuple[dict[str, dict[int, list[int]]], int]:
    words = words_of(text).words
    return grammar.compiled.vocabulary.places(words), len(words)
