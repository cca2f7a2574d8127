"""Policies: automatic handoffs, their triggers and targets."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from .clock import SECOND, Micros
from .conversation import Conversation
from .handoff import Hop, Party, State


class PolicyTrigger(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The conditions of a policy.

    `within_s` is the maximum age of the unresolved conversation. `types` requires a touchpoint of one
    of these types (default: any). `transfers` is the number of transfers for the same reason.
    """

    within_s: float = 24 * 3600
    types: tuple[str, ...] = ()
    transfers: int | None = None


class PolicyTarget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The target of the handoff. Routing to a person is up to the platform."""

    queue: str | None = None
    agent: str | None = None
    channel: str | None = None
    deadline_s: float = 24 * 3600


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """One `[[policies]]` table.

    With `from` and `to`: a customer who appears on channel `to` with an unresolved conversation on
    channel `from` is handed over. With `when.transfers`: the next handoff for the same reason goes to
    `whom`, so that customers are not transferred forever.
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
            raise ValueError(f"policy {self.name!r}: set from and to, or when.transfers")
        if not (self.whom.queue or self.whom.agent or self.whom.channel):
            raise ValueError(f"policy {self.name!r}: whom must name a queue, an agent or a channel")


def unresolved(
    policy: Policy, conversations: Sequence[Conversation], current: bytes, now: Micros
) -> Conversation | None:
    """The newest open conversation that triggers the policy, or None."""
    for one in conversations:
        fresh = now - one.last_at <= policy.when.within_s * SECOND
        matches = not policy.when.types or not one.types.isdisjoint(policy.when.types)
        if one.id != current and one.open and policy.sender in one.channels and fresh and matches:
            return one
    return None


def redirected(policies: Sequence[Policy], reason: str, hops: Sequence[Hop], to: Party) -> Party:
    """The policy's target after too many transfers for one reason, else `to`."""
    transfers = sum(1 for hop in hops if hop.outcome is State.TRANSFERRED and hop.reason == reason)
    for policy in policies:
        if policy.when.transfers is not None and transfers >= policy.when.transfers:
            target = policy.whom
            return Party(channel=target.channel or to.channel, queue=target.queue, agent=target.agent)
    return to
