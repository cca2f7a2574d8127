"""The customer's side of a matter: they ask, ask for news, or end it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import msgspec

from handoff.domain.clock import DAY, MINUTE, Micros

from ..signals.signal import Acts, Signal
from .folded import Folded, by_reference
from .joining import (
    WordReader,
    corrects_a_slip,
    elsewhere,
    in_segment,
    joining,
    returned,
    same_words,
    shared,
)
from .matter import DORMANT_AFTER, Matter

SILENCE: Micros = 14 * DAY  # after which a conversation is about something new
STEPS_BEFORE: Micros = 30 * MINUTE  # self-service before a question belongs to it
NEWEST = 200  # matters of one sender that an ask may join without naming one of them
LONGEST: Micros = 90 * DAY  # after which nothing is joined or comes back


def customer(folded: Folded, signal: Signal, words: WordReader) -> None:
    acts = signal.acts
    if acts & Acts.ASK:
        _ask(folded, signal, words)
        return
    matter = _withdrawn(folded, signal, words) if acts & Acts.WITHDRAW else None
    matter = matter or _current(folded, signal)
    if acts & Acts.NUDGE:
        _nudge(folded, signal, matter or _newest_alive(folded, signal))
    elif matter is None or not matter.unsettled:
        return
    elif acts & Acts.WITHDRAW:
        matter.settle(signal, "withdrawn")
    elif acts & Acts.CLOSE and matter.answers and not matter.waits:
        matter.confirmed = signal


def _current(folded: Folded, signal: Signal) -> Matter | None:
    """The matter that a word without content is about: its conversation's, else the only live one."""
    segment = folded.segments.get((signal.conversation, signal.claimed))
    if segment:
        alive = [one for one in segment if one.unsettled]
        return (alive or segment)[-1]
    whose = signal.whose if signal.claimed else ""
    since = signal.at - DAY
    alive = [
        one
        for one in folded.matters
        if one.touched_at > since and one.unsettled and (one.claimed, one.whose) == (signal.claimed, whose)
    ]
    return alive[0] if len(alive) == 1 else None


def _withdrawn(folded: Folded, signal: Signal, words: WordReader) -> Matter | None:
    """The matter that a withdrawal names, where several could be meant: "ignore my mail about the SIM"."""
    whose = signal.whose if signal.claimed else ""
    since = signal.at - DORMANT_AFTER
    alive = [
        one
        for one in folded.matters
        if one.touched_at >= since and one.unsettled and (one.claimed, one.whose) == (signal.claimed, whose)
    ]
    if len(alive) < 2:
        return None
    named = [one for one in alive if any(one.knows(ref) for ref in joining(signal.references))]
    return named[-1] if named else same_words(alive, signal, words)


def _nudge(folded: Folded, signal: Signal, matter: Matter | None) -> None:
    """Somebody whose only word is "hello?" waits too, unless something was settled before."""
    if matter is None and not folded.matters:
        matter = _opened(folded, signal, None)
        matter.opened_at = signal.at
        matter.touch(signal)
        folded.by_conversation.setdefault(signal.conversation, []).append(matter)
        folded.segments[signal.conversation, signal.claimed] = [matter]
        folded.last_in[signal.conversation, signal.claimed] = signal.at
    if matter is None:
        folded.loose_nudges.append(signal)
    else:
        matter.nudge(signal)


def _newest_alive(folded: Folded, signal: Signal) -> Matter | None:
    """The matter that "any news?" in a new conversation is about: of those that wait, else of those that
    are not settled, the one that was touched last."""
    whose = signal.whose if signal.claimed else ""
    since = signal.at - DORMANT_AFTER
    alive = [
        one
        for one in folded.matters
        if one.touched_at >= since and one.unsettled and (one.claimed, one.whose) == (signal.claimed, whose)
    ]
    return max(alive, key=lambda one: (bool(one.waits), one.touched_at), default=None)


def _ask(folded: Folded, recorded: Signal, words: WordReader) -> None:
    signal = recorded  # the matter keeps this one, as checkpoints do
    named = (signal.conversation, signal.claimed)
    segment = folded.segments.get(named, [])
    before = folded.last_in.get(named)
    if before is not None and signal.at - before > SILENCE:
        segment = [one for one in segment if one.unsettled and shared(one, signal, words)]
    if signal.acts & (Acts.SCORE | Acts.ACCEPTS) and segment and _just_settled(segment[-1], signal):
        return  # the score that a survey asked for, or thanks in more words
    segment = [one for one in segment if one.unsettled]
    if segment and corrects_a_slip(segment[-1], signal):
        signal = msgspec.structs.replace(signal, acts=signal.acts | Acts.CORRECT)
    matter = in_segment(segment, signal, words)
    if matter is None:
        back = returned(_others(folded.by_key.get(signal.key, ()), signal, segment), signal)
        matter = None if back else _joined(folded, signal, segment, words)
        if matter is None:
            matter = _opened(folded, signal, back)
    if matter.claimed and not matter.about:
        matter.about = _seems_about(folded, signal, words)
    if signal.references:
        _attach_references(folded, matter, signal)
    matter.take_ask(recorded, adds=_adds(matter, signal, words))
    _file_words(folded, matter, signal.key)
    there = folded.by_conversation.setdefault(signal.conversation, [])
    if matter not in there:
        there.append(matter)
    folded.segments[named] = [*(one for one in segment if one is not matter), matter][-NEWEST:]
    folded.last_in[named] = signal.at
    if folded.steps:
        _attach_steps(folded, matter, signal)


def _adds(matter: Matter, signal: Signal, words: WordReader) -> bool:
    """Whether an ask only accepts the last answer, in words of that or in few ("great, Wednesday is fine"),
    or is a form sent soon after it."""
    if signal.acts & Acts.FORM:
        return bool(matter.answers)
    if not signal.acts & Acts.INFORM or not matter.answers:
        return False
    if signal.acts & Acts.ACCEPTS:
        return True
    return not words(matter.answers[-1], plain=True).isdisjoint(words(signal, plain=True))


def _joined(folded: Folded, signal: Signal, segment: Sequence[Matter], words: WordReader) -> Matter | None:
    """The matter of another conversation that an ask belongs to. Beside other matters of its own
    conversation it must name it, or announce a further wish in the words of it."""
    if not segment:
        near = _others(folded.matters, signal, segment)
        named = _others(_named(folded, signal), signal, segment)
        if near and named:  # however many matters came since
            named = [one for one in named if one.number < near[0].number]
        return elsewhere([*named, *near], signal, words)
    if signal.acts & Acts.ANOTHER and not joining(signal.references):
        others = _others(folded.matters, signal, segment)
        return same_words([one for one in others if one.unsettled], signal, words)
    return elsewhere(_others(_named(folded, signal), signal, segment), signal, words)


def _seems_about(folded: Folded, signal: Signal, words: WordReader) -> int:
    """The number of the proved matter that a claimed ask seems to be about."""
    if not signal.claimed or signal.doubted or not signal.key:
        return 0
    proved = (
        one for one in reversed(folded.matters) if not one.claimed and signal.at - one.touched_at <= LONGEST
    )
    found = elsewhere([*islice(proved, NEWEST)][::-1], signal, words)
    return found.number if found is not None and found.unsettled else 0


def _just_settled(matter: Matter, signal: Signal) -> bool:
    return matter.settled is not None and signal.at - matter.settled.at < DAY


def _file_words(folded: Folded, matter: Matter, key: str) -> None:
    """Note that a matter was about these words."""
    known = folded.by_key.get(key)
    if known is None:
        folded.by_key[key] = [matter]
    elif matter not in known:
        known.append(matter)
        known.sort(key=_number)


def _number(matter: Matter) -> int:
    return matter.number


def _others(matters: Sequence[Matter], signal: Signal, segment: Sequence[Matter]) -> list[Matter]:
    """Those of the same sender outside a segment that an ask may join or return to."""
    whose = signal.whose if signal.claimed else ""
    oldest = signal.at - LONGEST
    here = {one.number for one in segment}
    newest = (
        one
        for one in reversed(matters)
        if one.touched_at >= oldest
        and one.claimed == signal.claimed
        and one.whose == whose
        and one.number not in here
    )
    return [*islice(newest, NEWEST)][::-1]


def _named(folded: Folded, signal: Signal) -> list[Matter]:
    """Those that an ask names itself: beside other matters of its conversation nothing else joins."""
    return by_reference(folded, joining(signal.references))


def _opened(folded: Folded, signal: Signal, back: Matter | None) -> Matter:
    number = len(folded.matters) + 1
    matter = Matter(number=number, claimed=signal.claimed, whose=signal.whose if signal.claimed else "")
    if back is not None:
        matter.returned = back.returned + 1
    folded.matters.append(matter)
    return matter


def _attach_references(folded: Folded, matter: Matter, signal: Signal) -> None:
    named = {it.value for it in signal.references if matter.named(it)}
    corrected: set[str] = set()
    for reference in signal.references:
        corrects = False
        if signal.acts & Acts.CORRECT:
            if reference.shape in corrected or (
                reference.value in named and len(named) < len(signal.references)
            ):
                continue  # "A-71, not A-17": the number that is wrong
            corrected.add(reference.shape)
            corrects = not matter.named(reference) and matter.correct(reference)
        if not corrects:
            if reference.kind == "attribute":
                continue
            matter.references.setdefault(reference.value, reference)
        known = folded.by_reference.setdefault(reference.value, [])
        if matter not in known:
            known.append(matter)


def _attach_steps(folded: Folded, matter: Matter, signal: Signal) -> None:
    """Attach to a question the self-service steps shortly before it."""
    near = [step for step in folded.steps if 0 <= signal.at - step.at <= STEPS_BEFORE]
    if near:
        matter.steps += near
        folded.steps = [step for step in folded.steps if step not in near]
