"""Hand-offs: moving responsibility for a conversation, as a table of states."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from .clock import Micros
from .errors import Conflict


class State(StrEnum):
    """Where a hand-off stands."""

    REQUESTED = "requested"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    RELEASED = "released"
    TRANSFERRED = "transferred"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"


class Action(StrEnum):
    """What can be done to a hand-off."""

    OFFER = "offer"
    ACCEPT = "accept"
    DECLINE = "decline"
    RELEASE = "release"
    COMPLETE = "complete"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    TRANSFER = "transfer"
    FAIL = "fail"


TRANSITIONS: dict[tuple[State, Action], State] = {
    (State.REQUESTED, Action.OFFER): State.OFFERED,
    (State.REQUESTED, Action.ACCEPT): State.ACCEPTED,  # pull: an agent takes it from the queue
    (State.REQUESTED, Action.DECLINE): State.DECLINED,
    (State.REQUESTED, Action.WITHDRAW): State.WITHDRAWN,
    (State.REQUESTED, Action.EXPIRE): State.EXPIRED,
    (State.REQUESTED, Action.FAIL): State.FAILED,
    (State.OFFERED, Action.OFFER): State.OFFERED,  # offered to somebody else
    (State.OFFERED, Action.ACCEPT): State.ACCEPTED,
    (State.OFFERED, Action.DECLINE): State.DECLINED,
    (State.OFFERED, Action.WITHDRAW): State.WITHDRAWN,
    (State.OFFERED, Action.EXPIRE): State.EXPIRED,
    (State.OFFERED, Action.FAIL): State.FAILED,
    (State.ACCEPTED, Action.COMPLETE): State.COMPLETED,
    (State.ACCEPTED, Action.RELEASE): State.RELEASED,
    (State.ACCEPTED, Action.TRANSFER): State.TRANSFERRED,
    (State.ACCEPTED, Action.WITHDRAW): State.WITHDRAWN,  # the customer left before it was completed
}
"""Every legal move. What is not here is refused and changes nothing."""

PENDING = frozenset({State.REQUESTED, State.OFFERED})
OWNING = frozenset({State.ACCEPTED})
DEFAULT_DEADLINE_S = 24 * 3600


class Party(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side of a hand-off: a channel, and on it a queue, an agent or a named party (a bot)."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None

    @property
    def name(self) -> str:
        return self.agent or self.party or self.queue or self.channel or "unknown"


class Step(Struct, frozen=True, kw_only=True):
    """One entry of a hand-off's history: what happened, when, by whom, why."""

    state: State
    at: Micros
    by: str
    reason: str | None = None


class Hop(Struct, frozen=True, kw_only=True):
    """An earlier hand-off of the same conversation chain, as the next party sees it."""

    id: str
    sender: Party
    to: Party
    reason: str
    outcome: State
    requested_at: Micros
    ended_at: Micros
    waited_us: int
    owner: str | None = None


class SnapshotRef(Struct, frozen=True, kw_only=True):
    """A pinned context: its content address and the hash of exactly its bytes."""

    at: str
    id: str
    sha256: str
    position: str
    taken_at: Micros


class Handoff(Struct, frozen=True, kw_only=True):
    """A hand-off. `version` grows by one with every change; `owner` owns the conversation now."""

    id: str
    tenant: str
    state: State
    version: int
    home: bytes
    conversation: bytes
    root: bytes
    sender: Party
    to: Party
    reason: str
    requested_at: Micros
    deadline: Micros
    requested_by: str
    context: Any = None
    fallback: tuple[Party, ...] = ()
    fallback_used: int = 0
    owner: str | None = None
    previous_owner: str | None = None
    previous_handoff: str | None = None
    snapshots: tuple[SnapshotRef, ...] = ()
    hops: tuple[Hop, ...] = ()
    history: tuple[Step, ...] = ()
    viewed_at: Micros | None = None
    viewed_by: str | None = None

    @property
    def pending(self) -> bool:
        return self.state in PENDING

    @property
    def owning(self) -> bool:
        return self.state in OWNING


def apply(
    handoff: Handoff,
    action: Action,
    *,
    at: Micros,
    by: str,
    agent: str | None = None,
    reason: str | None = None,
) -> Handoff:
    """The hand-off after `action`. Conflict (`illegal_transition`) when its state does not allow it."""
    target = TRANSITIONS.get((handoff.state, action))
    if target is None:
        raise Conflict(
            f"a hand-off that is {handoff.state} cannot be {_PAST[action]}", code="illegal_transition"
        )
    changes: dict[str, Any] = {
        "state": target,
        "version": handoff.version + 1,
        "history": (*handoff.history, Step(state=target, at=at, by=by, reason=reason)),
    }
    if target is State.OFFERED and agent:
        changes["to"] = msgspec.structs.replace(handoff.to, agent=agent)
    elif target is State.ACCEPTED:
        owner = agent or handoff.to.agent or by
        changes["owner"] = owner
        changes["to"] = msgspec.structs.replace(handoff.to, agent=owner)
    elif (target is not State.TRANSFERRED and handoff.pending) or target is State.RELEASED:
        changes["owner"] = handoff.previous_owner
    elif target in (State.COMPLETED, State.WITHDRAWN):
        changes["owner"] = None
    return msgspec.structs.replace(handoff, **changes)


_PAST = {
    Action.OFFER: "offered",
    Action.ACCEPT: "accepted",
    Action.DECLINE: "declined",
    Action.RELEASE: "released",
    Action.COMPLETE: "completed",
    Action.WITHDRAW: "withdrawn",
    Action.EXPIRE: "expired",
    Action.TRANSFER: "transferred",
    Action.FAIL: "failed",
}


def hop_of(handoff: Handoff) -> Hop:
    """How an ended hand-off shows to the parties after it."""
    last = handoff.history[-1]
    answered = next((s.at for s in handoff.history if s.state not in PENDING), last.at)
    return Hop(
        id=handoff.id,
        sender=handoff.sender,
        to=handoff.to,
        reason=handoff.reason,
        outcome=handoff.state,
        requested_at=handoff.requested_at,
        ended_at=last.at,
        waited_us=answered - handoff.requested_at,
        owner=handoff.to.agent,
    )
