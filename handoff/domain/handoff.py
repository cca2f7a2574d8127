"""Hand-offs: moving responsibility for a conversation, as a table of states."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from .clock import SECOND, Micros
from .errors import Conflict
from .open_record import OpenRecord


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
    (State.OFFERED, Action.LAPSE): State.REQUESTED,  # nobody took the offer in its own time
    (State.ACCEPTED, Action.COMPLETE): State.COMPLETED,
    (State.ACCEPTED, Action.RELEASE): State.RELEASED,
    (State.ACCEPTED, Action.TRANSFER): State.TRANSFERRED,
    (State.ACCEPTED, Action.WITHDRAW): State.WITHDRAWN,  # the customer left before it was completed
    (State.ACCEPTED, Action.VIEW): State.ACCEPTED,  # an agent's screen showed the context
}
"""Every legal move. What is not here is refused and changes nothing."""

FALLS_BACK = frozenset({Action.DECLINE, Action.EXPIRE, Action.FAIL})
"""Answers after which the next step of the fallback chain is asked, where there is one."""
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
"""What an action is called when it is told: rejection, time-out and withdrawal are different events."""
PENDING = frozenset({State.REQUESTED, State.OFFERED})
OWNING = frozenset({State.ACCEPTED})
DEFAULT_DEADLINE_S = 24 * 3600


class Party(OpenRecord, frozen=True, kw_only=True, omit_defaults=True):
    """One side of a hand-off: a channel, and on it a queue, an agent or a named party (a bot)."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None

    @property
    def name(self) -> str:
        return self.agent or self.party or self.queue or self.channel or "unknown"


class Fallback(OpenRecord, frozen=True, kw_only=True):
    """Who is asked next, and how long; `deadline_s` None: as long as the step before."""

    to: Party
    deadline_s: float | None = None


class Step(OpenRecord, frozen=True, kw_only=True):
    """One entry of a hand-off's history: what happened, when, by whom, why."""

    state: State
    at: Micros
    by: str
    reason: str | None = None


class Hop(OpenRecord, frozen=True, kw_only=True):
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


class SnapshotRef(OpenRecord, frozen=True, kw_only=True):
    """A pinned context: its content address and the hash of exactly its bytes."""

    at: str
    id: str
    sha256: str
    position: str
    taken_at: Micros
    rules: int = 1


class Handoff(OpenRecord, frozen=True, kw_only=True):
    """A hand-off. `version` grows by one with every change; `owner` owns the conversation now.

    `deadline` is when the present step ends, `step_s` how long it was given; an offer may have an
    earlier end of its own, `offer_until`, after which it goes back to the queue.
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
    """Queues it has stood in and agents it was offered to or owned by: who is told of its end."""

    @property
    def pending(self) -> bool:
        return self.state in PENDING

    @property
    def owning(self) -> bool:
        return self.state in OWNING

    @property
    def due(self) -> Micros:
        """When something happens by itself while it is pending."""
        return self.deadline if self.offer_until is None else min(self.deadline, self.offer_until)

    @property
    def next_step(self) -> Fallback | None:
        return self.fallback[self.fallback_used] if self.fallback_used < len(self.fallback) else None


class Act(Struct, frozen=True, kw_only=True):
    """What is done to a hand-off: when, by whom, for or by which agent, why. `offer_s` bounds an offer."""

    action: Action
    at: Micros
    by: str
    agent: str | None = None
    reason: str | None = None
    offer_s: float | None = None


def apply(handoff: Handoff, act: Act) -> Handoff:
    """The hand-off after `act`. Conflict (`illegal_transition`) when its state does not allow it."""
    target = TRANSITIONS.get((handoff.state, act.action))
    if target is None:
        raise Conflict(
            f"a hand-off that is {handoff.state} cannot be {_PAST[act.action]}", code="illegal_transition"
        )
    return _told_to(_moved(handoff, act, target))


def _told_to(it: Handoff) -> Handoff:
    """With everybody remembered who has been asked so far."""
    queues = dict.fromkeys((*it.queues, *((it.to.queue,) if it.to.queue else ())))
    agents = dict.fromkeys((*it.agents, *((it.to.agent,) if it.to.agent else ())))
    return msgspec.structs.replace(it, queues=tuple(queues), agents=tuple(agents))


def requested(it: Handoff) -> Handoff:
    """A hand-off as it is first stored."""
    return _told_to(it)


def _moved(handoff: Handoff, act: Act, target: State) -> Handoff:
    said = State.EXPIRED if act.action is Action.LAPSE else target
    step = Step(state=said, at=act.at, by=act.by, reason=act.reason)
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
    """Asked of the next in the chain, with a deadline of its own."""
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
    """What else changes with the state: who is asked, who owns the conversation."""
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
    Action.LAPSE: "given back",
    Action.VIEW: "viewed",
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
