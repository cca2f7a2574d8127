"""The customer's effort so far, counted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from handoff.domain.clock import HOUR, SECOND, Micros, format_time
from handoff.domain.touchpoint import TYPES

from ..lines import duration, minutes, same
from ..shapes import Effort, TimelineItem
from ..signals import Signal
from ..story import Story
from .answered import MAX_TALKS

PAUSE: Micros = HOUR  # after which the next message in a conversation is another contact
MIN_REPEATED = 15  # letters and digits: "yes" and "thanks" sent twice do not count
ASKS = frozenset(
    {
        "message.received",
        "email.received",
        "callback.requested",
        "form.submitted",
        "form.failed",
        "complaint.opened",
        "call.started",
    }
)
"""Touchpoints in which a customer wants something from us."""
_BOOKKEEPING = frozenset(it for it in TYPES if it.startswith(("handoff.", "identity.", "context.")))


def effort(story: Story) -> Effort:
    """Counted over the same touchpoints as the rest of the brief, settled matters included."""
    items, waiting_since = story.everything, story.waiting_since()
    theirs = [it for it in items if it.direction == "inbound" and it.type not in _BOOKKEEPING]
    contacts = _contacts(theirs)
    channels = tuple(dict.fromkeys([it.channel for it in theirs]))
    switches = sum(1 for one, other in pairwise(contacts) if one.channel != other.channel)
    transfers = [it.type for it in items].count("handoff.transferred")
    repeated = _repeated(story, theirs)
    waited = max(story.now - waiting_since, 0) if waiting_since is not None else None
    talked = sum(_seconds(story, it) for it in story.folded.talks)
    counted = (
        _counted(len(contacts), "contact"),
        f"{_counted(len(channels), 'channel')} ({', '.join(channels)})" if channels else "",
        f"{_counted(switches, 'change')} of channel" if switches else "",
        _counted(transfers, "transfer") if transfers else "",
        f"said the same again {_counted(repeated, 'time')}" if repeated else "",
        _talked(len(story.folded.talks), talked) if len(story.folded.talks) > MAX_TALKS else "",
    )
    return Effort(
        contacts=len(contacts),
        channels=channels,
        switches=switches,
        transfers=transfers,
        repeated=repeated,
        since=format_time(theirs[0].occurred_at) if theirs else None,
        waiting_since=format_time(waiting_since) if waiting_since is not None else None,
        waiting_minutes=minutes(waited or 0),
        talks=len(story.folded.talks),
        talked_seconds=talked,
        text="; ".join(it for it in counted if it),
    )


def _contacts(theirs: Sequence[TimelineItem]) -> list[TimelineItem]:
    """The first touchpoint of each contact."""
    found: list[TimelineItem] = []
    last: dict[str, Micros] = {}
    for item in theirs:
        if item.type in ASKS:
            before = last.get(item.conversation)
            if before is None or item.occurred_at - before > PAUSE:
                found.append(item)
            last[item.conversation] = item.occurred_at
    return found


def _repeated(story: Story, theirs: Sequence[TimelineItem]) -> int:
    """How often the customer had to repeat something in the same words."""
    words = [_words(story, it) for it in theirs if it.type in ASKS and it.text and not it.deleted]
    long = [it for it in words if len(it) >= MIN_REPEATED]
    return len(long) - len(set(long))


def _words(story: Story, item: TimelineItem) -> str:
    signal = story.signals.get(item.id)
    return signal.key if signal is not None and signal.key else same(item.text or "")


def _seconds(story: Story, signal: Signal) -> int:
    stated = story.by_id[signal.id].data.get("duration_s")
    return int(stated) if isinstance(stated, int | float) and 0 < stated < 1e6 else 0


def _talked(count: int, seconds: int) -> str:
    if not count:
        return ""
    how_long = f" ({duration(seconds * SECOND)})" if seconds else ""
    return f"spoke on the phone {_counted(count, 'time')}{how_long}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
