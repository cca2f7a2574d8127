"""The one decision about access. REST, streams, exports, and repeated answers all ask it.

The tenant comes from the credential alone. What belongs to another tenant, or to a queue that is not the
caller's, does not exist for the caller: 404, with the words of an id that nobody has.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import Forbidden, NotFound
from handoff.domain.handoff import Action, Handoff

from .principal import Audience, Principal

OWNERS_ONLY = frozenset({Action.RELEASE, Action.COMPLETE, Action.WITHDRAW})
"""What only the owner of a conversation may do to it, or a lead."""


class Permission(Struct, frozen=True, kw_only=True):
    """What an operation needs: every scope in `scopes`.

    A limited caller is refused, unless the operation says that it applies the limit to everything that it
    shows and changes: `queues` for callers limited to queues, `customers` for customer-facing ones.
    """

    scopes: tuple[str, ...] = ()
    queues: bool = False
    customers: bool = False


class CustomerFile(Struct, frozen=True, kw_only=True):
    """A customer as a resource: their handoffs decide which queues may read them."""

    handoffs: Sequence[Handoff]
    now: Micros


Resource = Handoff | CustomerFile | None
"""What is read or changed; None before it is known."""


def authorize(
    principal: Principal,
    action: Permission | Action | None,
    tenant: str,
    resource: Resource = None,
) -> None:
    """Forbidden or NotFound unless the caller may do this to the resource of this tenant.

    `action` is what an operation needs, what is done to a handoff, or None for reading the resource.
    """
    if tenant != principal.tenant:
        raise NotFound("there is no such resource")
    if isinstance(action, Permission):
        for scope in action.scopes:
            principal.require(scope)
        if principal.queues is not None and not action.queues:
            raise Forbidden("Tokens that are limited to queues cannot do this", code="limited_token")
        if principal.audience is Audience.CUSTOMER and not action.customers:
            raise Forbidden("Customer-facing tokens cannot do this", code="limited_token")
    if isinstance(resource, Handoff):
        _authorize_handoff(principal, action, tenant, resource)
    if isinstance(resource, CustomerFile) and not principal.reader.reads_customer(
        resource.handoffs, resource.now
    ):
        raise NotFound("there is no such customer")


def _authorize_handoff(
    principal: Principal, action: Permission | Action | None, tenant: str, handoff: Handoff
) -> None:
    if handoff.tenant != tenant or not principal.reader.sees(handoff):
        raise NotFound("there is no such handoff")
    bound = principal.agent is not None and principal.role != "lead"
    if action in OWNERS_ONLY and bound and handoff.owning and handoff.to.agent != principal.agent:
        raise Forbidden("Another agent owns this handoff", code="other_agent")


def authorize_queue(principal: Principal, queue: str) -> None:
    """Forbidden for a queue that is not the caller's; whether it exists does not matter."""
    if principal.queues is not None and queue not in principal.queues:
        raise Forbidden("The token is limited to other queues", code="other_queue")
