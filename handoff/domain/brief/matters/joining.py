"""Which matter a signal belongs to: the rules of joining."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from handoff.domain.clock import DAY, Micros

from ..packs.tokens import tokens_of
from ..signals.signal import Acts, NamedReference, Signal
from .matter import Matter, MatterState

SAME_REFERENCE_WITHIN: Micros = 30 * DAY
ONLY_ONE_WITHIN: Micros = DAY
UNANSWERED_WITHIN: Micros = 3 * DAY  # whom nobody has answered writes again
FOLLOWED_WITHIN: Micros = 14 * DAY  # by words that both share, or by "nobody has called me"
TWO_WORDS = 2  # must be shared by an ask that has a number of its own, or announces a further wish
LOOKED_AT = 20  # matters, the newest, whose words are compared
MIN_RETURNED = 15  # letters: "it is broken" sent twice is not a return
MIN_WORD = 4  # letters of a word that counts as content
FIRST_ASKS, LAST_ASKS, LAST_ANSWERS = 2, 4, 3  # of a matter, whose words are compared
SLIP = 2  # characters by which a mistyped number differs
STEM = 5  # letters by which two forms of one word are taken for the same

_AMOUNT = re.compile(r"(?<![\d.,])\d{1,6}[.,]\d{2}(?![\d.,]*\d)")


class WordReader(Protocol):
    """The content words of a message, with `plain` those that are in messages about anything too. Computed
    only where they decide."""

    def __call__(self, signal: Signal, *, plain: bool = False) -> set[str]: ...


def joining(references: Collection[NamedReference]) -> list[NamedReference]:
    return [it for it in references if it.kind == "joining"] if references else []


def in_segment(segment: Sequence[Matter], signal: Signal, words: WordReader) -> Matter | None:
    """The matter of its conversation that an ask belongs to; None where it names another one."""
    if not segment:
        return None
    last = segment[-1]
    named = joining(signal.references)
    if not named:
        further = signal.acts & Acts.ANOTHER and shared(last, signal, words) < TWO_WORDS
        return None if further else last
    for matter in reversed(segment):
        if any(matter.knows(one) for one in named):
            return matter
    if signal.acts & Acts.CORRECT:
        return last
    held = joining(last.references.values())
    first = named[0]
    other_value = any(first.label == one.label or not first.label or not one.label for one in held)
    return None if held and other_value else last


def corrects_a_slip(matter: Matter, signal: Signal) -> bool:
    """Whether an apology comes with a number that is nearly one of the matter's: "sorry, it is A-7712"."""
    if not signal.acts & Acts.APOLOGY:
        return False
    held = joining(matter.references.values())
    return any(_nearly(one.value, it.value) for it in joining(signal.references) for one in held)


def _nearly(one: str, other: str) -> bool:
    if len(one) != len(other) or one == other:
        return False
    return sum(a != b for a, b in zip(one, other, strict=True)) <= SLIP


def elsewhere(matters: Sequence[Matter], signal: Signal, words: WordReader) -> Matter | None:
    """The matter of another conversation that an ask joins, by the first rule that applies."""
    if signal.handoff or signal.callback:
        for matter in reversed(matters):
            if signal.callback and matter.last_callback == signal.callback:
                return matter
    named = joining(signal.references)
    if named:
        for matter in reversed(matters):
            recent = signal.at - matter.touched_at <= SAME_REFERENCE_WITHIN
            if recent and any(matter.knows(one) for one in named):
                return matter
    alive = [it for it in matters if it.unsettled and signal.at - it.touched_at <= FOLLOWED_WITHIN]
    alive = [it for it in alive if not _contradicts(it, signal.references)]
    if named and not signal.acts & Acts.CORRECT:
        alive = [it for it in alive if not _other_number(it, named)]
        followed = _newest(alive) if signal.acts & Acts.FOLLOW else None
        found = same_words(alive, signal, words, TWO_WORDS) or followed
        return found or _only_unnumbered(matters, signal)
    return same_words(alive, signal, words) or _only_one(alive, matters, signal)


def _newest(alive: Sequence[Matter]) -> Matter | None:
    return max(alive, key=lambda it: it.touched_at, default=None)


def _other_number(matter: Matter, named: Sequence[NamedReference]) -> bool:
    """Whether a matter has a number of the kind that an ask names; an order may have a ticket too."""
    held = joining(matter.references.values())
    return any(not (one.label and it.label) or one.label == it.label for one in held for it in named)


def _only_unnumbered(matters: Sequence[Matter], signal: Signal) -> Matter | None:
    """The only matter of late, if it has no number yet: a form or a call without words, or what is now
    named by the number of a case of ours."""
    near = [it for it in matters if it.unsettled and _near(it, signal)]
    if len(near) != 1 or joining(near[0].references.values()):
        return None
    if near[0].keys and not signal.acts & Acts.CASED:
        return None
    return None if _contradicts(near[0], signal.references) else near[0]


def same_words(matters: Sequence[Matter], signal: Signal, words: WordReader, least: int = 1) -> Matter | None:
    """The one matter that shares most words with an ask; None where none does, or several equally. One
    word is enough on the same day."""
    counts = [(shared(it, signal, words), it) for it in matters[-LOOKED_AT:]]
    counts = [
        (count, it)
        for count, it in counts
        if count >= (1 if signal.at - it.touched_at <= ONLY_ONE_WITHIN else least)
    ]
    most = max((count for count, _it in counts), default=0)
    best = [it for count, it in counts if count == most] if most else []
    return best[0] if len(best) == 1 else None


def _only_one(alive: Sequence[Matter], matters: Sequence[Matter], signal: Signal) -> Matter | None:
    """The matter that an ask without a number or a shared word is about, because it can be no other."""
    if signal.acts & Acts.FOLLOW:
        return _newest(alive)
    if signal.acts & Acts.ALSO:
        return None
    near = [it for it in matters if it.unsettled and _near(it, signal)]
    return near[0] if len(near) == 1 and near[0] in alive else None


def _near(matter: Matter, signal: Signal) -> bool:
    unanswered = matter.waits and not matter.answers
    return signal.at - matter.touched_at <= (UNANSWERED_WITHIN if unanswered else ONLY_ONE_WITHIN)


def shared(matter: Matter, signal: Signal, words: WordReader) -> int:
    """How many content words an ask shares with the messages of a matter."""
    theirs = words(signal)
    if not theirs:
        return 0
    asks = [it.signal for it in (*matter.asks[:FIRST_ASKS], *matter.asks[FIRST_ASKS:][-LAST_ASKS:])]
    answers = matter.answers[-LAST_ANSWERS:]
    known = set[str]().union(*(words(it) for it in (*asks, *answers)))
    known.update(*(content_words(it.name, frozenset()) for it in answers))
    return len(known & theirs)


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


def amounts(text: str) -> list[str]:
    """Amounts with cents: two messages about the same are about one matter."""
    return [it.replace(",", ".") for it in _AMOUNT.findall(text[:400])]
