"""The one decision about access. REST, streams, exports, and repeated answers all ask it.

The tenant comes from the credential alone. Resources of another tenant, or of a queue that is
not the caller's, do not exist for the caller: 404, as for an unknown id.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import Forbidden, NotFound
from handoff.domain.handoff import Action, Handoff

from .principal import Audience, Principal

OWNERS_ONLY = frozenset({Action.RELEASE, Action.COMPLETE, Action.WITHDRAW})
"""Actions for the owner of a conversation and for leads."""


class Permission(Struct, frozen=True, kw_only=True):
    """The needs of an operation: every scope in `scopes`.

    A limited caller is refused, unless the operation declares that it applies the limit to everything that it
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
"""The resource that is read or changed; None before it is known."""


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
            if scope not in principal.scopes:
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
