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


class ConversationItem(Struct, frozen=True):
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
_SYSTEM = ("handoff.", "identity.", "context.", "customer.")
_REPORTS = frozenset({"callback.due", "callback.overdue", "callback.given_up"})


def is_system(type_: str) -> bool:
    """Whether a type records what the system did about a conversation, and is no part of one itself."""
    return type_.startswith(_SYSTEM) or type_ in _REPORTS


def _opens(line: ConversationItem) -> bool:
    """Whether a line is enough for a conversation to exist.

    A platform that hands over in one of its threads, or takes a note there, has a conversation. Our own
    entries, and a note about the customer, only fall on a channel: nobody is talking there.
    """
    if line.type == "note.added" or line.type.startswith("handoff."):
        return line.thread is not None
    return not is_system(line.type)


def fold(lines: Iterable[ConversationItem]) -> list[Conversation]:
    """The conversations of `lines` (oldest first), newest activity first.

    System entries count in the conversation that they are about, and neither open it nor make it newer.
    """
    found: dict[bytes, Conversation] = {}
    before: dict[bytes, list[ConversationItem]] = {}
    for line in lines:
        known = found.get(line.conversation)
        if known is None:
            if not _opens(line):
                before.setdefault(line.conversation, []).append(line)
                continue
            known = found[line.conversation] = Conversation(
                id=line.conversation,
                state=ConversationState.OPEN,
                channels=[],
                opened_at=line.occurred_at,
                last_at=line.occurred_at,
                thread=line.thread,
                home=line.home,
            )
            for earlier in before.pop(line.conversation, ()):
                _count(known, earlier)
        _take(known, line)
    return sorted(found.values(), key=lambda it: (it.last_at, it.id), reverse=True)


def _count(known: Conversation, line: ConversationItem) -> None:
    known.touchpoints += 1
    known.types.add(line.type)
    if known.subject is None and line.subject:
        known.subject = line.subject


def _take(known: Conversation, line: ConversationItem) -> None:
    _count(known, line)
    system = is_system(line.type)
    if not system:
        known.last_at = max(known.last_at, line.occurred_at)
    if line.channel not in known.channels and not system:
        known.channels.append(line.channel)
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
