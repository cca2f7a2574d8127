"""Touchpoints: one fact that happened on a channel, immutable, in the past tense."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from .clock import Micros, parse_time
from .errors import Unprocessable
from .identity import Assurance, Handle, Identity

CHANNELS = ("web", "chat", "phone", "email")
"""The built-in channels; others are declared in the configuration."""

TYPES: tuple[str, ...] = (
    "page.viewed",
    "article.viewed",
    "search.performed",
    "form.submitted",
    "form.failed",
    "event.tracked",
    "identified",
    "message.received",
    "message.sent",
    "message.edited",
    "message.deleted",
    "message.delivered",
    "message.read",
    "message.failed",
    "email.received",
    "email.sent",
    "email.bounced",
    "email.auto_replied",
    "callback.requested",
    "callback.scheduled",
    "callback.rescheduled",
    "callback.due",
    "callback.attempted",
    "callback.completed",
    "callback.missed",
    "callback.cancelled",
    "callback.overdue",
    "callback.given_up",
    "call.started",
    "call.ended",
    "conversation.opened",
    "conversation.resolved",
    "conversation.reopened",
    "handoff.requested",
    "handoff.offered",
    "handoff.accepted",
    "handoff.viewed",
    "handoff.declined",
    "handoff.expired",
    "handoff.released",
    "handoff.transferred",
    "handoff.completed",
    "handoff.withdrawn",
    "handoff.failed",
    "context.changed",
    "identity.linked",
    "identity.unlinked",
    "note.added",
    "survey.answered",
    "promise.made",
    "promise.kept",
    "promise.broken",
    "complaint.opened",
    "complaint.resolved",
    "brief.line_wrong",
)
"""Every touchpoint type. The place in this tuple is stored: only ever append."""

TYPE_SET = frozenset(TYPES)


class Direction(StrEnum):
    """Seen from the business."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Visibility(StrEnum):
    """Whether the customer may see it."""

    PUBLIC = "public"
    INTERNAL = "internal"


_OUTBOUND = frozenset(
    {
        "message.sent",
        "message.delivered",
        "message.read",
        "message.failed",
        "email.sent",
        "email.bounced",
        "callback.scheduled",
        "callback.attempted",
        "callback.missed",
        "callback.completed",
        "promise.made",
        "promise.kept",
        "promise.broken",
    }
)
_HIDDEN = frozenset(
    it for it in TYPES if it.startswith(("handoff.", "identity.", "context.", "note.", "brief."))
)
_INTERNAL = _HIDDEN | {"callback.due", "callback.overdue", "callback.given_up"}


_DIRECTIONS = dict.fromkeys(_INTERNAL, Direction.INTERNAL) | dict.fromkeys(_OUTBOUND, Direction.OUTBOUND)
_VISIBILITIES = dict.fromkeys(_HIDDEN, Visibility.INTERNAL)


def default_direction(type: str) -> Direction:
    """The direction a type has when its sender states none."""
    return _DIRECTIONS.get(type, Direction.INBOUND)


def default_visibility(type: str) -> Visibility:
    """Notes and our own bookkeeping are internal unless their sender says otherwise."""
    return _VISIBILITIES.get(type, Visibility.PUBLIC)


# Limits, published in the API document. An event above them is refused, never cut.
MAX_EVENT_ID = 512  # characters; RFC 5322 Message-IDs reach 250 in real mail
MAX_TEXT = 200_000  # characters of text: a long mail; the whole touchpoint has its own limit
MAX_SUBJECT = 2_000
MAX_IDENTITIES = 20
MAX_PARTICIPANTS = 200
MAX_ATTACHMENTS = 100
MAX_TOUCHPOINT_BYTES = 256 * 1024  # encoded, uncompressed
MAX_SEQ = 2**63 - 1
MAX_DEPTH = 64  # objects and lists in each other; readers of JSON give up at some hundred, real events at ten
EARLIEST: Micros = parse_time("1900-01-01T00:00:00Z")
LATEST: Micros = parse_time("2200-01-01T00:00:00Z")
_CHANNEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class Participant(Struct, frozen=True):
    """Another person in a touchpoint (Cc, a conference, the agent); never evidence of anything."""

    identity: Identity
    role: str


class Touchpoint(Struct, frozen=True, kw_only=True):
    """One fact that happened on a channel.

    `identities` are handles of one person; the first is the home, under whose timeline the
    touchpoint is filed. (`id_space`, `event_id`) name the event for ever, whatever its route.
    `envelope` lists the keys of `data` that change between retries and stay out of the digest.
    `upsert` says that an equal id with other content is an amendment, not a reuse of the id.
    """

    id_space: str
    event_id: str
    source: str
    channel: str
    type: str
    occurred_at: Micros
    identities: tuple[Handle, ...]
    direction: Direction
    visibility: Visibility = Visibility.PUBLIC
    participants: tuple[Participant, ...] = ()
    medium: str | None = None
    subject: str | None = None
    text: str | None = None
    language: str | None = None
    attachments: tuple[dict[str, Any], ...] = ()
    seq: int | None = None
    thread: str | None = None
    thread_space: str | None = None
    """The id space of `thread` where it is not `id_space`."""
    conversation: bytes | None = None
    """The conversation itself, for what we record about one: stands before `thread`."""
    amends: str | None = None
    actor: dict[str, Any] | None = None
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    envelope: tuple[str, ...] = ()
    upsert: bool = False

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            pointer, detail = problem
            raise Unprocessable(detail, pointers=[{"pointer": pointer, "detail": detail}])

    @property
    def home(self) -> Handle:
        return self.identities[0]

    @property
    def assurance(self) -> Assurance:
        """How sure it is that this was the person it is filed under."""
        return self.identities[0].assurance


def _problem(it: Touchpoint) -> tuple[str, str] | None:
    if not it.event_id or len(it.event_id) > MAX_EVENT_ID:
        return "/id", f"an event id has 1 to {MAX_EVENT_ID} characters"
    if it.type not in TYPE_SET:
        return "/type", f"unknown touchpoint type {it.type[:60]!r}"
    if it.channel not in CHANNELS and not _CHANNEL.fullmatch(it.channel):
        return "/channel", "a channel name matches [a-z][a-z0-9_-]*"
    if not EARLIEST <= it.occurred_at <= LATEST:
        return "/occurred_at", "a time lies between the years 1900 and 2200"
    if not 1 <= len(it.identities) <= MAX_IDENTITIES:
        return "/identities", f"a touchpoint has 1 to {MAX_IDENTITIES} identities"
    if len(it.participants) > MAX_PARTICIPANTS:
        return "/participants", f"a touchpoint has at most {MAX_PARTICIPANTS} participants"
    if len(it.attachments) > MAX_ATTACHMENTS:
        return "/attachments", f"a touchpoint has at most {MAX_ATTACHMENTS} attachments"
    if it.text is not None and len(it.text) > MAX_TEXT:
        return "/text", f"a text has at most {MAX_TEXT} characters"
    if it.subject is not None and len(it.subject) > MAX_SUBJECT:
        return "/subject", f"a subject has at most {MAX_SUBJECT} characters"
    if it.seq is not None and not 0 <= it.seq <= MAX_SEQ:
        return "/seq", "a sequence is a whole number from 0 to 2^63-1"
    if it.thread is not None and not 0 < len(it.thread) <= MAX_EVENT_ID:
        return "/thread", f"a thread has 1 to {MAX_EVENT_ID} characters"
    if it.type == "brief.line_wrong" and (problem := _feedback_problem(it.data)):
        return problem
    return _depth_problem(it) if it.data or it.attachments or it.actor or it.traits else None


_RULE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _feedback_problem(data: dict[str, Any]) -> tuple[str, str] | None:
    """Feedback names the rule of the line and quotes the line."""
    rule, line = data.get("rule"), data.get("line")
    if not isinstance(rule, str) or not _RULE.fullmatch(rule):
        return "/data/rule", "the rule is the line's code"
    if not isinstance(line, str) or not 0 < len(line) <= MAX_SUBJECT:
        return "/data/line", f"the line is its text, of 1 to {MAX_SUBJECT} characters"
    return None


def _depth_problem(it: Touchpoint) -> tuple[str, str] | None:
    for name in ("data", "attachments", "actor", "traits"):
        value = getattr(it, name)
        if value and too_deep(value):
            return f"/{name}", f"objects and lists lie at most {MAX_DEPTH} deep in each other"
    return None


_CONTAINERS = frozenset({dict, list, tuple})


def too_deep(value: object, levels: int = MAX_DEPTH) -> bool:
    """Whether objects and lists lie deeper in each other than `levels`.

    What is read with a shallow stack must be written again with a deep one: the limit is ours, far
    below those of the readers and writers.
    """
    if isinstance(value, dict):
        children: Iterable[object] = value.values()
    elif isinstance(value, list | tuple):
        children = value
    else:
        return False
    if not levels:
        return True
    for child in children:  # noqa: SIM110 - a generator takes twice as long for each of millions
        if type(child) in _CONTAINERS and too_deep(child, levels - 1):
            return True
    return False
