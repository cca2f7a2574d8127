"""The callback use-cases: requesting, rescheduling and cancelling a call to a customer.

Each of them commits the change and records its touchpoints on the customer's timeline.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from handoff.codec.keyed_hash import CALLBACK, SIZE
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import Conflict, HandoffError
from handoff.domain.identity import Assurance, Handle, Identity, default_assurance
from handoff.domain.touchpoint import (
    Direction,
    Participant,
    Touchpoint,
    default_direction,
)
from handoff.services.timeline.recording import prepare, record, refuse_placeholder
from handoff.store.repositories.components import read_records
from handoff.store.repositories.control import Changed
from handoff.store.store import Store

from .callback import ATTEMPTS, OPEN, Callback, callback_view, home_handle, read_callback, writing

ID_SPACE = "callback"


class CallbackRequest(Struct, frozen=True, kw_only=True):
    """A request for a callback. `phone` is in E.164."""

    identity: Identity
    phone: str
    reason: str
    by: str
    due: Micros | None = None
    data: dict[str, Any] = field(default_factory=dict)


async def request_callback(store: Store, tenant: str, wanted: CallbackRequest, now: Micros) -> Callback:
    """Promise a call. Records `callback.requested`, and `callback.scheduled` if a time was agreed."""
    refuse_placeholder(wanted.identity, store.rules)
    part, hashes = store.of(tenant), store.hashes(tenant)
    callback = Callback(
        id=hashes.public(CALLBACK, secrets.token_bytes(SIZE)),
        tenant=tenant,
        state="scheduled" if wanted.due else "requested",
        version=1,
        home=hashes.identity(wanted.identity),
        identity_type=wanted.identity.type,
        phone=wanted.phone,
        reason=wanted.reason,
        requested_at=now,
        requested_by=wanted.by,
        due=wanted.due,
    )
    handle = Handle(wanted.identity, await _assurance(store, callback.home, wanted.identity))
    steps = [_step(callback, "callback.requested", handle, wanted.by, now, wanted.reason, wanted.data)]
    if wanted.due:
        steps.append(_step(callback, "callback.scheduled", handle, wanted.by, now + 1))
    for step in steps:
        prepare(step, hashes, store.keys)  # promise no call whose steps cannot be recorded
    await part.commit(writing(part, None, callback))
    await _record(store, tenant, steps)
    return callback


async def change_callback(
    store: Store,
    tenant: str,
    public_id: str,
    *,
    type_: str,
    by: str,
    now: Micros,
    reason: str | None = None,
    due: Micros | None = None,
) -> Callback:
    """Reschedule or cancel an open callback. Raises Conflict if it is no longer open."""
    part, hashes = store.of(tenant), store.hashes(tenant)
    for _attempt in range(ATTEMPTS):
        before = await read_callback(store, tenant, public_id)
        if before.state not in OPEN:
            raise Conflict(
                f"the callback is {before.state}",
                code="illegal_transition",
                current=callback_view(before, hashes),
            )
        state = "cancelled" if type_ == "callback.cancelled" else "scheduled"
        after = msgspec.structs.replace(
            before, state=state, version=before.version + 1, due=due or before.due
        )
        try:
            await part.commit(writing(part, before, after))
        except Changed:
            continue
        handle = await home_handle(store, after)
        await _record(store, tenant, [_step(after, type_, handle, by, now, reason)])
        return after
    raise Conflict("the callback changes too fast, try again", code="busy_callback")


async def _assurance(store: Store, home: bytes, identity: Identity) -> Assurance:
    known = (await read_records(store.connection, store.keys, [home])).get(home)
    return (known and known.own_assurance) or default_assurance(identity.type)


def _step(
    callback: Callback,
    type_: str,
    handle: Handle,
    by: str,
    at: Micros,
    text: str | None = None,
    data: dict[str, Any] | None = None,
) -> Touchpoint:
    due = {"due": format_time(callback.due)} if callback.due else {}
    return Touchpoint(
        id_space=ID_SPACE,
        event_id=f"{callback.id}/{callback.version}/{type_}",
        source="callbacks",
        channel="phone",
        type=type_,
        occurred_at=at,
        identities=(handle,),
        participants=(Participant(Identity("phone", "", callback.phone), "called"),),
        direction=Direction.INBOUND if type_ == "callback.requested" else default_direction(type_),
        text=text,
        thread=callback.id,
        data={**(data or {}), "callback": callback.id, "attempts": callback.attempts, **due},
        actor={"name": by},
    )


async def _record(store: Store, tenant: str, steps: Sequence[Touchpoint]) -> None:
    for result in await record(store, tenant, steps):
        if not result.ok:
            raise HandoffError(result.detail or "", code=result.code)
