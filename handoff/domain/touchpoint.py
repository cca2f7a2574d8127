"""Touchpoints: immutable facts that happened on a channel."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from .clock import Micros, parse_time
from .consent import CONSENT_TYPES, consent_problem
from .errors import Unprocessable
from .identity import Assurance, Handle, Identity
from .text.derived import DERIVED, check_derived

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
    "consent.given",
    "consent.withdrawn",
    "promise.dismissed",
    "complaint.dismissed",
    DERIVED,
    "announcement.dismissed",
)
"""Every touchpoint type. The position in this tuple is stored: only append."""

TYPE_SET = frozenset(TYPES)
UNKNOWN_TYPE = "event.tracked"
"""The type shown for a touchpoint whose type or body only a newer release can read."""


class Direction(StrEnum):
    """The direction, from the perspective of the business."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Visibility(StrEnum):
    """Whether the customer may see the touchpoint."""

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
    it for it in TYPES if it.startswith(("handoff.", "identity.", "context.", "note.", "brief.", DERIVED))
)
_INTERNAL = _HIDDEN | {
    *("callback.due", "callback.overdue", "callback.given_up"),
    *("promise.dismissed", "complaint.dismissed", "announcement.dismissed"),
}


DEFAULT_DIRECTIONS = dict.fromkeys(_INTERNAL, Direction.INTERNAL) | dict.fromkeys(
    _OUTBOUND, Direction.OUTBOUND
)
"""Of types whose sender states none; all others are inbound."""
DEFAULT_VISIBILITIES = dict.fromkeys(_HIDDEN, Visibility.INTERNAL)
"""Likewise; all others are public."""


def default_direction(type: str) -> Direction:
    """The direction of a type whose sender states none."""
    return DEFAULT_DIRECTIONS.get(type, Direction.INBOUND)


def default_visibility(type: str) -> Visibility:
    """The visibility of a type whose sender states none. Notes and system entries are internal."""
    return DEFAULT_VISIBILITIES.get(type, Visibility.PUBLIC)


# Limits, published in the API document. An event above a limit is refused, never truncated.
MAX_EVENT_ID = 512  # characters; RFC 5322 Message-IDs reach 250 in real mail
MAX_TEXT = 200_000  # characters: a long mail; the whole touchpoint has a limit of its own
MAX_SUBJECT = 2_000
MAX_IDENTITIES = 20
MAX_PARTICIPANTS = 200
MAX_ATTACHMENTS = 100
MAX_TOUCHPOINT_BYTES = 256 * 1024  # encoded, uncompressed
MAX_SEQ = 2**63 - 1
MAX_DEPTH = 64  # levels of objects and lists; JSON parsers fail at some hundred, real events have ten
EARLIEST: Micros = parse_time("1900-01-01T00:00:00Z")
LATEST: Micros = parse_time("2200-01-01T00:00:00Z")
_CHANNEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class Participant(Struct, frozen=True):
    """Another person in a touchpoint (Cc, a conference, the agent). It is never evidence."""

    identity: Identity
    role: str


class Continuation(Struct, frozen=True, kw_only=True):
    """The use of a continuity code by a touchpoint: its `conversation` continues one of the customer at
    `home`.

    `assurance` is that of the touchpoint's handle; `by` gave the code to the customer.
    """

    code: bytes
    home: bytes
    conversation: bytes
    assurance: Assurance
    by: str
    why: str


class Touchpoint(Struct, frozen=True, kw_only=True):
    """One fact that happened on a channel.

    `identities` are handles of one person. The first is the home: the touchpoint is filed under its
    timeline. (`id_space`, `event_id`) identify the event permanently, whatever its route. `envelope`
    lists the keys of `data` that change between retries; the digest excludes them.
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
    """The id space of `thread`, if it is not `id_space`."""
    conversation: bytes | None = None
    """The conversation that a system entry belongs to. It takes precedence over `thread`."""
    amends: str | None = None
    """The touchpoint that it edits or deletes; of a derived text, the original that `data.of` names."""
    actor: dict[str, Any] | None = None
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    envelope: tuple[str, ...] = ()
    redacted: dict[str, int] = msgspec.field(default_factory=dict)
    """Masked places by kind, such as `card_number`. Set at the border, never by senders."""
    continuation: Continuation | None = None
    """Set when it is recorded, never by senders."""

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
        """The assurance that the touchpoint belongs to its home."""
        return self.identities[0].assurance


def _problem(touchpoint: Touchpoint) -> tuple[str, str] | None:
    type_, text, subject = touchpoint.type, touchpoint.text, touchpoint.subject
    seq, thread = touchpoint.seq, touchpoint.thread
    if not 0 < len(touchpoint.event_id) <= MAX_EVENT_ID:
        return "/id", f"Event ids have 1 to {MAX_EVENT_ID} characters"
    if type_ not in TYPE_SET:
        return "/type", f"Unknown touchpoint type {type_[:60]!r}"
    if touchpoint.channel not in CHANNELS and not _CHANNEL.fullmatch(touchpoint.channel):
        return "/channel", "Channel names match [a-z][a-z0-9_-]*"
    if not EARLIEST <= touchpoint.occurred_at <= LATEST:
        return "/occurred_at", "The time must be between the years 1900 and 2200"
    if not 1 <= len(touchpoint.identities) <= MAX_IDENTITIES:
        return "/identities", f"A touchpoint has 1 to {MAX_IDENTITIES} identities"
    if len(touchpoint.participants) > MAX_PARTICIPANTS:
        return "/participants", f"A touchpoint has at most {MAX_PARTICIPANTS} participants"
    if len(touchpoint.attachments) > MAX_ATTACHMENTS:
        return "/attachments", f"A touchpoint has at most {MAX_ATTACHMENTS} attachments"
    if text is not None and len(text) > MAX_TEXT:
        return "/text", f"The text may have at most {MAX_TEXT} characters"
    if subject is not None and len(subject) > MAX_SUBJECT:
        return "/subject", f"The subject may have at most {MAX_SUBJECT} characters"
    if seq is not None and not 0 <= seq <= MAX_SEQ:
        return "/seq", "The sequence must be an integer from 0 to 2^63-1"
    if thread is not None and not 0 < len(thread) <= MAX_EVENT_ID:
        return "/thread", f"Thread ids have 1 to {MAX_EVENT_ID} characters"
    if type_ in _CHECKED and (problem := _problem_of_type(touchpoint)):
        return problem
    return _depth_problem(touchpoint)


_FEEDBACK = "brief.line_wrong"
_CHECKED = CONSENT_TYPES | {_FEEDBACK, DERIVED}
"""Types whose data has to follow rules."""


def _problem_of_type(touchpoint: Touchpoint) -> tuple[str, str] | None:
    if touchpoint.type == DERIVED:
        return _derived_problem(touchpoint)
    if touchpoint.type == _FEEDBACK:
        return _feedback_problem(touchpoint.data)
    return consent_problem(touchpoint.data)


def _derived_problem(touchpoint: Touchpoint) -> tuple[str, str] | None:
    """A derived text is for colleagues only, and never an act of anybody."""
    check_derived(touchpoint.text, touchpoint.data)
    if touchpoint.visibility is not Visibility.INTERNAL:
        return "/visibility", "A derived text is internal: it may be wrong"
    if touchpoint.direction is not Direction.INTERNAL:
        return "/direction", "A derived text is internal; data.speaker states whose words it has"
    return None if touchpoint.amends else ("/data/of", "A derived text belongs to its original")


_RULE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _feedback_problem(data: dict[str, Any]) -> tuple[str, str] | None:
    """Feedback names the rule of the line and quotes the line."""
    rule, line = data.get("rule"), data.get("line")
    if not isinstance(rule, str) or not _RULE.fullmatch(rule):
        return "/data/rule", "The rule must be the line's code"
    if not isinstance(line, str) or not 0 < len(line) <= MAX_SUBJECT:
        return "/data/line", f"The line must be its text, of 1 to {MAX_SUBJECT} characters"
    return None


def _depth_problem(touchpoint: Touchpoint) -> tuple[str, str] | None:
    if touchpoint.data and too_deep(touchpoint.data):
        name = "data"
    elif touchpoint.attachments and too_deep(touchpoint.attachments):
        name = "attachments"
    elif touchpoint.actor and too_deep(touchpoint.actor):
        name = "actor"
    elif touchpoint.traits and too_deep(touchpoint.traits):
        name = "traits"
    else:
        return None
    return f"/{name}", f"Objects and lists may be nested at most {MAX_DEPTH} levels deep"


_CONTAINERS = frozenset({dict, list, tuple})


def too_deep(value: object, levels: int = MAX_DEPTH) -> bool:
    """Whether objects and lists are nested deeper than `levels`.

    The limit is far below those of parsers and encoders: a value that was parsed on a shallow stack
    must also be encoded on a deep one.
    """
    if isinstance(value, dict):
        children: Iterable[object] = value.values()
    elif isinstance(value, (list, tuple)):  # faster than `list | tuple`, which is made for each call
        children = value
    else:
        return False
    if not levels:
        return True
    for child in children:  # noqa: SIM110 - a generator is half as fast, for millions of values
        if type(child) in _CONTAINERS and too_deep(child, levels - 1):
            return True
    return False
