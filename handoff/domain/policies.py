"""Policies: when the product asks for a hand-off by itself, and to whom it goes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from .clock import SECOND, Micros
from .conversation import Conversation
from .handoff import Hop, Party, State


class PolicyTrigger(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold. `within_s`: how fresh the unresolved matter is; `types`: one of these happened
    in it (none: anything counts); `transfers`: handed on this often for the same reason."""

    within_s: float = 24 * 3600
    types: tuple[str, ...] = ()
    transfers: int | None = None


class PolicyTarget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets it: routing to a person stays with the platform."""

    queue: str | None = None
    agent: str | None = None
    channel: str | None = None
    deadline_s: float = 24 * 3600


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """One `[[policies]]` table.

    With `from` and `to`: a customer who shows up on channel `to` with an unresolved matter on
    channel `from` is handed over. With `when.transfers`: the next hand-off for the same reason
    goes to `whom` instead, so that nobody is passed round for ever.
    """

    name: str
    whom: PolicyTarget
    tenant: str = "default"
    sender: str | None = None
    to: str | None = None
    when: PolicyTrigger = field(default_factory=PolicyTrigger)

    def __post_init__(self) -> None:
        detects = self.sender is not None and self.to is not None
        if detects == (self.when.transfers is not None):
            raise ValueError(f"policy {self.name!r}: name from and to, or when.transfers")
        if not (self.whom.queue or self.whom.agent or self.whom.channel):
            raise ValueError(f"policy {self.name!r}: whom names a queue, an agent or a channel")


def unresolved(
    policy: Policy, conversations: Sequence[Conversation], shown_up_in: bytes, now: Micros
) -> Conversation | None:
    """The newest open conversation on the policy's channel that makes it hold; None otherwise."""
    for it in conversations:
        fresh = now - it.last_at <= policy.when.within_s * SECOND
        meant = not policy.when.types or not it.types.isdisjoint(policy.when.types)
        if it.id != shown_up_in and it.open and policy.sender in it.channels and fresh and meant:
            return it
    return None


def redirected(policies: Sequence[Policy], reason: str, hops: Sequence[Hop], to: Party) -> Party:
    """Who is asked instead of `to` after too many transfers for one reason; `to` itself otherwise."""
    passed = sum(1 for hop in hops if hop.outcome is State.TRANSFERRED and hop.reason == reason)
    for policy in policies:
        if policy.when.transfers is not None and passed >= policy.when.transfers:
            whom = policy.whom
            return Party(channel=whom.channel or to.channel, queue=whom.queue, agent=whom.agent)
    return to
