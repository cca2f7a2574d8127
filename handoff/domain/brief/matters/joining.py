"""Which matter a signal belongs to: the rules of joining."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from handoff.domain.clock import DAY, Micros

from ..packs.tokens import tokens_of
from ..signals.signal import Acts, NamedReference, Signal
from .matter import Matter, MatterState

SAME_REFERENCE_WITHIN: Micros = 30 * DAY
ONLY_ONE_WITHIN: Micros = DAY
MIN_RETURNED = 15  # letters: "it is broken" said twice is no return of the same words
MIN_WORD = 4  # letters of a word that says what something is about
SHARED_ASKS = 5  # of a matter, the newest, whose words are compared
STEM = 5  # letters by which two forms of one word are taken for the same

Words = Callable[[Signal], set[str]]
"""The words that say what an ask is about; made only where they decide."""


def joining(references: Iterable[NamedReference]) -> list[NamedReference]:
    return [it for it in references if it.kind == "joining"]


def in_segment(segment: Sequence[Matter], it: Signal) -> Matter | None:
    """The matter of its conversation that an ask belongs to; None where it names another one."""
    if not segment:
        return None
    named = joining(it.references)
    for matter in reversed(segment):
        if any(matter.named(one) for one in named):
            return matter
    if it.acts & Acts.CORRECT or not named:
        return segment[-1]
    last = segment[-1]
    held = joining(last.references.values())
    first = named[0]
    other_value = any(first.label == one.label or not first.label or not one.label for one in held)
    return None if held and other_value else last


def elsewhere(matters: Sequence[Matter], it: Signal, words: Words) -> Matter | None:
    """The matter of another conversation that an ask joins, by the first rule that applies."""
    if it.handoff or it.callback:
        for matter in reversed(matters):
            if it.callback and matter.last_callback == it.callback:
                return matter
    named = joining(it.references)
    for matter in reversed(matters):
        recent = it.at - matter.touched_at <= SAME_REFERENCE_WITHIN
        if recent and any(matter.named(one) for one in named):
            return matter
    alive = [
        matter for matter in matters if matter.unsettled and it.at - matter.touched_at <= ONLY_ONE_WITHIN
    ]
    if len(alive) != 1:
        return None
    (only,) = alive
    if _contradicts(only, it.references):
        return None
    if not named or (not joining(only.references.values()) and _about_the_same(only, it, words)):
        return only
    return None


def _about_the_same(matter: Matter, it: Signal, words: Words) -> bool:
    known = set[str]().union(*(words(ask.signal) for ask in matter.asks[-SHARED_ASKS:]))
    return bool(known & words(it))


def _contradicts(matter: Matter, references: Iterable[NamedReference]) -> bool:
    """Whether both name a contract or account, and not the same."""
    for it in references:
        if it.kind == "separating":
            held = [
                one for one in matter.references.values() if one.kind == it.kind and one.label == it.label
            ]
            if held and all(one.value != it.value for one in held):
                return True
    return False


def returned(matters: Sequence[Matter], it: Signal) -> Matter | None:
    """The settled matter that was about the same words."""
    if len(it.key) < MIN_RETURNED:
        return None
    return next(
        (one for one in reversed(matters) if one.state is MatterState.SETTLED and it.key in one.keys), None
    )


def content_words(text: str, common: frozenset[str]) -> set[str]:
    """Beginnings of the words that say what a text is about."""
    return {
        token[:STEM]
        for token in tokens_of(text[:400])
        if len(token) >= MIN_WORD and token.isalpha() and token not in common
    }
