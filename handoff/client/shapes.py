"""The server's responses. Unknown members are ignored, so an older client works with a newer server.
`/openapi.json` describes all members."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field


class ApiIdentity(Struct, frozen=True, kw_only=True):
    """One identity of a customer, with its assurance."""

    type: str
    value: str
    space: str = ""
    assurance: str = ""
    via: str = ""
    since: str = ""

    def __str__(self) -> str:
        return f"{self.type}@{self.space}:{self.value}" if self.space else f"{self.type}:{self.value}"


class ApiCandidateSummary(Struct, frozen=True, kw_only=True):
    """A summary that distinguishes the candidates of an ambiguous look-up."""

    name: str | None = None
    last_at: str | None = None
    last_type: str | None = None
    last_subject: str | None = None
    channels: list[str] = field(default_factory=list)
    waiting_since: str | None = None


class ApiCandidate(Struct, frozen=True, kw_only=True):
    """A customer who may be the same person."""

    customer_id: str
    identity: str
    reason: str
    assurance: str
    touchpoints: int
    links: list[str] = field(default_factory=list)
    summary: ApiCandidateSummary | None = None


class ApiCandidateReason(Struct, frozen=True, kw_only=True):
    """One reason why a candidate may be the customer. Render `kind`, or show `text`."""

    kind: str
    text: str
    link: str | None = None
    channel: str | None = None
    at: str | None = None


class ApiExplainedCandidate(Struct, frozen=True, kw_only=True):
    """A customer who may be the same person, with the reasons."""

    customer_id: str
    identity: str
    assurance: str
    touchpoints: int
    reasons: list[ApiCandidateReason]


class ApiAssignment(Struct, frozen=True, kw_only=True):
    """An assignment of a touchpoint on a shared identity. Withdraw `id` to undo it."""

    id: str
    touchpoint: str
    shared_identity: str
    identity: str
    customer_id: str
    by: str
    reason: str
    conversation_id: str | None = None
    replaces: str | None = None


class ApiSeparation(Struct, frozen=True, kw_only=True):
    """A touchpoint that is shown by itself. Withdraw `id` to undo it."""

    id: str
    touchpoint: str
    identity: str
    customer_id: str
    by: str
    reason: str


class ApiAlso(Struct, frozen=True, kw_only=True):
    """A copy of a touchpoint, recorded by another way. `why` is the reason to take them for one act."""

    id: str
    source: str
    channel: str
    why: str
    type: str = ""
    occurred_at: str = ""
    assurance: str = ""
    conversation_id: str = ""


class ApiTranscript(Struct, frozen=True, kw_only=True):
    """The chat that an email repeats."""

    conversation_id: str
    at: str
    messages: int


class ApiAssigned(Struct, frozen=True, kw_only=True):
    """The person to whom an agent assigned a touchpoint, and why."""

    by: str
    why: str
    at: str
    link: str
    identity: str | None = None


class ApiCustomer(Struct, frozen=True, kw_only=True):
    """A customer with their identities. `conflicts` are untyped."""

    id: str
    identities: list[ApiIdentity]
    traits: dict[str, Any] = field(default_factory=dict)
    candidates: list[ApiCandidate] = field(default_factory=list)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    shared: bool = False
    shared_identities: list[dict[str, Any]] = field(default_factory=list)
    """Untyped: identities that the customer shares with others, with their unassigned touchpoints."""


class ApiConversation(Struct, frozen=True, kw_only=True):
    """One conversation. `owner` owns its chain of conversations."""

    id: str
    state: str
    channels: list[str]
    opened_at: str
    root: str
    subject: str | None = None
    previous: str | None = None
    owner: str | None = None
    waiting_since: str | None = None


class ApiBriefLine(Struct, frozen=True, kw_only=True):
    """One statement. Render `code` and `params`, or show `text`; `touchpoints` are its evidence."""

    code: str
    params: dict[str, Any]
    count: int
    touchpoints: list[str]
    assurance: str
    text: str


class ApiBrief(Struct, frozen=True, kw_only=True):
    """The sections in reading order."""

    why_now: list[ApiBriefLine] = field(default_factory=list)
    wants: list[ApiBriefLine] = field(default_factory=list)
    tried: list[ApiBriefLine] = field(default_factory=list)
    answered: list[ApiBriefLine] = field(default_factory=list)
    promised: list[ApiBriefLine] = field(default_factory=list)
    known: list[ApiBriefLine] = field(default_factory=list)
    feelings: list[ApiBriefLine] = field(default_factory=list)
    effort: dict[str, Any] = field(default_factory=dict)


class ApiDerived(Struct, frozen=True, kw_only=True):
    """A text derived from a touchpoint, such as a transcript. `superseded`: another one counts instead."""

    id: str
    kind: str
    by: str
    text: str
    superseded: bool = False
    confidence: float | None = None
    language: str | None = None
    speaker: str | None = None


class ApiTouchpoint(Struct, frozen=True, kw_only=True):
    """One event on a channel; times are RFC 3339 in UTC."""

    id: str
    channel: str
    type: str
    direction: str
    visibility: str
    assurance: str
    occurred_at: str
    recorded_at: str
    late: bool
    identity: str
    conversation_id: str
    source: str = ""
    medium: str | None = None
    thread: str | None = None
    actor: dict[str, Any] | None = None
    subject: str | None = None
    text: str | None = None
    language: str | None = None
    attachments: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    amends: str | None = None
    amended_by: str | None = None
    deleted: bool = False
    assigned: ApiAssigned | None = None
    derived: list[ApiDerived] = field(default_factory=list)
    also: list[ApiAlso] = field(default_factory=list)
    transcript_of: ApiTranscript | None = None


class ApiTimeline(Struct, frozen=True, kw_only=True):
    """A page, newest first; `next` is the cursor of the next page."""

    touchpoints: list[ApiTouchpoint]
    returned: int
    total: int | None = None
    next: str | None = None


class ApiParty(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side of a handoff."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None


class ApiHandoff(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A handoff. A move names its `version`. `sender` is `from` in JSON."""

    id: str
    state: str
    version: int
    customer_id: str
    conversation_id: str
    sender: ApiParty
    to: ApiParty
    reason: str
    requested_at: str
    deadline: str
    owner: str | None = None
    offer_until: str | None = None
    snapshot: dict[str, Any] | None = None
    hops: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    context: Any = None
    viewed_at: str | None = None
    candidates: list[ApiCandidate] = field(default_factory=list)
    """In the answer to a request by an identity that several people share."""
    question: str | None = None


class ApiContext(Struct, frozen=True, kw_only=True):
    """The context of one customer. `customer` is None unless `match` is `one`. Live events continue after
    `as_of`; pass the context as `known` to revalidate it by its `etag`."""

    match: str
    as_of: str
    match_assurance: str | None = None
    customer: ApiCustomer | None = None
    conversations: list[ApiConversation] = field(default_factory=list)
    handoffs: list[ApiHandoff] = field(default_factory=list)
    brief: ApiBrief | None = None
    timeline: ApiTimeline | None = None
    completeness: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, Any] = field(default_factory=dict)
    candidates: list[ApiCandidate] = field(default_factory=list)
    question: str | None = None
    etag: str | None = None


class ApiRecorded(Struct, frozen=True, kw_only=True):
    """The result for recorded touchpoints. `ids` has one entry per touchpoint, None if rejected."""

    accepted: int
    duplicates: int
    ids: list[str | None]
    rejected: list[dict[str, Any]] = field(default_factory=list)
    expired: int = 0


class ApiSession(Struct, frozen=True, kw_only=True):
    """A session. Its `token` is shown only once; `queues` is None if it is not limited to queues."""

    id: str
    token: str
    agent: str
    scopes: list[str]
    expires_at: str
    queues: list[str] | None = None
    role: str = "agent"


class LiveEvent(Struct, frozen=True, kw_only=True):
    """One live event. Resume after its `id`. `ready` starts the stream, and `reset` restarts it.

    On a stream of several topics, `topic` is the one that it is about, and `id` the position of that topic.
    """

    type: str
    id: str | None
    data: Any
    topic: str | None = None

    def touchpoint(self) -> ApiTouchpoint:
        """The touchpoint of a `touchpoint` event."""
        return msgspec.convert(self.data, ApiTouchpoint)

    def handoff(self) -> ApiHandoff:
        """The handoff of a `handoff.…` event, with its full state."""
        return msgspec.convert(self.data, ApiHandoff)
