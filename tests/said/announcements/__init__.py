"""Labelled sentences of announcements, and counts of what the rules find in them (README.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from handoff.domain.said.announcing import AnnouncedKind, announcements
from tests.packs import packs
from tests.said.measure import Count, Counts

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "fi", "sv", "de", "fr", "es")
HALVES = ("worked", "held_out")


class LabelledAnnouncement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message, and what it announces."""

    id: str
    language: str
    speaker: Literal["agent", "bot", "customer"]
    medium: Literal["chat", "email", "note"]
    text: str
    announces: AnnouncedKind | None
    kind: str


def load_announcements(half: str) -> list[LabelledAnnouncement]:
    """The sentences of one half."""
    lines = (FOLDER / f"{half}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=LabelledAnnouncement) for line in lines]


def measured_announcements(labels: Iterable[LabelledAnnouncement]) -> Counts:
    """Counts of what is found, by ("announced", language). Texts of customers are never read."""
    counts: Counts = defaultdict(Count)
    for label in labels:
        if label.speaker == "customer":
            continue
        count, note = counts["announced", label.language], label.medium == "note"
        found = [it.kind for it in announcements(label.text, packs().grammars, note=note)]
        if label.announces in found:
            count.right += 1
        elif label.announces:
            count.missed += 1
            count.faults.append(f"missed  {label.id} {label.text!r} ({label.kind})")
        if any(it != label.announces for it in found):
            count.wrong += 1
            count.faults.append(f"wrong   {label.id} {label.text!r} ({label.kind}): {found}")
    return counts
