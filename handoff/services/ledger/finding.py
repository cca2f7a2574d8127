"""Finds a candidate, or a recorded promise or complaint, among a customer's touchpoints."""

from __future__ import annotations

from msgspec import Struct

from handoff.domain.brief import Story
from handoff.domain.brief.lines import stated_time, word
from handoff.domain.brief.sections.candidates import complaint_candidates, promise_candidates
from handoff.domain.brief.sections.decided import DECIDING
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.clock import Micros
from handoff.domain.ledger.entry import PROMISE

CONFIRMED, DISMISSED = "confirmed", "dismissed"
OPENING = {"promise": "promise.made", "complaint": "complaint.opened"}
DISMISSING = {"promise": "promise.dismissed", "complaint": "complaint.dismissed"}


class FoundCandidate(Struct, frozen=True, kw_only=True):
    """A sentence that reads like a promise or a complaint, and the touchpoint that has it."""

    id: str
    item: TimelineItem
    sentence: str
    due: Micros | None = None
    due_rule: str | None = None
    act: str | None = None
    spoken_by: str | None = None


class Decided(Struct, frozen=True, kw_only=True):
    """The decision about a candidate, and its touchpoint."""

    state: str
    item: TimelineItem


def decided_in(story: Story, kind: str, id_: str) -> Decided | None:
    """The decision about a candidate, None if there is none yet."""
    for item in story.of(DECIDING):
        if word(item.data.get("candidate")) == id_ and item.type in (OPENING[kind], DISMISSING[kind]):
            return Decided(state=CONFIRMED if item.type == OPENING[kind] else DISMISSED, item=item)
    return None


def recorded_in(story: Story, kind: str, id_: str) -> TimelineItem | None:
    """The touchpoint with this id that made a promise or opened a complaint."""
    item = story.by_id.get(id_)
    return item if item is not None and item.type == OPENING[kind] else None


def candidate_in(story: Story, kind: str, id_: str) -> FoundCandidate | None:
    """The candidate with this id."""
    lines = promise_candidates(story) if kind == PROMISE else complaint_candidates(story)
    line = next((it for it in lines if it.id == id_), None)
    item = story.by_id.get(line.touchpoints[-1]) if line is not None else None
    if line is None or item is None:
        return None
    return FoundCandidate(
        id=id_,
        item=item,
        sentence=str(line.params.get("words") or item.text or ""),
        due=stated_time(line.params.get("due")),
        act=word(line.params.get("act")) or None,
        spoken_by=item.name,
    )
