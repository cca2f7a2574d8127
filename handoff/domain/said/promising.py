"""Whether a sentence of ours is a promise: a verb of commitment, not negated, asked, conditional, or past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from .date_reading import Element, elements
from .grammar import Compiled, PromisedAct
from .templates import Places, Templates

MAX_MORE = 6  # words of a later part that may still name the time: "tomorrow, between 9 and 12"
_STRONG = frozenset({";", ":", "–", "—", "("})
_BREAKS = _STRONG | {",", ")", "…", "!", "?"}


class SentencePart(Struct, frozen=True):
    """The words `first` up to `last` of a sentence, a part with a subject of its own."""

    first: int
    last: int
    strong: bool
    """Whether it follows a contrast or a semicolon: no condition before it reaches it."""


class Commitment(Struct, frozen=True):
    """A promise in the words `first` up to `last` of a sentence, and the times that it names."""

    act: PromisedAct
    first: int
    last: int
    times: tuple[Element, ...]


def commitments(stated: Sequence[str], grammar: Compiled, *, note: bool) -> list[Commitment]:
    """The promises of one sentence, in their order."""
    kept, places = grammar.plain(stated)
    count = len(kept)
    if not _possible(grammar, places, note=note) or (not note and grammar.reports.match(places, count)):
        return []
    words = [stated[it] for it in kept]
    timed = bool(elements(stated, grammar.dates))
    found = []
    for part, places in _unconditional(words, grammar):
        act = _act_of(grammar, places, part.last - part.first, note=note, timed=timed)
        if act is not None:
            first, last = kept[part.first], kept[part.last - 1] + 1
            times = tuple(elements(stated[first:last], grammar.dates))
            found.append(Commitment(act, first, last, times))
    return _joined(found, stated, grammar)


def uttered_parts(
    stated: Sequence[str], grammar: Compiled, *, note: bool
) -> Iterator[tuple[SentencePart, Places]]:
    """The parts of a sentence without a condition, unless it reports the words of others."""
    kept, places = grammar.plain(stated)
    if note or not grammar.reports.match(places, len(kept)):
        yield from _unconditional([stated[it] for it in kept], grammar)


def _unconditional(words: Sequence[str], grammar: Compiled) -> Iterator[tuple[SentencePart, Places]]:
    for group in _groups(_parts(words, grammar)):
        read = [(it, grammar.vocabulary.places(words[it.first : it.last])) for it in group]
        if not any(grammar.conditions.match(it, part.last - part.first) for part, it in read):
            yield from read


def _possible(grammar: Compiled, places: Places, *, note: bool) -> bool:
    tables = (grammar.promises, grammar.timed, grammar.notes) if note else (grammar.promises, grammar.timed)
    return any(it.possible(places) for table in tables for it in table.values())


def _act_of(grammar: Compiled, places: Places, count: int, *, note: bool, timed: bool) -> PromisedAct | None:
    """The act that a part of a sentence promises."""
    act = _act(grammar.promises, places, count) or (_act(grammar.timed, places, count) if timed else None)
    if act is not None and not grammar.blocks.match(places, count):
        return act
    return _act(grammar.notes, places, count) if note else None


def _act(table: Mapping[PromisedAct, Templates], places: Places, count: int) -> PromisedAct | None:
    return next((act for act, templates in table.items() if templates.match(places, count)), None)


def _parts(words: Sequence[str], grammar: Compiled) -> list[SentencePart]:
    found, first, strong = list[SentencePart](), 0, True
    for at, word in enumerate(words):
        contrast = word in grammar.contrasts
        if not (contrast or _breaks(words, at) or _joins(words, at, grammar)):
            continue
        if at > first:
            found.append(SentencePart(first, at, strong))
            strong = False
        strong = strong or contrast or word in _STRONG
        first = at + 1
    if len(words) > first:
        found.append(SentencePart(first, len(words), strong))
    return found


def _breaks(words: Sequence[str], at: int) -> bool:
    between_numbers = 0 < at < len(words) - 1 and words[at - 1][:1].isdigit() and words[at + 1][:1].isdigit()
    return words[at] in _BREAKS and not between_numbers


def _joins(words: Sequence[str], at: int, grammar: Compiled) -> bool:
    return words[at] in grammar.joins and at + 1 < len(words) and words[at + 1] in grammar.subjects


def _groups(parts: Sequence[SentencePart]) -> list[list[SentencePart]]:
    """Parts that a condition in one of them reaches together."""
    found: list[list[SentencePart]] = []
    for part in parts:
        if part.strong or not found:
            found.append([part])
        else:
            found[-1].append(part)
    return found


def _joined(found: Sequence[Commitment], words: Sequence[str], grammar: Compiled) -> list[Commitment]:
    """Two promises with a time each are two; otherwise a sentence is one promise, with all its times."""
    own = [it for it in found if it.times]
    if len(own) >= 2:
        return own
    if not found:
        return []
    chosen = own[0] if own else found[0]
    times = _with_more(chosen, words, grammar) if own else tuple(elements(words, grammar.dates))
    return [Commitment(chosen.act if own else found[0].act, 0, len(words), times)]


def _with_more(chosen: Commitment, words: Sequence[str], grammar: Compiled) -> tuple[Element, ...]:
    """The times of a promise, with those of the short parts right after it."""
    last = chosen.last
    for part in _parts(words, grammar):
        if part.first >= last and part.last - part.first <= MAX_MORE and not part.strong:
            last = part.last
    return tuple(elements(words[chosen.first : last], grammar.dates))
