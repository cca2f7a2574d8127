"""Handoffs: transfers of responsibility for a conversation, as a table of states."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from .clock import SECOND, Micros
from .errors import Conflict
from .open_record import OpenRecord


class State(StrEnum):
    """The state of a handoff."""

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
    """The actions on a handoff."""

    OFFER = "offer"
    ACCEPT = "accept"
    DECLINE = "decline"
    RELEASE = "release"
    COMPLETE = "complete"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    TRANSFER = "transfer"
    FAIL = "fail"
    LAPSE = "lapse"
    VIEW = "view"


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
    (State.OFFERED, Action.LAPSE): State.REQUESTED,  # nobody accepted the offer in time
    (State.ACCEPTED, Action.COMPLETE): State.COMPLETED,
    (State.ACCEPTED, Action.RELEASE): State.RELEASED,
    (State.ACCEPTED, Action.TRANSFER): State.TRANSFERRED,
    (State.ACCEPTED, Action.WITHDRAW): State.WITHDRAWN,  # the customer left before it was completed
    (State.ACCEPTED, Action.VIEW): State.ACCEPTED,  # an agent's desktop showed the context
}
"""Every legal transition. Any other is refused and changes nothing."""

FALLS_BACK = frozenset({Action.DECLINE, Action.EXPIRE, Action.FAIL})
"""Actions after which the next step of the fallback chain is asked, if there is one."""
EVENTS: dict[Action, str] = {
    Action.OFFER: "handoff.offered",
    Action.ACCEPT: "handoff.accepted",
    Action.DECLINE: "handoff.declined",
    Action.RELEASE: "handoff.released",
    Action.COMPLETE: "handoff.completed",
    Action.WITHDRAW: "handoff.withdrawn",
    Action.EXPIRE: "handoff.expired",
    Action.TRANSFER: "handoff.transferred",
    Action.FAIL: "handoff.failed",
    Action.LAPSE: "handoff.expired",
    Action.VIEW: "handoff.viewed",
}
"""The event of each action. Rejection, timeout and withdrawal are different events."""
PENDING = frozenset({State.REQUESTED, State.OFFERED})
OWNING = frozenset({State.ACCEPTED})
DEFAULT_DEADLINE_S = 24 * 3600


class Party(OpenRecord, frozen=True, kw_only=True, omit_defaults=True):
    """One side of a handoff: a channel, with a queue, an agent or a named party (a bot)."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None

    @property
    def name(self) -> str:
        return self.agent or self.party or self.queue or self.channel or "unknown"


class Fallback(OpenRecord, frozen=True, kw_only=True):
    """The next party to ask. Without `deadline_s`, the deadline is that of the step before."""

    to: Party
    deadline_s: float | None = None


class Step(OpenRecord, frozen=True, kw_only=True):
    """One entry of a handoff's history: what happened, when, by whom, why."""

    state: State
    at: Micros
    by: str
    reason: str | None = None


class Hop(OpenRecord, frozen=True, kw_only=True):
    """An earlier handoff of the same conversation chain, as shown to later parties."""

    id: str
    sender: Party
    to: Party
    reason: str
    outcome: State
    requested_at: Micros
    ended_at: Micros
    waited_us: int
    owner: str | None = None


class SnapshotRef(OpenRecord, frozen=True, kw_only=True):
    """A pinned context: its content address and the hash of its bytes."""

    at: str
    id: str
    sha256: str
    position: str
    taken_at: Micros
    rules: int = 1


class Handoff(OpenRecord, frozen=True, kw_only=True):
    """A handoff. `version` increases by one with every change; `owner` owns the conversation now.

    `deadline` is the end of the current step, `step_s` its length. An offer may end earlier, at
    `offer_until`, and then returns to the queue.
    """

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
    fallback: tuple[Fallback, ...] = ()
    fallback_used: int = 0
    step_s: float = DEFAULT_DEADLINE_S
    offer_until: Micros | None = None
    owner: str | None = None
    previous_owner: str | None = None
    previous_handoff: str | None = None
    snapshots: tuple[SnapshotRef, ...] = ()
    hops: tuple[Hop, ...] = ()
    history: tuple[Step, ...] = ()
    viewed_at: Micros | None = None
    viewed_by: str | None = None
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    """All queues and agents that have had the handoff. They are notified of its end."""
    consent_missing: str | None = None
    """The purpose that needed the customer's consent and did not have it when the handoff was requested."""
    language: str | None = None
    """The customer's language when the handoff was requested."""
    language_source: str | None = None
    """`stated` or `recognised`."""

    @property
    def pending(self) -> bool:
        return self.state in PENDING

    @property
    def owning(self) -> bool:
        return self.state in OWNING

    @property
    def due(self) -> Micros:
        """The time of the next automatic action while the handoff is pending."""
        return self.deadline if self.offer_until is None else min(self.deadline, self.offer_until)

    @property
    def next_step(self) -> Fallback | None:
        return self.fallback[self.fallback_used] if self.fallback_used < len(self.fallback) else None


class Act(Struct, frozen=True, kw_only=True):
    """An action on a handoff. `by` performs it, for or as `agent`. `offer_s` limits an offer."""

    action: Action
    at: Micros
    by: str
    agent: str | None = None
    reason: str | None = None
    offer_s: float | None = None


def apply(handoff: Handoff, act: Act) -> Handoff:
    """The handoff after `act`. Conflict (`illegal_transition`) when its state does not allow the action."""
    target = TRANSITIONS.get((handoff.state, act.action))
    if target is None:
        raise Conflict(
            f"A handoff in state {handoff.state} cannot be {_PAST[act.action]}", code="illegal_transition"
        )
    return _with_current_party(_moved(handoff, act, target))


def _with_current_party(handoff: Handoff) -> Handoff:
    """The handoff with its current queue and agent added to those to notify."""
    to = handoff.to
    queues = dict.fromkeys((*handoff.queues, *((to.queue,) if to.queue else ())))
    agents = dict.fromkeys((*handoff.agents, *((to.agent,) if to.agent else ())))
    return msgspec.structs.replace(handoff, queues=tuple(queues), agents=tuple(agents))


def requested(handoff: Handoff) -> Handoff:
    """A new handoff, ready to be stored."""
    return _with_current_party(handoff)


def _moved(handoff: Handoff, act: Act, target: State) -> Handoff:
    recorded = State.EXPIRED if act.action is Action.LAPSE else target
    step = Step(state=recorded, at=act.at, by=act.by, reason=act.reason)
    moved = msgspec.structs.replace(
        handoff,
        state=target,
        version=handoff.version + 1,
        history=(*handoff.history, step) if act.action is not Action.VIEW else handoff.history,
        offer_until=None,
    )
    if act.action in FALLS_BACK and handoff.next_step:
        return _fallen_back(moved, act, handoff.next_step)
    return msgspec.structs.replace(moved, **_changes(handoff, act, target))


def _fallen_back(moved: Handoff, act: Act, step: Fallback) -> Handoff:
    """The handoff requested from the next party in the chain, with a new deadline."""
    step_s = step.deadline_s or moved.step_s
    return msgspec.structs.replace(
        moved,
        state=State.REQUESTED,
        to=step.to,
        fallback_used=moved.fallback_used + 1,
        step_s=step_s,
        deadline=act.at + round(step_s * SECOND),
    )


def _changes(before: Handoff, act: Act, target: State) -> dict[str, Any]:
    """The other fields that change with the state: target, owner, views."""
    replace = msgspec.structs.replace
    if act.action is Action.VIEW:
        return {"viewed_at": before.viewed_at or act.at, "viewed_by": before.viewed_by or act.agent or act.by}
    if act.action is Action.OFFER:
        until = act.at + round(act.offer_s * SECOND) if act.offer_s else None
        return {"to": replace(before.to, agent=act.agent or before.to.agent), "offer_until": until}
    if act.action is Action.LAPSE:
        return {"to": replace(before.to, agent=None)}
    if target is State.ACCEPTED:
        owner = act.agent or before.to.agent or act.by
        return {"owner": owner, "to": replace(before.to, agent=owner)}
    if before.pending or target is State.RELEASED:
        return {"owner": before.previous_owner}
    if target is State.TRANSFERRED:
        return {}
    return {"owner": None}


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
    Action.LAPSE: "returned to the queue",
    Action.VIEW: "viewed",
}


def hop_of(handoff: Handoff) -> Hop:
    """An ended handoff as shown to later parties."""
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
