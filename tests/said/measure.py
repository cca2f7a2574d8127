"""Counts of what the rules find in labelled sentences, per kind and language (README.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from handoff.domain.brief import BriefRules
from handoff.domain.brief.signals import Acts, extract
from handoff.domain.clock import from_datetime
from handoff.domain.said import Candidate, SpeechRules, Utterance, candidates
from handoff.domain.said.candidate import comparable
from tests.briefs import item
from tests.packs import packs

from .sentences import LabelledSentence

KINDS = ("promise", "complaint", "closing")


class Count(Struct):
    """Texts of one kind and language."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    due_right: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def due(self) -> float:
        return self.due_right / self.right if self.right else 1.0


Counts = dict[tuple[str, str], Count]
"""(kind, language) -> count."""


def read_labels(path: Path) -> list[LabelledSentence]:
    lines = path.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=LabelledSentence) for line in lines if line.strip()]


def speech_rules() -> SpeechRules:
    return SpeechRules(grammars=packs().grammars, key=b"test")


def measured(labels: Iterable[LabelledSentence]) -> Counts:
    """Counts of the candidates and closings in these texts, compared with their labels."""
    counts: Counts = defaultdict(Count)
    rules = speech_rules()
    for label in labels:
        found = candidates_of(label, rules)
        _count_promise(counts["promise", label.language], label, [it for it in found if it.kind == "promise"])
        complains = any(it.kind == "complaint" for it in found)
        _count(counts["complaint", label.language], label, complains, label.complaint)
        if label.speaker == "customer":
            _count(counts["closing", label.language], label, closes(label.text, label.medium), label.closing)
    return counts


def candidates_of(label: LabelledSentence, rules: SpeechRules) -> list[Candidate]:
    """The candidates that the rules find in one text."""
    return candidates(
        Utterance(
            touchpoint="tp_1",
            home="user:anna",
            text=label.text,
            at=from_datetime(label.at),
            ours=label.speaker != "customer",
            note=label.medium == "note" and label.speaker == "agent",
            speaker="bot" if label.speaker == "bot" else "person",
        ),
        ZoneInfo(label.zone),
        rules,
    )


def closes(text: str, medium: str = "chat") -> bool:
    """Whether a text ends a conversation: a goodbye, or "never mind, solved"."""
    type_ = "email.received" if medium == "email" else "message.received"
    signal = extract(item(type_, text=text), BriefRules(packs=packs()), None, frozenset())
    return signal is not None and bool(signal.acts & (Acts.CLOSE | Acts.WITHDRAW))


def _count_promise(count: Count, label: LabelledSentence, found: Sequence[Candidate]) -> None:
    right = [it for it in found if label.promise and _overlap(it.sentence, label.promise.sentence)]
    if label.promise and right:
        count.right += 1
        due = from_datetime(label.promise.due) if label.promise.due else None
        if any(it.due == due for it in right):
            count.due_right += 1
        else:
            count.faults.append(f"due     {label.id} {label.promise.due} {right} {label.text!r} {label.at}")
    elif label.promise:
        count.missed += 1
        count.faults.append(f"missed  {label.id} {label.text!r} ({label.kind})")
    if found and not right:
        count.wrong += 1
        count.faults.append(f"wrong   {label.id} {label.text!r} ({label.kind}): {found[0].act}")


def _overlap(found: str, stated: str) -> bool:
    one, other = comparable(found), comparable(stated)
    return one in other or other in one


def _count(count: Count, label: LabelledSentence, found: bool, stated: bool) -> None:
    if found and stated:
        count.right += 1
    elif found:
        count.wrong += 1
        count.faults.append(f"wrong   {label.id} {label.text!r} ({label.kind})")
    elif stated:
        count.missed += 1
        count.faults.append(f"missed  {label.id} {label.text!r} ({label.kind})")
