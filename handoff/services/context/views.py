"""The shapes of a context: the view for the next party, and the selection of its fields."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from handoff.domain import brief as rules
from handoff.domain.identity import Assurance
from handoff.services.access.reader import EVERYTHING, Reader
from handoff.services.customers.consents import ConsentView
from handoff.services.customers.customer import LinkCandidate
from handoff.services.handoffs.records import HandoffView
from handoff.services.timeline.views import IdentityView, TimelineView, TouchpointView

from .completeness import Completeness

DEFAULT_LIMIT = 50


class CandidateSummary(Struct, frozen=True, kw_only=True):
    """A summary that distinguishes the candidates of an ambiguous look-up."""

    name: str | None
    last_at: str | None
    last_type: str | None
    last_subject: str | None
    channels: list[str]
    waiting_since: str | None


class CandidateView(Struct, frozen=True, kw_only=True):
    """An identity that may be this customer; its history is not shown until that is confirmed."""

    customer_id: str
    identity: str
    reason: str
    assurance: str
    touchpoints: int
    links: list[str] = field(default_factory=list)
    """The claims behind the candidate, to withdraw if it turns out to be someone else."""
    summary: CandidateSummary | UnsetType = UNSET
    """For the likeliest candidates of an ambiguous look-up."""


def candidate_view(candidate: LinkCandidate, summary: CandidateSummary | UnsetType = UNSET) -> CandidateView:
    return CandidateView(
        customer_id=candidate.id,
        identity=str(candidate.identity),
        reason=candidate.reason,
        assurance=candidate.assurance,
        touchpoints=candidate.touchpoints,
        links=list(candidate.links),
        summary=summary,
    )


class SharedIdentityView(Struct, frozen=True, kw_only=True):
    """An identity that the customer shares with others, with its unassigned touchpoints.

    `unattributed` counts the unassigned among its newest touchpoints; `newest` has the newest of these.
    Assign each to the person who wrote or called. `pending` has the handoffs that await an agent.
    """

    identity: str
    people: int
    unattributed: int
    waiting_since: str | None
    newest: list[TouchpointView]
    pending: list[str]


class ConflictView(Struct, frozen=True, kw_only=True):
    """Evidence that a guard prevented from joining two customers."""

    identity: str
    other: str
    reason: str
    link: str


class CustomerView(Struct, frozen=True, kw_only=True):
    """The customer, as far as the evidence shows."""

    id: str
    identities: list[IdentityView]
    traits: dict[str, Any]
    candidates: list[CandidateView]
    conflicts: list[ConflictView]
    shared: bool = False
    shared_identities: list[SharedIdentityView] = field(default_factory=list)
    consents: list[ConsentView] | UnsetType = UNSET
    """Current consents, by what the newest touchpoints state; `GET /v1/customers/{id}/consents` reads all."""


class ConversationView(Struct, frozen=True, kw_only=True):
    """One conversation of the customer and who owns its chain."""

    id: str
    state: str
    subject: str | None
    channels: list[str]
    opened_at: str
    root: str
    previous: str | None
    owner: str | None
    waiting_since: str | None = None


class DeletedView(Struct, frozen=True, kw_only=True):
    """A horizon of retention: touchpoints on these channels, of these classes of types, are deleted if they
    occurred `before` a time."""

    before: str
    channels: list[str]
    types: list[str]


class LeftOut(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The omissions of this answer and where to read them: nothing is cut silently."""

    touchpoints: int | None = None
    timeline_next: str | None = None
    below_min_assurance: int | None = None
    brief_older_than: str | None = None
    late: list[str] | None = None
    """Touchpoints that happened before the newest snapshot of this handoff and were recorded after it."""
    conversations: int | None = None
    handoffs: int | None = None
    candidates: int | None = None
    """Linked or claimed identities of the requested customer that are not among the candidates. An order
    number, an address or a login narrows a look-up."""
    unattributed: int | None = None
    """Unassigned touchpoints on identities that the customer shares with others."""
    fields: list[str] | None = None
    deleted: list[DeletedView] | None = None
    """Deleted by policy: the history is cut there, it is not missing."""
    limited: bool | None = None
    """True if this reader may not see everything that the context contains."""


class ContextView(Struct, frozen=True, kw_only=True):
    """The contract's context. `customer` is null unless the match is `one`.

    For an identity that several people share, the match is `several`: the other members show what happened on
    the identity itself.
    """

    match: str
    match_assurance: str | None
    as_of: str
    requested_id: str | None
    customer: CustomerView | None
    conversations: list[ConversationView] | UnsetType = field(default_factory=list)
    handoffs: list[HandoffView] | UnsetType = field(default_factory=list)
    brief: rules.Brief | UnsetType | None = None
    timeline: TimelineView | UnsetType | None = None
    completeness: Completeness | UnsetType = UNSET
    left_out: LeftOut = field(default_factory=LeftOut)
    candidates: list[CandidateView] | UnsetType = UNSET
    question: str | UnsetType = UNSET


class ContextSelection(Struct, frozen=True, kw_only=True):
    """The parts of a context that a reader requests."""

    limit: int = DEFAULT_LIMIT
    min_assurance: Assurance = Assurance.INFERRED
    fields: frozenset[str] | None = None
    reader: Reader = EVERYTHING
    """The reader of the context, and the limits of what they may see."""


OPTIONAL_FIELDS = frozenset({"conversations", "handoffs", "brief", "timeline", "completeness"})
