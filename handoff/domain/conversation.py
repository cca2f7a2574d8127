"""Conversations, derived from a customer's touchpoints: a thread, or one (home, channel) until resolved."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct, field

from .clock import Micros
from .text.derived import DERIVED
from .touchpoint import TYPES


class ConversationState(StrEnum):
    """Whether the customer may still expect an answer."""

    OPEN = "open"
    RESOLVED = "resolved"


class Conversation(Struct, kw_only=True):
    """One conversation of a customer, derived from their touchpoints. Times are in µs."""

    id: bytes
    state: ConversationState
    channels: list[str]
    opened_at: Micros
    last_at: Micros
    subject: str | None = None
    thread: str | None = None
    home: bytes | None = None
    last_inbound_at: Micros | None = None
    waiting_since: Micros | None = None
    touchpoints: int = 0
    types: set[str] = field(default_factory=set)
    last_asked_at: Micros | None = None

    @property
    def open(self) -> bool:
        return self.state is ConversationState.OPEN

    def rank(self, *, asks: bool, channel: str | None, own: bool, waits: bool) -> tuple[object, ...]:
        """The order in which open conversations are handed over, greatest first.

        It is by a question of the customer, the channel, the handle's `own`, a wait, and the newest question.
        """
        last = self.last_at if self.last_asked_at is None else self.last_asked_at
        return asks, channel in self.channels, own, waits, last, self.last_at, self.id


class ConversationItem(Struct, frozen=True):
    """The fields of a touchpoint that its conversation depends on."""

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


ANSWERS = frozenset({"message.sent", "email.sent", "callback.completed", "call.ended"})
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
_SYSTEM = frozenset(
    {
        *(it for it in TYPES if it.startswith(("handoff.", "identity.", "context."))),
        *("callback.due", "callback.overdue", "callback.given_up"),
        DERIVED,
    }
)


def is_system(type_: str) -> bool:
    """Whether a type is a system entry about a conversation rather than a part of it."""
    return type_ in _SYSTEM


def _opens(item: ConversationItem) -> bool:
    """Whether an item alone makes a conversation.

    A handoff or note in a platform's thread belongs to a conversation there. Our own entries, and a
    note about the customer, have only a channel.
    """
    if item.type == "note.added" or item.type.startswith("handoff."):
        return item.thread is not None
    return not is_system(item.type)


class ConversationFold:
    """The conversations of touchpoints that are given oldest first.

    System entries count in their conversation, but neither open it nor make it newer.
    """

    def __init__(self) -> None:
        self._found: dict[bytes, Conversation] = {}
        self._before: dict[bytes, list[ConversationItem]] = {}

    def take(self, item: ConversationItem) -> None:
        known = self._found.get(item.conversation)
        if known is None:
            if not _opens(item):
                self._before.setdefault(item.conversation, []).append(item)
                return
            known = self._found[item.conversation] = Conversation(
                id=item.conversation,
                state=ConversationState.OPEN,
                channels=[],
                opened_at=item.occurred_at,
                last_at=item.occurred_at,
                thread=item.thread,
                home=item.home,
            )
            for earlier in self._before.pop(item.conversation, ()):
                _count(known, earlier)
        _take(known, item)

    @classmethod
    def of(
        cls, found: Iterable[Conversation], before: Iterable[tuple[bytes, list[ConversationItem]]]
    ) -> ConversationFold:
        """The fold with this `content`."""
        fold = cls()
        fold._found = {it.id: it for it in found}
        fold._before = dict(before)
        return fold

    def content(self) -> tuple[list[Conversation], list[tuple[bytes, list[ConversationItem]]]]:
        """The conversations, and the entries that wait for theirs to open."""
        return list(self._found.values()), list(self._before.items())

    def newest_first(self) -> list[Conversation]:
        """The conversations, the most recently active first."""
        return sorted(self._found.values(), key=lambda it: (it.last_at, it.id), reverse=True)


def fold(items: Iterable[ConversationItem]) -> list[Conversation]:
    """The conversations of `items` (oldest first), newest activity first."""
    folded = ConversationFold()
    for item in items:
        folded.take(item)
    return folded.newest_first()


def _count(known: Conversation, item: ConversationItem) -> None:
    known.touchpoints += 1
    known.types.add(item.type)
    inside = item.type == "event.tracked" and item.visibility == "internal"  # the platform's own doing
    if known.subject is None and item.subject and not inside:
        known.subject = item.subject


def _take(known: Conversation, item: ConversationItem) -> None:
    _count(known, item)
    system = is_system(item.type)
    if not system:
        known.last_at = max(known.last_at, item.occurred_at)
    if item.channel not in known.channels and not system:
        known.channels.append(item.channel)
    if item.direction == "inbound":
        known.last_inbound_at = item.occurred_at
    if item.type in _RESOLVES:
        known.state = ConversationState.RESOLVED
        known.waiting_since = None
    elif item.type == "conversation.reopened" or (item.direction == "inbound" and item.type in _ASKS):
        known.state = ConversationState.OPEN
    if item.direction == "inbound" and (item.type in _ASKS or item.type == "call.started"):
        known.last_asked_at = item.occurred_at
    if item.type in _ASKS and known.waiting_since is None:
        known.waiting_since = item.occurred_at
    elif item.type in ANSWERS and item.visibility == "public" and not item.by_bot:
        known.waiting_since = None
