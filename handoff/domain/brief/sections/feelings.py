"""How they feel, as they stated it themselves; what only sounds like a complaint is a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..lines import first_word, line, quote, word
from ..shapes import BriefLine, TimelineItem
from ..story import Story
from .candidates import complaint_candidates

_FELT = frozenset({"survey.answered", "complaint.opened"})
_RESOLVED = frozenset({"complaint.resolved"})
_DISMISSED = frozenset({"complaint.dismissed"})
_SCALE = ("out_of", "scale", "max")


def feelings(story: Story) -> list[BriefLine]:
    """Newest first; a complaint shows whether it is still open."""
    stated: list[tuple[TimelineItem, BriefLine]] = []
    for item in story.of(_FELT):
        if item.visibility != "public":
            continue
        if item.type == "survey.answered" and (survey := _survey(item)):
            stated.append((item, survey))
        elif item.type == "complaint.opened" and not _dismissed(item, story):
            stated.append((item, _complaint(item, story.of(_RESOLVED))))
    stated.sort(key=lambda found: (-found[0].occurred_at, found[0].id))
    return [found for _it, found in stated] + complaint_candidates(story)


def _survey(item: TimelineItem) -> BriefLine | None:
    score = first_word(item.data.get("score"), item.data.get("rating"))
    words = quote(item.text)
    if not score and not words:
        return None
    params: dict[str, Any] = {"score": score or None, "words": words}
    scale = first_word(*(item.data.get(name) for name in _SCALE))
    if score and scale:
        params["out_of"] = scale
    parts = [score + (f" of {scale}" if scale else "")] if score else []
    parts += [f"“{words}”"] if words else []
    return line("survey", params, [item], f"Survey: {', '.join(parts)}")


def _complaint(item: TimelineItem, items: Sequence[TimelineItem]) -> BriefLine:
    words = quote(item.text) or word(item.subject)
    resolved = [other for other in items if answers_complaint(other, item)][:1]
    params = {"words": words, "state": "resolved" if resolved else "open"}
    text = f"Complained: “{words}”" + (" (resolved)" if resolved else "")
    return line("complaint", params, [item, *resolved], text)


def _dismissed(item: TimelineItem, story: Story) -> bool:
    return any(answers_complaint(it, item) for it in story.of(_DISMISSED))


def answers_complaint(item: TimelineItem, complaint: TimelineItem) -> bool:
    """Whether a touchpoint that ends a complaint is about this one: by its id, else by the conversation.

    A dismissal with an id is about that complaint or candidate only.
    """
    if item.occurred_at < complaint.occurred_at:
        return False
    here, there = word(item.data.get("complaint")), word(complaint.data.get("complaint"))
    if here == complaint.id:
        return True
    by_id = bool(here) and (bool(there) or item.type in _DISMISSED)
    return here == there if by_id else item.conversation == complaint.conversation
