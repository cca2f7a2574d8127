"""Touchpoints as the rules of the brief read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.codec.member import channel_name
from handoff.domain.brief import TimelineItem
from handoff.domain.text.derived import DERIVED
from handoff.services.timeline.reading import TimelineEntry
from handoff.services.timeline.views import Rendering, shown_data


def timeline_item(
    rendering: Rendering, entry: TimelineEntry, conversation: str | None = None
) -> TimelineItem:
    """A touchpoint with its newest edit folded in. `conversation` is its public id where that is known."""
    if conversation is None:
        conversation = rendering.conversation(entry.stored, entry.body)[1]
    if entry.made is None:
        return _made(rendering, entry, conversation)
    known: TimelineItem | None = entry.made.get(conversation)
    if known is None:
        known = entry.made[conversation] = _made(rendering, entry, conversation)
    return known


def _made(rendering: Rendering, entry: TimelineEntry, conversation: str) -> TimelineItem:
    stored, body = entry.stored, entry.body
    identity, public_id = rendering.of_home(stored.home)
    direction, visibility, assurance = body.stated
    shown = rendering.shown(stored, body) if rendering.amendments else body
    actor = body.actor
    # Positional, in field order: there may be a thousand, and keywords cost more than the rest of the call.
    return TimelineItem(
        public_id(stored.id),
        stored.type,
        channel_name(stored, body),
        direction,
        visibility,
        assurance,
        stored.occurred_at,
        conversation,
        shown.subject,
        shown.text,
        actor_type(actor) if actor else None,
        _actor_name(actor) if actor else None,
        (shown.stated_data or {}) if stored.type != DERIVED else shown_data(stored, body, shown, rendering),
        body.stated_traits or {},
        stored.blanked,
        stored.recorded_at,
        stored.late,
        body.source,
        shown.language,
        shown.stated_attachments or (),
        identity,
        tuple(row[0] for row in body.stated_handles if row[3]) if body.stated_handles else (),
        {} if entry.made is not None else None,
    )


def actor_type(actor: Mapping[str, Any] | None) -> str | None:
    if not actor:
        return None
    kind = actor.get("type") or actor.get("kind") or actor.get("role")
    return str(kind) if kind else None


def _actor_name(actor: Mapping[str, Any] | None) -> str | None:
    name = actor.get("name") if actor else None
    return name if isinstance(name, str) and name else None
