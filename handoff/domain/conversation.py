"""Conversations, folded from a customer's touchpoints: one thread, or one (home, channel) until resolved."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct, field

from .clock import Micros


class ConversationState(StrEnum):
    """Whether somebody may still be waiting."""

    OPEN = "open"
    RESOLVED = "resolved"


class Conversation(Struct, kw_only=True):
    """What one customer's touchpoints say of one conversation; times in µs."""

    id: bytes
    state: ConversationState
    channels: list[str]
    opened_at: Micros
    last_at: Micros
    subject: str | None = None
    thread: str | None = None
    home: bytes | None = None
    last_inbound_at: Micros | None = None
    last_outbound_at: Micros | None = None
    waiting_since: Micros | None = None
    touchpoints: int = 0
    types: set[str] = field(default_factory=set)

    @property
    def open(self) -> bool:
        return self.state is ConversationState.OPEN


class Line(Struct, frozen=True):
    """What of a touchpoint matters to its conversation, in timeline order."""

    conversation: bytes
    home: bytes
    channel: str
    type: str
    direction: str
    occurred_at: Micros
    subject: str | None
    thread: str | None
    visibility: str = "public"
    by_bot: bool = False


OUR_ANSWER = frozenset({"message.sent", "email.sent", "callback.completed", "call.ended"})
_ASKS = frozenset(
    {
        "message.received",
        "email.received",
        "callback.requested",
        "form.submitted",
        "form.failed",
        "complaint.opened",
    }
)
_RESOLVES = frozenset({"conversation.resolved"})
_BOOKKEEPING = ("handoff.", "identity.", "context.")


def fold(lines: Iterable[Line]) -> list[Conversation]:
    """The conversations of `lines` (oldest first), newest activity first."""
    found: dict[bytes, Conversation] = {}
    for line in lines:
        known = found.get(line.conversation)
        if known is None:
            known = found[line.conversation] = Conversation(
                id=line.conversation,
                state=ConversationState.OPEN,
                channels=[],
                opened_at=line.occurred_at,
                last_at=line.occurred_at,
                thread=line.thread,
                home=line.home,
            )
        _take(known, line)
    return sorted(found.values(), key=lambda it: (it.last_at, it.id), reverse=True)


def _take(known: Conversation, line: Line) -> None:
    known.touchpoints += 1
    known.types.add(line.type)
    known.last_at = max(known.last_at, line.occurred_at)
    if line.channel not in known.channels and not line.type.startswith(_BOOKKEEPING):
        known.channels.append(line.channel)
    if known.subject is None and line.subject:
        known.subject = line.subject
    if line.direction == "inbound":
        known.last_inbound_at = line.occurred_at
    elif line.direction == "outbound":
        known.last_outbound_at = line.occurred_at
    if line.type in _RESOLVES:
        known.state = ConversationState.RESOLVED
        known.waiting_since = None
    elif line.type == "conversation.reopened" or (line.direction == "inbound" and line.type in _ASKS):
        known.state = ConversationState.OPEN
    if line.type in _ASKS and known.waiting_since is None:
        known.waiting_since = line.occurred_at
    elif line.type in OUR_ANSWER and line.visibility == "public" and not line.by_bot:
        known.waiting_since = None
