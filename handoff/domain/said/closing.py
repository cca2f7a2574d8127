"""Whether a customer's message ends a conversation: "it works now, no need to call", "that's all, bye"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from .grammar import Compiled, Grammar
from .language import likely
from .sentences import own_words, sentences, without_quotations
from .words import SENTENCE_END, quick_words

MAX_CLOSING = 500  # characters of a message: what is longer has content
MAX_CLOSING_WORDS = 60
MAX_BARE = 7  # words and ends of sentences of a message in which "solved" alone settles something
LEAST_STATED = 6  # words of a clause with something new
_CLAUSE = re.compile(r"[.,;:!?\n–—]+")

Closing = Literal["settled", "goodbye", "open"]
"""How a message reads that has words of an end; `open`: it has them and ends nothing."""
_QUESTIONS = ("?", "？", "؟")


def closing_of(text: str, grammars: Mapping[str, Grammar], language: str | None = None) -> Closing | None:
    """How a message ends a conversation; None where it has no words of an end, or asks."""
    if len(text) > MAX_CLOSING:
        return None
    own = own_words(text)
    if any(it in own for it in _QUESTIONS):
        return None
    words = quick_words(own)
    if not 0 < len(words) <= MAX_CLOSING_WORDS:
        return None
    unique = frozenset(words)
    for grammar in likely(grammars, words, language):
        if grammar.compiled.closing.may_match(unique):
            found = _read(own, grammar)
            if found is not None:
                return found
    return None


def reopens(text: str, grammars: Mapping[str, Grammar]) -> bool:
    """Whether a short message has words that want something, or complain of something. Its language is hard
    to guess, so it is read in all."""
    words = quick_words(own_words(text[:MAX_CLOSING]))
    for grammar in grammars.values():
        compiled, count = grammar.compiled, len(words)
        places = compiled.vocabulary.places(words)
        if compiled.reopens.match(places, count) or compiled.complaints.match(places, count):
            return True
    return False


def _read(text: str, grammar: Grammar) -> Closing | None:
    compiled = grammar.compiled
    stated: list[str] = []
    for first, last in sentences(text):
        stated += [*quick_words(without_quotations(text[first:last])), SENTENCE_END]
    count, places = len(stated), compiled.vocabulary.places(stated)
    needless = compiled.needless.match(places, count)
    ignores = compiled.ignores.match(places, count)
    settled = needless or ignores or compiled.settled.match(places, count)
    settled = settled or (count <= MAX_BARE and compiled.bare.match(places, count))
    ended = settled or compiled.ends.match(places, count)
    if not ended:
        ended = compiled.goodbyes.match(places, count) and compiled.thanks.match(places, count)
    if not ended:
        return None
    if ignores and _goes_on(text, compiled):
        return "open"
    if needless:
        kept, places = compiled.still_stated(stated)
        count = len(kept)
    if compiled.reopens.match(places, count):
        return "open"
    if compiled.complaints.match(places, count) and not compiled.praise.match(places, count):
        return "open"
    return "settled" if settled else "goodbye"


def _goes_on(text: str, compiled: Compiled) -> bool:
    """Whether a message that takes an earlier one back has a statement in its place."""
    settled = (compiled.ignores, compiled.settled, compiled.bare, compiled.needless)
    ends = (*settled, compiled.ends, compiled.goodbyes, compiled.thanks)
    for clause in _CLAUSE.split(without_quotations(text)):
        words = quick_words(clause)
        if len(words) < LEAST_STATED:
            continue
        places = compiled.vocabulary.places(words)
        if not any(it.match(places, len(words)) for it in ends):
            return True
    return False
