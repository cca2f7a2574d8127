"""Briefs in tests: the rules with the packs that the server loads, and touchpoints to build them from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handoff.domain.brief import Brief, BriefRules, TimelineItem, build_brief
from handoff.domain.clock import HOUR, MINUTE, parse_time
from handoff.domain.touchpoint import default_direction, default_visibility
from tests.packs import packs

RULES = BriefRules(packs=packs())
NOW = parse_time("2026-11-21T12:00:00Z")
SECTIONS = ("why_now", "wants", "tried", "answered", "promised", "known", "feelings")


def item(type_: str, minute: int = 0, **changes: Any) -> TimelineItem:
    """A touchpoint `minute` minutes after ten, verified, of its type's direction and visibility."""
    fields: dict[str, Any] = {
        "id": f"{type_}/{minute}",
        "type": type_,
        "channel": "chat",
        "direction": default_direction(type_).value,
        "visibility": default_visibility(type_).value,
        "assurance": "verified",
        "occurred_at": NOW - 2 * HOUR + minute * MINUTE,
        "conversation": "c1",
    }
    return TimelineItem(**fields | changes)


def brief_of(items: Sequence[TimelineItem], **more: Any) -> Brief:
    """The brief as of noon, unless stated otherwise."""
    return build_brief(items, **{"now": NOW, "rules": RULES} | more)
