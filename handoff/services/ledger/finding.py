"""Finds a candidate, or a recorded promise or complaint, among a customer's touchpoints."""

from __future__ import annotations

from msgspec import Struct

from handoff.domain.brief import Story
from handoff.domain.brief.lines import word
from handoff.domain.brief.sections.candidates import candidates_of
from handoff.domain.brief.sections.decided import DECIDING
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.clock import Micros
from handoff.domain.ledger.entry import PROMISE
from handoff.domain.said import Candidate

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
    for item in story.items:
        for made in candidates_of(story, item):
            if made.id == id_ and made.kind == kind:
                return found_candidate(made, item)
    return None


def found_candidate(made: Candidate, item: TimelineItem) -> FoundCandidate:
    return FoundCandidate(
        id=made.id,
        item=item,
        sentence=made.sentence,
        due=made.due,
        due_rule=made.due_rule,
        act=made.act,
        spoken_by=made.speaker_name,
    )


def promised_by_agent(story: Story, item: TimelineItem) -> list[str]:
    """The ids of the promises that a person of ours typed in a message, if nobody decided about them."""
    if item.transcribed is not None:
        return []  # a machine wrote it down
    made = [it for it in candidates_of(story, item) if it.kind == PROMISE and it.speaker == "person"]
    return [it.id for it in made if decided_in(story, PROMISE, it.id) is None]
