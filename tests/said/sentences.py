"""The labelled sentences in `worked.jsonl` and `held_out.jsonl`. README.md explains the labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "fi", "sv", "de", "fr", "es")
FEWEST_PER_LANGUAGE = 60
HARD_NEGATIVE = "negative: "

Half = Literal["worked", "held_out"]
HALVES: tuple[Half, ...] = ("worked", "held_out")


class LabelledPromise(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sentence: str
    """The words of `text` that commit us."""
    due: datetime | None
    """In the customer's zone. None: the sentence names no time."""


class LabelledSentence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message and what a careful reader finds in it."""

    id: str
    language: Literal["en", "fi", "sv", "de", "fr", "es"]
    speaker: Literal["agent", "bot", "customer"]
    medium: Literal["chat", "email", "note"]
    text: str
    at: datetime
    zone: str
    promise: LabelledPromise | None
    complaint: bool
    closing: bool
    kind: str

    @property
    def is_hard_negative(self) -> bool:
        return self.kind.startswith(HARD_NEGATIVE)


def load(half: Half) -> list[LabelledSentence]:
    """The sentences of one half. Raises ValueError for a line that breaks the format."""
    lines = (FOLDER / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()
    sentences = [msgspec.json.decode(line, type=LabelledSentence) for line in lines]
    if found := [fault for entry in sentences for fault in faults(entry)]:
        raise ValueError("\n".join(found))
    return sentences


def faults(entry: LabelledSentence) -> list[str]:
    """Labels of one sentence that contradict each other or its text."""
    promise = entry.promise
    due = promise.due if promise else None
    labels = {"promise": promise is not None, "complaint": entry.complaint, "closing": entry.closing}
    expected = [label for label in labels if entry.kind.startswith(f"{label}: ")]
    checks = {
        "the id does not start with the language": entry.id.startswith(f"{entry.language}-"),
        "the text is empty": bool(entry.text.strip()),
        "`at` has no offset": entry.at.tzinfo is not None,
        "`kind` and the labels disagree": [label for label, given in labels.items() if given] == expected,
        "the sentence is not in the text": not promise
        or (promise.sentence in entry.text and promise.sentence != ""),
        "a customer's promise is labelled": not promise or entry.speaker != "customer",
        "only customers complain or close": entry.speaker == "customer"
        or not (entry.complaint or entry.closing),
        "`due` is not in the zone": due is None or due.utcoffset() == _offset(due, entry.zone),
        "`due` is not after `at`": due is None or due > entry.at,
    }
    return [f"{entry.id}: {fault}" for fault, holds in checks.items() if not holds]


def faults_of_set(sentences: Sequence[LabelledSentence]) -> list[str]:
    """Ids and texts used twice, and languages with too few sentences or too few hard negatives."""
    ids = Counter(entry.id for entry in sentences)
    texts = Counter(entry.text for entry in sentences)
    found = [f"{key!r} is used {count} times" for key, count in (ids + texts).items() if count > 1]
    for language in LANGUAGES:
        mine = [entry for entry in sentences if entry.language == language]
        others = [entry for entry in mine if entry.promise is None]
        hard = sum(entry.is_hard_negative for entry in others)
        if len(mine) < FEWEST_PER_LANGUAGE:
            found.append(f"{language}: {len(mine)} sentences, fewer than {FEWEST_PER_LANGUAGE}")
        if 2 * hard < len(others):
            found.append(f"{language}: {hard} hard negatives among {len(others)} sentences without a promise")
    return found


def _offset(when: datetime, zone: str) -> timedelta | None:
    return when.astimezone(ZoneInfo(zone)).utcoffset()
