"""The owner of the conversation: given back, assigned, answered over by a bot, transferred in words only."""

from __future__ import annotations

from typing import Any

from handoff.domain.clock import format_time

from ..lines import SHORT, clock, line, quote, word
from ..shapes import BriefLine, TimelineItem
from ..signals import Acts
from ..story import Story, assignee
from .announced import CLOCKS_DIFFER, not_followed

_TAKES = frozenset({"handoff.accepted", "event.tracked"})
_OWNERSHIP = frozenset({"handoff.accepted", "handoff.released", "handoff.transferred", "handoff.completed"})
_TRACKED = frozenset({"event.tracked"})
_MOVES = _OWNERSHIP | _TRACKED


def who_has_it(story: Story) -> list[BriefLine]:
    moves = [it for it in story.of(_MOVES) if it.type in _OWNERSHIP or _to_bot(it)]
    last = moves[-1] if moves else None
    lines = []
    if last is not None and (last.type == "handoff.released" or _to_bot(last)):
        lines.append(_given_back(last))
    lines += _bot_after_person(story, last)
    lines += _assigned(story)
    lines += not_followed(story)
    return lines


def _to_bot(item: TimelineItem) -> bool:
    """Whether the vendor's platform put a conversation of people back to its bot."""
    back = item.type == "event.tracked" and item.data.get("name") == "conversation.pending"
    return back and item.data.get("previous_status") == "open"


def _given_back(item: TimelineItem) -> BriefLine:
    to = item.data.get("to")
    agent = word(to.get("agent")) if isinstance(to, dict) else ""
    owner = "the bot" if _to_bot(item) else word(item.data.get("owner"))
    words = quote(item.text, SHORT)
    params: dict[str, Any] = {"by": agent, "to": owner, "words": words, "at": format_time(item.occurred_at)}
    text = f"Given back by {agent or 'the agent'}" + (f" to {owner}" if owner else "")
    return line("given_back", params, [item], text + (f": {words}" if words else ""))


def _bot_after_person(story: Story, last: TimelineItem | None) -> list[BriefLine]:
    """A bot that keeps answering in a conversation that a person has taken over: by accepting it, or
    by the vendor's assignment. `last` is the last change of its owner among our own handoffs."""
    taken = [(it, assignee(it)) for it in _assignments(story)]
    if last is not None:
        taken.append((last, word(last.data.get("owner"))))
    taken = [(it, owner) for it, owner in taken if owner and it.type in _TAKES]
    if not taken:
        return []
    accepted, owner = max(taken, key=lambda found: found[0].occurred_at)
    found = [
        it
        for it in story.items
        if it.conversation == accepted.conversation
        and (signal := story.signals.get(it.id)) is not None
        and signal.acts & Acts.MACHINE
        and it.direction == "outbound"
        and _after(it, accepted)
    ]
    if not found:
        return []
    words = quote(found[-1].text, SHORT)
    params = {"who": owner, "words": words, "at": format_time(found[-1].occurred_at)}
    return [line("bot_after_person", params, found, f"A bot answered after {owner} took over: “{words}”")]


def _after(item: TimelineItem, other: TimelineItem) -> bool:
    if item.recorded_at and other.recorded_at:
        return item.recorded_at > other.recorded_at and item.occurred_at > other.occurred_at - CLOCKS_DIFFER
    return item.occurred_at > other.occurred_at


def _assigned(story: Story) -> list[BriefLine]:
    """The person whom the vendor's platform assigned the conversation to."""
    lines = []
    for item in _assignments(story):
        who = assignee(item)
        if who and not story.settled(item):
            params = {"who": who, "since": format_time(item.occurred_at)}
            lines.append(line("assigned", params, [item], f"{who} has it since {clock(item.occurred_at)}"))
    return lines


def _assignments(story: Story) -> list[TimelineItem]:
    """The vendor's newest assignment of each conversation."""
    newest: dict[str, TimelineItem] = {}
    for item in story.of(_TRACKED):
        if item.data.get("name") == "conversation.assigned":
            newest[item.conversation] = item
    return list(newest.values())
