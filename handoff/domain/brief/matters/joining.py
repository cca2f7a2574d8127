"""Which matter a signal belongs to: the rules of joining."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from handoff.domain.clock import DAY, Micros

from ..packs.tokens import tokens_of
from ..signals.signal import Acts, NamedReference, Signal
from .matter import Matter, MatterState

SAME_REFERENCE_WITHIN: Micros = 30 * DAY
ONLY_ONE_WITHIN: Micros = DAY
MIN_RETURNED = 15  # letters: "it is broken" sent twice is not a return
MIN_WORD = 4  # letters of a word that counts as content
SHARED_ASKS = 5  # of a matter, the newest, whose words are compared
STEM = 5  # letters by which two forms of one word are taken for the same

Words = Callable[[Signal], set[str]]
"""The content words of an ask; computed only where they decide."""


def joining(references: Collection[NamedReference]) -> list[NamedReference]:
    return [it for it in references if it.kind == "joining"] if references else []


def in_segment(segment: Sequence[Matter], signal: Signal) -> Matter | None:
    """The matter of its conversation that an ask belongs to; None where it names another one."""
    if not segment:
        return None
    named = joining(signal.references)
    if not named:
        return segment[-1]
    for matter in reversed(segment):
        if any(matter.named(one) for one in named):
            return matter
    if signal.acts & Acts.CORRECT:
        return segment[-1]
    last = segment[-1]
    held = joining(last.references.values())
    first = named[0]
    other_value = any(first.label == one.label or not first.label or not one.label for one in held)
    return None if held and other_value else last


def elsewhere(matters: Sequence[Matter], signal: Signal, words: Words) -> Matter | None:
    """The matter of another conversation that an ask joins, by the first rule that applies."""
    if signal.handoff or signal.callback:
        for matter in reversed(matters):
            if signal.callback and matter.last_callback == signal.callback:
                return matter
    named = joining(signal.references)
    if named:
        for matter in reversed(matters):
            recent = signal.at - matter.touched_at <= SAME_REFERENCE_WITHIN
            if recent and any(matter.named(one) for one in named):
                return matter
    since = signal.at - ONLY_ONE_WITHIN
    alive = [matter for matter in matters if matter.touched_at >= since and matter.unsettled]
    if len(alive) != 1:
        return None
    (only,) = alive
    if _contradicts(only, signal.references):
        return None
    if not named or signal.acts & Acts.CORRECT:
        return only
    return only if not joining(only.references.values()) and _about_the_same(only, signal, words) else None


def _about_the_same(matter: Matter, signal: Signal, words: Words) -> bool:
    known = set[str]().union(*(words(ask.signal) for ask in matter.asks[-SHARED_ASKS:]))
    return bool(known & words(signal))


def _contradicts(matter: Matter, references: Iterable[NamedReference]) -> bool:
    """Whether both name a contract or account, and not the same."""
    for reference in references:
        if reference.kind == "separating":
            held = [
                one
                for one in matter.references.values()
                if one.kind == reference.kind and one.label == reference.label
            ]
            if held and all(one.value != reference.value for one in held):
                return True
    return False


def returned(matters: Sequence[Matter], signal: Signal) -> Matter | None:
    """The settled matter that was about the same words."""
    if len(signal.key) < MIN_RETURNED:
        return None
    return next(
        (one for one in reversed(matters) if one.state is MatterState.SETTLED and signal.key in one.keys),
        None,
    )


def content_words(text: str, common: frozenset[str]) -> set[str]:
    """Beginnings of the content words of a text."""
    return {
        token[:STEM]
        for token in tokens_of(text[:400])
        if len(token) >= MIN_WORD and token.isalpha() and token not in common
    }
