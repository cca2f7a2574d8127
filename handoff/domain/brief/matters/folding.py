"""The fold: signals in the order of their places become matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, field

from handoff.domain.clock import DAY, HOUR, MINUTE, Micros

from ..signals.signal import Acts, NamedReference, Signal, Speaker
from ..steps import Steps
from .joining import (
    Words,
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
NOTED_WITHIN: Micros = HOUR  # of a call back, a note about it
LONGEST: Micros = 90 * DAY  # after which nothing is joined or comes back


class Folded(Struct, kw_only=True):
    """The matters of a customer, in the order in which they were opened, and what belongs to none."""

    matters: list[Matter] = field(default_factory=list)
    unclear: list[Signal] = field(default_factory=list)
    """Messages from our people that could be about several matters."""
    steps: list[Signal] = field(default_factory=list)
    """Self-service that belongs to no matter yet."""
    transfers: list[Signal] = field(default_factory=list)
    talks: list[Signal] = field(default_factory=list)
    loose_nudges: list[Signal] = field(default_factory=list)
    by_reference: dict[str, list[Matter]] = field(default_factory=dict)
    """Matters that have or had a reference, by its value."""
    by_key: dict[str, list[Matter]] = field(default_factory=dict)
    """Matters in their order, by the words of their asks."""
    by_conversation: dict[str, list[Matter]] = field(default_factory=dict)
    segments: dict[tuple[str, bool], list[Matter]] = field(default_factory=dict)
    last_in: dict[tuple[str, bool], Micros] = field(default_factory=dict)


_RANK = (
    (Acts.RESOLVE, 0),
    (Acts.WITHDRAW, 1),
    (Acts.ANSWER | Acts.TALK, 2),
    (Acts.CLOSE, 3),
    (Acts.ASK, 4),
)
"""Of what happened at one time, what counts first is applied last."""


def taking_all(folded: Folded, signals: Iterable[Signal], words: Words) -> Steps[None]:
    """Apply signals that are later than all before them."""
    for signal in _ranked(signals):
        take(folded, signal, words)
        yield


def _ranked(signals: Iterable[Signal]) -> list[Signal]:
    found = list(signals)
    before = None
    for signal in found:
        if before is not None and signal.at <= before:
            found.sort(key=lambda it: (it.at, -_rank(it.acts)))
            break
        before = signal.at
    return found


def _rank(acts: int) -> int:
    return next((rank for act, rank in _RANK if acts & act), 5)


def take(folded: Folded, signal: Signal, words: Words) -> None:
    """Apply one signal."""
    acts = signal.acts
    if acts & Acts.STEP:
        folded.steps = [one for one in folded.steps if signal.at - one.at <= STEPS_BEFORE]
        folded.steps.append(signal)
    elif acts & (Acts.TALK | Acts.ANSWER):
        _answer(folded, signal)
    elif acts & Acts.RESOLVE:
        _resolve(folded, signal)
    elif acts & Acts.PENDING:
        _pending(folded, signal)
    elif acts & (Acts.HOLD | Acts.ATTEMPT | Acts.MACHINE) and signal.speaker is not Speaker.CUSTOMER:
        _ours(folded, signal)
    elif signal.speaker is Speaker.CUSTOMER:
        _customer(folded, signal, words)


# --- The customer ---


def _customer(folded: Folded, signal: Signal, words: Words) -> None:
    acts = signal.acts
    if acts & Acts.ASK:
        _ask(folded, signal, words)
        return
    matter = _current(folded, signal)
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


def _ask(folded: Folded, signal: Signal, words: Words) -> None:
    named = (signal.conversation, signal.claimed)
    segment = folded.segments.get(named, [])
    before = folded.last_in.get(named)
    if before is not None and signal.at - before > SILENCE:
        segment = [one for one in segment if one.unsettled and shared(one, signal, words)]
    if signal.acts & Acts.SCORE and segment and _just_settled(segment[-1], signal):
        return  # the score that a survey asked for
    segment = [one for one in segment if one.unsettled]
    if segment and corrects_a_slip(segment[-1], signal):
        signal = msgspec.structs.replace(signal, acts=signal.acts | Acts.CORRECT)
    matter = in_segment(segment, signal, words)
    if matter is None:
        back = returned(_others(folded.by_key.get(signal.key, ()), signal, segment), signal)
        matter = None if back else _joined(folded, signal, segment, words)
        if matter is None:
            matter = _opened(folded, signal, back)
            matter.about = _seems_about(folded, signal, words)
    if signal.references:
        _attach_references(folded, matter, signal)
    if signal.acts & Acts.INFORM and not (matter.answers and words(matter.answers[-1]) & words(signal)):
        signal = msgspec.structs.replace(signal, acts=signal.acts & ~Acts.INFORM)
    matter.take_ask(signal)
    _file_words(folded, matter, signal.key)
    there = folded.by_conversation.setdefault(signal.conversation, [])
    if matter not in there:
        there.append(matter)
    folded.segments[named] = [*(one for one in segment if one is not matter), matter]
    folded.last_in[named] = signal.at
    if folded.steps:
        _attach_steps(folded, matter, signal)


def _joined(folded: Folded, signal: Signal, segment: Sequence[Matter], words: Words) -> Matter | None:
    """The matter of another conversation that an ask belongs to. Beside other matters of its own
    conversation it must name it, or announce a further wish in the words of it."""
    if not segment:
        return elsewhere(_others(folded.matters, signal, segment), signal, words)
    if signal.acts & Acts.ANOTHER and not joining(signal.references):
        others = _others(folded.matters, signal, segment)
        return same_words([one for one in others if one.unsettled], signal, words)
    return elsewhere(_others(_named(folded, signal), signal, segment), signal, words)


def _seems_about(folded: Folded, signal: Signal, words: Words) -> int:
    """The number of the proved matter that a claimed ask seems to be about."""
    if not signal.claimed or signal.doubted or not signal.key:
        return 0
    proved = [one for one in folded.matters if not one.claimed and signal.at - one.touched_at <= LONGEST]
    found = elsewhere(proved, signal, words)
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


def _others(matters: Iterable[Matter], signal: Signal, segment: Sequence[Matter]) -> list[Matter]:
    """Those of the same sender outside a segment that an ask may join or return to."""
    whose = signal.whose if signal.claimed else ""
    oldest = signal.at - LONGEST
    return [
        one
        for one in matters
        if one.touched_at >= oldest
        and one.claimed == signal.claimed
        and one.whose == whose
        and one not in segment
    ]


def _named(folded: Folded, signal: Signal) -> list[Matter]:
    """Those that an ask names itself: beside other matters of its conversation nothing else joins."""
    return _by_reference(folded, joining(signal.references))


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


# --- We ---


def _targets(folded: Folded, signal: Signal) -> list[Matter]:
    """The matters that one of our messages is about."""
    here = [one for one in folded.by_conversation.get(signal.conversation, ()) if one.unsettled]
    if signal.callback:
        here = here or [
            one for one in folded.matters if one.last_callback == signal.callback and one.unsettled
        ]
    named = [ref for ref in signal.references if ref.kind != "attribute"]
    if named:
        by_name = [one for one in here if any(one.knows(ref) for ref in named)]
        by_name = by_name or [one for one in _by_reference(folded, named) if one.unsettled]
        if by_name:
            return by_name
    if here:
        return here
    waiting = [one for one in folded.matters if one.waits]
    sure = [one for one in waiting if not one.claimed] or waiting
    return sure if len(sure) == 1 else []


def _by_reference(folded: Folded, references: Iterable[NamedReference]) -> list[Matter]:
    """The matters of any conversation that have one of these references, in their order."""
    found = {
        one.number: one
        for ref in references
        for one in folded.by_reference.get(ref.value, ())
        if one.knows(ref)
    }
    return [found[number] for number in sorted(found)]


def _answer(folded: Folded, signal: Signal) -> None:
    if signal.acts & Acts.TALK:
        folded.talks.append(signal)
        _end_attempts(folded, signal)
    targets = _targets(folded, signal)
    if signal.acts & Acts.RESOLVE:
        settled = [one for one in targets if _ends_there(one, signal)]
        for matter in settled:
            matter.answer(signal)
            if not matter.waits:
                matter.settle(signal, "callback")
                _end_claims(folded, matter, signal)
        targets = [one for one in targets if one not in settled]
        if settled and not targets:
            return
    for matter in targets:
        matter.answer(signal)
        for claim in _claims_about(folded, matter):
            claim.answer(signal)
    if len(targets) == 1:
        _file_given(folded, targets[0], signal)
    if not targets and any(one.waits for one in folded.matters):
        folded.unclear.append(signal)


def _end_attempts(folded: Folded, signal: Signal) -> None:
    """A talk ends the wait that a failed form or a call in vain before it started."""
    for matter in folded.matters:
        if matter.waits and all(ask.signal.acts & Acts.TRIED for ask in matter.asks):
            matter.answer(signal)


def _file_given(folded: Folded, matter: Matter, signal: Signal) -> None:
    """Note that an answer in a matter named these references."""
    for reference in joining(signal.references):
        known = folded.by_reference.setdefault(reference.value, [])
        if matter not in known:
            known.append(matter)


def _claims_about(folded: Folded, matter: Matter) -> list[Matter]:
    return [one for one in folded.matters[matter.number :] if one.about == matter.number and one.unsettled]


def _end_claims(folded: Folded, matter: Matter, signal: Signal) -> None:
    """Claims about a matter end with it."""
    for claim in _claims_about(folded, matter):
        if claim.touched_at <= signal.at:
            claim.settle(signal, matter.how)


def _pending(folded: Folded, signal: Signal) -> None:
    """A note right after a call back states that something is open: the call back answered, no more."""
    for matter in reversed(folded.matters):
        end = matter.settled
        if end is not None and matter.how == "callback" and 0 <= signal.at - end.at <= NOTED_WITHIN:
            matter.unsettle()
            return


def _ends_there(matter: Matter, signal: Signal) -> bool:
    """Whether the customer's last word in a matter was the call back that is now made."""
    if signal.callback:
        return matter.last_callback == signal.callback
    return matter.last_conversation == signal.conversation


def _resolve(folded: Folded, signal: Signal) -> None:
    how = "handoff" if signal.handoff else "resolved"
    for matter in folded.by_conversation.get(signal.conversation, ()):
        if (
            matter.unsettled
            and matter.last_conversation == signal.conversation
            and matter.touched_at <= signal.at
        ):
            matter.settle(signal, how)
            _end_claims(folded, matter, signal)


def _ours(folded: Folded, signal: Signal) -> None:
    if signal.acts & Acts.TRANSFER:
        folded.transfers.append(signal)
    here = _targets(folded, signal)
    for matter in here[-1:] if signal.acts & Acts.MACHINE else here:
        if signal.acts & Acts.HOLD:
            matter.held = signal
        elif signal.acts & Acts.MACHINE:
            matter.steps.append(signal)
    if signal.acts & Acts.MACHINE and not here:
        folded.steps.append(signal)
