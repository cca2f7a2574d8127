"""How they feel, as they stated it themselves; what only sounds like a complaint is a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..lines import first_word, line, quote, word
from ..shapes import Line, TimelineItem
from ..story import Story
from .candidates import complaint_candidates

_SCALE = ("out_of", "scale", "max")


def feelings(story: Story) -> list[Line]:
    """Newest first; a complaint says whether it is still open."""
    items = story.items
    stated: list[tuple[TimelineItem, Line]] = []
    for it in items:
        if it.visibility != "public":
            continue
        if it.type == "survey.answered" and (survey := _survey(it)):
            stated.append((it, survey))
        elif it.type == "complaint.opened":
            stated.append((it, _complaint(it, items)))
    stated.sort(key=lambda found: (-found[0].occurred_at, found[0].id))
    return [found for _it, found in stated] + complaint_candidates(story)


def _survey(it: TimelineItem) -> Line | None:
    score = first_word(it.data.get("score"), it.data.get("rating"))
    words = quote(it.text)
    if not score and not words:
        return None
    params: dict[str, Any] = {"score": score or None, "words": words}
    scale = first_word(*(it.data.get(name) for name in _SCALE))
    if score and scale:
        params["out_of"] = scale
    said = [score + (f" of {scale}" if scale else "")] if score else []
    said += [f"“{words}”"] if words else []
    return line("survey", params, [it], f"Survey: {', '.join(said)}")


def _complaint(it: TimelineItem, items: Sequence[TimelineItem]) -> Line:
    words = quote(it.text) or word(it.subject)
    resolved = [other for other in items if _resolves(other, it)][:1]
    params = {"words": words, "state": "resolved" if resolved else "open"}
    text = f"Complained: “{words}”" + (" (resolved)" if resolved else "")
    return line("complaint", params, [it, *resolved], text)


def _resolves(it: TimelineItem, complaint: TimelineItem) -> bool:
    if it.type != "complaint.resolved" or it.occurred_at < complaint.occurred_at:
        return False
    here, there = word(it.data.get("complaint")), word(complaint.data.get("complaint"))
    return here == there if here and there else it.conversation == complaint.conversation
