"""Whether a sentence of ours is a promise: a verb of commitment, not negated, asked, conditional, or past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from .date_reading import Element, elements
from .grammar import Act, Compiled
from .templates import Places, Templates

MAX_MORE = 6  # words of a later part that may still name the time: "tomorrow, between 9 and 12"
_STRONG = frozenset({";", ":", "–", "—", "("})
_BREAKS = _STRONG | {",", ")", "…", "!", "?"}


class Part(Struct, frozen=True):
    """The words `first` up to `last` of a sentence, a part with a subject of its own."""

    first: int
    last: int
    strong: bool
    """Whether it follows a contrast or a semicolon: no condition before it reaches it."""


class Commitment(Struct, frozen=True):
    """A promise in the words `first` up to `last` of a sentence, and the times that it names."""

    act: Act
    first: int
    last: int
    times: tuple[Element, ...]


def commitments(words: Sequence[str], grammar: Compiled, *, note: bool) -> list[Commitment]:
    """The promises of one sentence, in their order."""
    if not note and _matches(grammar.reports, words, grammar):
        return []
    timed = bool(elements(words, grammar.dates))
    found = []
    for group in _groups(_parts(words, grammar)):
        if any(_matches(grammar.conditions, words[it.first : it.last], grammar) for it in group):
            continue
        for part in group:
            made = _commitment(words, part, grammar, note=note, timed=timed)
            if made is not None:
                found.append(made)
    return _joined(found, words, grammar)


def _commitment(
    words: Sequence[str], part: Part, grammar: Compiled, *, note: bool, timed: bool
) -> Commitment | None:
    own = words[part.first : part.last]
    plain, places = grammar.plain(own)
    count = len(plain)
    act = _act(grammar.promises, places, count) or (_act(grammar.timed, places, count) if timed else None)
    blocked = act is not None and grammar.blocks.match(places, count)
    if note and (act is None or blocked):
        act, blocked = _act(grammar.notes, places, count), False
    if act is None or blocked:
        return None
    return Commitment(act, part.first, part.last, tuple(elements(own, grammar.dates)))


def _act(table: Mapping[Act, Templates], places: Places, count: int) -> Act | None:
    return next((act for act, templates in table.items() if templates.match(places, count)), None)


def _matches(templates: Templates, words: Sequence[str], grammar: Compiled) -> bool:
    plain, places = grammar.plain(words)
    return templates.match(places, len(plain))


def _parts(words: Sequence[str], grammar: Compiled) -> list[Part]:
    found, first, strong = list[Part](), 0, True
    for at, word in enumerate(words):
        contrast = word in grammar.contrasts
        if not (contrast or _breaks(words, at) or _joins(words, at, grammar)):
            continue
        if at > first:
            found.append(Part(first, at, strong))
            strong = False
        strong = strong or contrast or word in _STRONG
        first = at + 1
    if len(words) > first:
        found.append(Part(first, len(words), strong))
    return found


def _breaks(words: Sequence[str], at: int) -> bool:
    between_numbers = 0 < at < len(words) - 1 and words[at - 1][:1].isdigit() and words[at + 1][:1].isdigit()
    return words[at] in _BREAKS and not between_numbers


def _joins(words: Sequence[str], at: int, grammar: Compiled) -> bool:
    return words[at] in grammar.joins and at + 1 < len(words) and words[at + 1] in grammar.subjects


def _groups(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts that a condition in one of them reaches together."""
    found: list[list[Part]] = []
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
