"""Payloads for subscribers: the envelope of every message, and the `data` of each kind of event."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from handoff.services.context.views import ContextView
from handoff.services.handoffs.records import HandoffView
from handoff.services.timeline.views import TouchpointView

CONTENT_TYPE = "application/cloudevents+json"

ChangeKind = Literal["new", "late", "linked", "unlinked", "shared"]
"""`shared`: something happened on an identity that the customer shares with others; it may be theirs."""


class EventEnvelope(Struct, frozen=True, kw_only=True):
    """A structured CloudEvent (CloudEvents 1.0, JSON format §3): context attributes, our extensions, `data`.

    `sequence` orders the events of a `partitionkey`. `supersedes` lists older events of the same handoff that
    could not be delivered and need not be: this event carries the newer state.
    """

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    sequence: str
    partitionkey: str
    correlationid: str
    recordedtime: str
    data: msgspec.Raw
    supersedes: str | UnsetType = UNSET


class HandoffLinks(Struct, frozen=True, kw_only=True):
    """Links to the rest of a handoff; each needs a token with `context:read`."""

    handoff: str
    context: str
    snapshot: str
    customer: str


class TouchpointLinks(Struct, frozen=True, kw_only=True):
    """A link to the complete touchpoint."""

    touchpoint: str


class Included(Struct, frozen=True, kw_only=True):
    """The pinned context, unchanged, with `include = "context"`."""

    context: ContextView


class HandoffData(HandoffView, frozen=True, kw_only=True):
    """The full state of a handoff after the change. `left_out` names fields cut to limit its size."""

    links: HandoffLinks
    left_out: dict[str, str] | UnsetType = UNSET
    included: Included | UnsetType = UNSET


class TouchpointData(TouchpointView, frozen=True, kw_only=True):
    """A stored touchpoint. `left_out` names fields that were cut to limit the size."""

    links: TouchpointLinks
    left_out: dict[str, str] | UnsetType = UNSET


class ContextChange(Struct, frozen=True, kw_only=True):
    """A change of the customer's context: a new or late touchpoint, or linked or unlinked identities."""

    kind: ChangeKind
    touchpoint: str
    type: str
    channel: str
    occurred_at: str
    subject: str | None
    text: str | None
    assurance: str


class ContextChanged(Struct, frozen=True, kw_only=True):
    """A change after the context of an owned handoff was pinned, at the position `since`."""

    handoff: str
    agent: str | None
    customer_id: str
    since: str
    change: ContextChange


class CustomerErased(Struct, frozen=True, kw_only=True):
    """An erased customer. Delete everything that you keep under these ids."""

    customer_id: str
    customer_ids: list[str]
    erasure: str
    erased_at: str


class Unviewed(Struct, frozen=True, kw_only=True):
    """An accepted handoff whose owner has not opened the context."""

    handoff: str
    agent: str | None
    version: int


class ClockJumped(Struct, frozen=True, kw_only=True):
    """A jump of the store's clock in seconds, and whether deadlines are on hold because of it."""

    by_s: float
    held: bool


class AnnouncementAlarm(Struct, frozen=True, kw_only=True):
    """The outcome of an announcement, for the current owner of the customer. It has no words of anybody.

    `kind` is `transfer`, `callback`, or `mail`, `touchpoint` what announced it, `announced_by` a `person`, a
    `bot`, or `unknown`. `fulfilled_at` and `proof` are of the touchpoint that followed late.
    """

    announcement: str
    kind: str
    state: str
    late: bool
    customer_id: str
    conversation_id: str
    touchpoint: str
    announced_by: str
    announced_at: str
    due: str
    fulfilled_at: str | None
    proof: str | None
    agent: str | None
    queue: str | None
    handoff: str | None


class PromiseAlarm(Struct, frozen=True, kw_only=True):
    """An alarm about a promise, for the current owner of the customer. It has no words of anybody.

    `promise` is the touchpoint that made it. `agent` owns the customer, or the handoff waits in `queue`; both
    are null if nobody does. `act` is what was promised, such as `call`.
    """

    promise: str
    state: str
    customer_id: str
    conversation_id: str
    act: str | None
    made_at: str
    due: str
    agent: str | None
    queue: str | None
    handoff: str | None


class SubscriptionRef(Struct, frozen=True, kw_only=True):
    """A subscription. `url` is only the origin: path and query may hold a secret of the subscriber."""

    id: str
    name: str | None
    url: str


class DeadMessage(Struct, frozen=True, kw_only=True):
    """A message that is no longer tried. `id` is empty if the event itself is no longer stored."""

    id: str
    type: str
    attempts: int
    reason: str


class WebhookDead(Struct, frozen=True, kw_only=True):
    """A message became a dead letter."""

    subscription: SubscriptionRef
    message: DeadMessage


class HandoffUndelivered(HandoffData, frozen=True, kw_only=True):
    """The state of a handoff whose offer could not be delivered."""

    undelivered: WebhookDead


class WebhookFailing(Struct, frozen=True, kw_only=True):
    """A subscription whose deliveries have all failed for a day, and when it will be disabled."""

    subscription: SubscriptionRef
    failing_since: str
    disabled_at: str


class WebhookDisabled(Struct, frozen=True, kw_only=True):
    """A subscription that receives nothing until it is enabled again."""

    subscription: SubscriptionRef
    reason: str


class WebhookTest(Struct, frozen=True, kw_only=True):
    """A test message. Without `subscription` and `by` if it was sent from the command line."""

    message: str
    subscription: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
