"""Lines about continuity codes: the conversation that this one continues, or a code that joined nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.domain.clock import Micros, format_time

from ..lines import clock, line, stated_time, word
from ..shapes import BriefLine, TimelineItem
from ..story import Story

MARK = "continuity"
MAX_LINES = 2  # the newest
RECENT = 200  # touchpoints that are searched, the newest: an older use is no longer news
_REFUSED = frozenset({"used", "expired", "revoked", "unknown", "limited"})


def by_code(story: Story) -> list[BriefLine]:
    """The newest uses of codes in conversations that are not resolved, and a code that was refused last."""
    marked = [it for it in story.items[-RECENT:] if MARK in it.data and it.conversation not in story.resolved]
    joined = [it for it in marked if _mark(it).get("state") == "joined"]
    lines = [_continues(it) for it in joined[-MAX_LINES:][::-1]]
    last = marked[-1] if marked else None
    if last is not None and _mark(last).get("state") in _REFUSED:
        lines.append(_refused(last))
    return lines


def _mark(item: TimelineItem) -> Mapping[str, Any]:
    mark = item.data[MARK]
    return mark if isinstance(mark, Mapping) else {}


def _continues(item: TimelineItem) -> BriefLine:
    mark = _mark(item)
    since: Micros = stated_time(mark.get("since")) or item.occurred_at
    channel = word(mark.get("channel"))
    params = {
        "from": channel,
        "since": format_time(since),
        "channel": item.channel,
        "at": format_time(item.occurred_at),
        "conversation": word(mark.get("conversation_id")),
        "by": word(mark.get("by")),
    }
    return line("continues", params, [item], f"Continues the {channel} of {clock(since)}, by code")


def _refused(item: TimelineItem) -> BriefLine:
    outcome = word(_mark(item).get("state"))
    params = {"outcome": outcome, "channel": item.channel, "at": format_time(item.occurred_at)}
    text = f"Continuity code {outcome} at {clock(item.occurred_at)}: it may be somebody else"
    return line("code_refused", params, [item], text)
