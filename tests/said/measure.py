"""Counts of what the rules find in labelled texts, per language.

A label is one line of JSON: `text`, `language`, `speaker` (`agent`, `bot`, `customer`), `medium` (`chat`,
`email`, `call`, `note`), `at`, `zone`, `promise` (null, or `sentence` and `due`), `complaint`, `closing`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from handoff.domain.brief import BriefRules
from handoff.domain.brief.signals import Acts, extract
from handoff.domain.clock import parse_any_time
from handoff.domain.said import Candidate, SpeechRules, Utterance, candidates
from handoff.domain.said.candidate import comparable
from tests.briefs import item
from tests.packs import packs

KINDS = ("promise", "complaint", "closing")


class LabelledPromise(Struct, frozen=True):
    sentence: str
    due: str | None = None


class Label(Struct, frozen=True):
    """A text and what is right about it."""

    text: str
    language: str
    speaker: str
    at: str
    zone: str
    medium: str = "chat"
    promise: LabelledPromise | None = None
    complaint: bool = False
    closing: bool = False
    kind: str = ""
    id: str = ""


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


def read_labels(path: Path) -> list[Label]:
    return [msgspec.json.decode(line, type=Label) for line in path.read_bytes().splitlines() if line.strip()]


def speech_rules() -> SpeechRules:
    return SpeechRules(grammars=packs().grammars, key=b"test")


def measured(labels: Iterable[Label]) -> Counts:
    """Counts of the candidates and closings in these texts, compared with their labels."""
    counts: Counts = defaultdict(Count)
    rules = speech_rules()
    for label in labels:
        found = candidates_of(label, rules)
        _count_promise(counts["promise", label.language], label, [it for it in found if it.kind == "promise"])
        complains = any(it.kind == "complaint" for it in found)
        _count(counts["complaint", label.language], label, complains, label.complaint, found)
        if label.speaker == "customer":
            _count(counts["closing", label.language], label, closes(label), label.closing, ())
    return counts


def candidates_of(label: Label, rules: SpeechRules) -> list[Candidate]:
    """The candidates that the rules find in one text."""
    return candidates(
        Utterance(
            touchpoint="tp_1",
            home="user:anna",
            text=label.text,
            at=parse_any_time(label.at) or 0,
            ours=label.speaker != "customer",
            note=label.medium in ("note", "call") and label.speaker == "agent",
            speaker="bot" if label.speaker == "bot" else "person",
        ),
        ZoneInfo(label.zone),
        rules,
    )


def closes(label: Label) -> bool:
    """Whether the text ends a conversation: a goodbye, or "never mind, solved"."""
    type_ = "email.received" if label.medium == "email" else "message.received"
    signal = extract(item(type_, text=label.text), BriefRules(packs=packs()), None, frozenset())
    return signal is not None and bool(signal.acts & (Acts.CLOSE | Acts.WITHDRAW))


def _count_promise(count: Count, label: Label, found: Sequence[Candidate]) -> None:
    right = [it for it in found if label.promise and _overlap(it.sentence, label.promise.sentence)]
    if label.promise and right:
        count.right += 1
        due = parse_any_time(label.promise.due) if label.promise.due else None
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


def _count(count: Count, label: Label, found: bool, stated: bool, candidates: Sequence[Candidate]) -> None:
    if found and stated:
        count.right += 1
    elif found:
        count.wrong += 1
        count.faults.append(f"wrong   {label.id} {label.text!r} ({label.kind})")
    elif stated:
        count.missed += 1
        count.faults.append(f"missed  {label.id} {label.text!r} ({label.kind})")
