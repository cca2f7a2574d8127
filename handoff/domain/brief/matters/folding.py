"""The fold: signals in the order of their places become matters."""

from __future__ import annotations

from collections.abc import Iterable

from ..signals.signal import Acts, Signal, Speaker
from ..steps import Steps
from .asking import STEPS_BEFORE, customer
from .folded import Folded
from .joining import WordReader
from .serving import answer, ours, pending, resolve

_RANK = (
    (Acts.RESOLVE, 0),
    (Acts.WITHDRAW, 1),
    (Acts.ANSWER | Acts.TALK, 2),
    (Acts.CLOSE, 3),
    (Acts.ASK, 4),
)
"""Of what happened at one time, what counts first is applied last."""


def taking_all(folded: Folded, signals: Iterable[Signal], words: WordReader) -> Steps[None]:
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


def take(folded: Folded, signal: Signal, words: WordReader) -> None:
    """Apply one signal."""
    acts = signal.acts
    if acts & Acts.STEP:
        folded.steps = [one for one in folded.steps if signal.at - one.at <= STEPS_BEFORE]
        folded.steps.append(signal)
    elif acts & (Acts.TALK | Acts.ANSWER):
        answer(folded, signal)
    elif acts & Acts.RESOLVE:
        resolve(folded, signal)
    elif acts & Acts.PENDING:
        pending(folded, signal)
    elif acts & (Acts.HOLD | Acts.ATTEMPT | Acts.MACHINE) and signal.speaker is not Speaker.CUSTOMER:
        ours(folded, signal)
    elif signal.speaker is Speaker.CUSTOMER:
        customer(folded, signal, words)
