"""Callbacks as the control partition stores them, and as clients see them."""

from __future__ import annotations

from msgspec import Struct

from handoff.codec.keyed_hash import CALLBACK, CUSTOMER, KeyedHash
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import NotFound
from handoff.domain.identity import Handle, default_assurance
from handoff.domain.open_record import OpenRecord
from handoff.store.repositories.components import read_records
from handoff.store.repositories.control import Change, decode_record, mark
from handoff.store.store import Store
from handoff.store.tenant import TenantStore

STATES = ("requested", "scheduled", "attempted", "missed", "completed", "cancelled", "given_up")
OPEN = frozenset({"requested", "scheduled", "attempted", "missed"})
ATTEMPTS = 5  # commits tried while others change the same callback


class Callback(OpenRecord, frozen=True, kw_only=True):
    """A stored callback. `home` is its customer's. `phone` is the number to call; it links no identities."""

    id: str
    tenant: str
    state: str
    version: int
    home: bytes
    identity_type: str
    phone: str
    reason: str
    requested_at: Micros
    requested_by: str
    due: Micros | None = None
    attempts: int = 0
    followed: tuple[bytes, ...] = ()


class CallbackView(Struct, frozen=True, kw_only=True):
    """A callback as clients see it. Append `status_query` to the URL that receives the call's status."""

    id: str
    state: str
    version: int
    customer_id: str
    phone: str
    reason: str
    requested_at: str
    requested_by: str
    due: str | None
    attempts: int
    status_query: str


class CallbackPage(Struct, frozen=True, kw_only=True):
    """A page of callbacks. `bound` is where the next page begins."""

    callbacks: list[Callback]
    total: int
    bound: int | None


def callback_view(callback: Callback, hashes: KeyedHash, customer_id: str | None = None) -> CallbackView:
    return CallbackView(
        id=callback.id,
        state=callback.state,
        version=callback.version,
        customer_id=customer_id or hashes.public(CUSTOMER, callback.home),
        phone=callback.phone,
        reason=callback.reason,
        requested_at=format_time(callback.requested_at),
        requested_by=callback.requested_by,
        due=format_time(callback.due) if callback.due else None,
        attempts=callback.attempts,
        status_query=f"callback={callback.id}",
    )


async def read_callback(store: Store, tenant: str, public_id: str) -> Callback:
    """One callback by its public id; one round trip."""
    part = store.of(tenant)
    (raw,) = await part.callbacks.read(part.hashes.private(CALLBACK, public_id))
    if raw is None:
        raise NotFound("there is no such callback")
    return decode_record(raw, Callback)


async def list_callbacks(
    store: Store, tenant: str, *, state: str | None, limit: int, newest_first: bool, below: int | None
) -> CallbackPage:
    """All callbacks, or those in one state."""
    records = store.of(tenant).callbacks
    listed = records.listed(state)
    found = await listed.entries(limit=limit + 1, newest_first=newest_first, below=below)
    raws = await records.read(id_ for id_, _ in found[:limit])
    return CallbackPage(
        callbacks=await store.pace.each(tenant, _read, [raw for raw in raws if raw]),
        total=await listed.count(),
        bound=mark(found[limit - 1]) if len(found) > limit else None,
    )


def _read(raw: bytes) -> Callback:
    return decode_record(raw, Callback)


def writing(tenant: TenantStore, before: Callback | None, after: Callback) -> Change:
    """The change that writes a callback, together with its lists."""
    (id_,) = tenant.hashes.private(CALLBACK, after.id)
    change, records = Change(), tenant.callbacks
    records.put(change, id_, before.version if before else 0, after.version, after)
    records.relist(change, id_, after.requested_at, before.state if before else None, after.state)
    return change


async def home_handle(store: Store, callback: Callback) -> Handle:
    """The handle of the callback's customer. Raises NotFound if the customer was erased."""
    known = (await read_records(store.connection, store.keys, [callback.home])).get(callback.home)
    if known is None:
        raise NotFound("the callback's customer was erased")
    return Handle(known.identity, known.own_assurance or default_assurance(known.identity.type))
