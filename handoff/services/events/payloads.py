"""What subscribers are sent: the envelope of every message, and the shape of `data` by kind of event."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from handoff.services.context.views import ContextView
from handoff.services.handoffs.records import HandoffView
from handoff.services.timeline.views import TouchpointView

CONTENT_TYPE = "application/cloudevents+json"

ChangeKind = Literal["new", "late", "linked", "unlinked"]


class EventEnvelope(Struct, frozen=True, kw_only=True):
    """A structured CloudEvent (CloudEvents 1.0, JSON format §3): context attributes, our extensions, `data`.

    `sequence` orders the events of a `partitionkey`; `supersedes` are ids of older events of the same
    hand-off that could not be delivered and need not be: this one carries the newer state.
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
    """Where the rest of a hand-off is; each needs a token with `context:read`."""

    handoff: str
    context: str
    snapshot: str
    customer: str


class TouchpointLinks(Struct, frozen=True, kw_only=True):
    """Where the whole touchpoint is."""

    touchpoint: str


class Included(Struct, frozen=True, kw_only=True):
    """With `include = "context"`: the context exactly as it was pinned."""

    context: ContextView


class HandoffData(HandoffView, frozen=True, kw_only=True):
    """The full state of a hand-off after the change. `left_out` names what was cut to stay small."""

    links: HandoffLinks
    left_out: dict[str, str] | UnsetType = UNSET
    included: Included | UnsetType = UNSET


class TouchpointData(TouchpointView, frozen=True, kw_only=True):
    """A touchpoint as it was stored. `left_out` names what was cut to stay small."""

    links: TouchpointLinks
    left_out: dict[str, str] | UnsetType = UNSET


class ContextChange(Struct, frozen=True, kw_only=True):
    """What is new about the customer: a touchpoint, a late one, or identities linked or unlinked by it."""

    kind: ChangeKind
    touchpoint: str
    type: str
    channel: str
    occurred_at: str
    subject: str | None
    text: str | None
    assurance: str


class ContextChanged(Struct, frozen=True, kw_only=True):
    """Something came after the context of an owned hand-off was pinned, at the position `since`."""

    handoff: str
    agent: str | None
    customer_id: str
    since: str
    change: ContextChange


class Unviewed(Struct, frozen=True, kw_only=True):
    """Who took a conversation and has not looked at its context."""

    handoff: str
    agent: str | None
    version: int


class ClockJumped(Struct, frozen=True, kw_only=True):
    """By how much the store's clock jumped, and whether deadlines are held meanwhile."""

    by_s: float
    held: bool


class SubscriptionRef(Struct, frozen=True, kw_only=True):
    """A subscription. Of its URL the origin only: a path or query may hold a secret of the subscriber."""

    id: str
    name: str | None
    url: str


class DeadMessage(Struct, frozen=True, kw_only=True):
    """A message that is not tried any more. `id` is empty where the event itself is no longer kept."""

    id: str
    type: str
    attempts: int
    reason: str


class WebhookDead(Struct, frozen=True, kw_only=True):
    """A message became a dead letter."""

    subscription: SubscriptionRef
    message: DeadMessage


class HandoffUndelivered(HandoffData, frozen=True, kw_only=True):
    """The state of a hand-off that somebody was asked to take and did not get to know of."""

    undelivered: WebhookDead


class WebhookFailing(Struct, frozen=True, kw_only=True):
    """A subscription that has only failed for a day, and when it will be disabled."""

    subscription: SubscriptionRef
    failing_since: str
    disabled_at: str


class WebhookDisabled(Struct, frozen=True, kw_only=True):
    """A subscription that nothing is sent to any more until somebody enables it."""

    subscription: SubscriptionRef
    reason: str


class WebhookTest(Struct, frozen=True, kw_only=True):
    """A test; without `subscription` and `by` when it was sent from the command line."""

    message: str
    subscription: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
