"""Our side of a matter: answers, talks, notes and ends of conversations, and which matters they are about."""

from __future__ import annotations

from handoff.domain.clock import HOUR, Micros

from ..signals.signal import Acts, Signal
from .folded import Folded, by_reference
from .joining import joining
from .matter import Matter

NOTED_WITHIN: Micros = HOUR  # of a call back, a note about it


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
        by_name = by_name or [one for one in by_reference(folded, named) if one.unsettled]
        if by_name:
            return by_name
    if here:
        return here
    waiting = [one for one in folded.matters if one.waits]
    sure = [one for one in waiting if not one.claimed] or waiting
    return sure if len(sure) == 1 else []


def answer(folded: Folded, signal: Signal) -> None:
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
    """A talk or an answer ends the wait that a failed form or a call in vain before it started."""
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


def pending(folded: Folded, signal: Signal) -> None:
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


def resolve(folded: Folded, signal: Signal) -> None:
    how = "handoff" if signal.handoff else "resolved"
    for matter in folded.by_conversation.get(signal.conversation, ()):
        if (
            matter.unsettled
            and matter.last_conversation == signal.conversation
            and matter.touched_at <= signal.at
        ):
            matter.settle(signal, how)
            _end_claims(folded, matter, signal)


def ours(folded: Folded, signal: Signal) -> None:
    here = _targets(folded, signal)
    for matter in here[-1:] if signal.acts & Acts.MACHINE else here:
        if signal.acts & Acts.HOLD:
            matter.held = signal
        elif signal.acts & Acts.MACHINE:
            matter.steps.append(signal)
    if signal.acts & Acts.MACHINE and not here:
        folded.steps.append(signal)
