"""Legal holds and restrictions of customers: fields of their identities' records."""

from __future__ import annotations

from enum import StrEnum

import msgpack
from msgspec import Struct

from handoff.domain.clock import Micros, format_time
from handoff.services.customers.customer import by_id, require_current
from handoff.store.repositories.identities import HOLD, RESTRICTION
from handoff.store.store import Store

from .erasure import require_format


class Protection(StrEnum):
    """The protections of a customer."""

    HOLD = "hold"
    RESTRICTION = "restriction"


_FIELDS = {Protection.HOLD: HOLD, Protection.RESTRICTION: RESTRICTION}


class ProtectionView(Struct, frozen=True, kw_only=True):
    """A legal hold or a restriction: who set it, when, and why."""

    customer_id: str
    by: str
    at: str
    reason: str


class ProtectionOrder(Struct, frozen=True, kw_only=True):
    """A request to set a hold or a restriction."""

    kind: Protection
    customer_id: str
    by: str
    reason: str
    now: Micros


async def protect(store: Store, tenant: str, order: ProtectionOrder) -> ProtectionView:
    """Put a hold or a restriction on every identity of a customer. A round trip for each identity.

    Raises Conflict for a former id (`customer_merged`) or while older releases use the store
    (`store_format`): they would show a restricted customer.
    """
    require_format(store)
    customer = await by_id(store, tenant, order.customer_id, restricted=True)
    require_current(customer, order.customer_id)
    packed: bytes = msgpack.packb([order.by, order.now, order.reason])
    for member in customer.members:
        await store.of(tenant).people.set_field(member.key, _FIELDS[order.kind], packed)
    return ProtectionView(
        customer_id=customer.id, by=order.by, at=format_time(order.now), reason=order.reason
    )


async def release(store: Store, tenant: str, kind: Protection, customer_id: str) -> None:
    """Lift a hold or a restriction from every identity of a customer."""
    customer = await by_id(store, tenant, customer_id, restricted=True)
    require_current(customer, customer_id)
    for member in customer.members:
        await store.of(tenant).people.set_field(member.key, _FIELDS[kind], None)
