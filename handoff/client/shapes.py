"""What the server answers, as a client reads it: members it does not know are passed over, so that an
older client goes on working with a newer server. `/openapi.json` describes all of them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field


class Identity(Struct, frozen=True, kw_only=True):
    """One handle of a person and how sure it is theirs."""

    type: str
    value: str
    space: str = ""
    assurance: str = ""
    via: str = ""
    since: str = ""

    def __str__(self) -> str:
        return f"{self.type}@{self.space}:{self.value}" if self.space else f"{self.type}:{self.value}"


class Candidate(Struct, frozen=True, kw_only=True):
    """Somebody who may be the one that was looked for."""

    customer_id: str
    identity: str
    reason: str
    assurance: str
    touchpoints: int
    links: list[str] = field(default_factory=list)


class Customer(Struct, frozen=True, kw_only=True):
    """Who it is. `conflicts` are kept as they came."""

    id: str
    identities: list[Identity]
    traits: dict[str, Any] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    shared: bool = False


class Conversation(Struct, frozen=True, kw_only=True):
    """One conversation and who owns its chain."""

    id: str
    state: str
    channels: list[str]
    opened_at: str
    root: str
    subject: str | None = None
    previous: str | None = None
    owner: str | None = None
    waiting_since: str | None = None


class BriefLine(Struct, frozen=True, kw_only=True):
    """One statement: render `code` and `params`, or show `text`; `touchpoints` prove it."""

    code: str
    params: dict[str, Any]
    count: int
    touchpoints: list[str]
    assurance: str
    text: str


class Brief(Struct, frozen=True, kw_only=True):
    """The sections in the order in which they are of use."""

    why_now: list[BriefLine] = field(default_factory=list)
    wants: list[BriefLine] = field(default_factory=list)
    tried: list[BriefLine] = field(default_factory=list)
    answered: list[BriefLine] = field(default_factory=list)
    promised: list[BriefLine] = field(default_factory=list)
    known: list[BriefLine] = field(default_factory=list)
    feelings: list[BriefLine] = field(default_factory=list)
    effort: dict[str, Any] = field(default_factory=dict)


class Touchpoint(Struct, frozen=True, kw_only=True):
    """One fact that happened on a channel; times in RFC 3339, UTC."""

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


class Timeline(Struct, frozen=True, kw_only=True):
    """A page, newest first; `next` is the cursor to the rest."""

    touchpoints: list[Touchpoint]
    returned: int
    total: int | None = None
    next: str | None = None


class Party(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side of a hand-off."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None


class Handoff(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A hand-off; `version` is what a move names. `sender` is the contract's `from`."""

    id: str
    state: str
    version: int
    customer_id: str
    conversation_id: str
    sender: Party
    to: Party
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


class Context(Struct, frozen=True, kw_only=True):
    """The story of one customer; `customer` is null unless `match` is `one`. `as_of` is where live
    events go on from, `etag` what a later look names."""

    match: str
    as_of: str
    match_assurance: str | None = None
    customer: Customer | None = None
    conversations: list[Conversation] = field(default_factory=list)
    handoffs: list[Handoff] = field(default_factory=list)
    brief: Brief | None = None
    timeline: Timeline | None = None
    completeness: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, Any] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    question: str | None = None
    etag: str | None = None


class Recorded(Struct, frozen=True, kw_only=True):
    """What became of touchpoints that were sent; `ids` has one per touchpoint, null where rejected."""

    accepted: int
    duplicates: int
    ids: list[str | None]
    rejected: list[dict[str, Any]] = field(default_factory=list)
    expired: int = 0


class Event(Struct, frozen=True, kw_only=True):
    """One live event. `id` is where to go on from; `ready` and `reset` begin or begin anew."""

    type: str
    id: str | None
    data: Any

    def touchpoint(self) -> Touchpoint:
        """What a `touchpoint` event tells."""
        return msgspec.convert(self.data, Touchpoint)

    def handoff(self) -> Handoff:
        """What a `handoff.…` event tells: the hand-off's full state."""
        return msgspec.convert(self.data, Handoff)
