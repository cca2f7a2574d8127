"""Call-backs: promised calls, whose every step is a touchpoint of the customer who asked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from handoff.codec.keyed_hash import CALLBACK, CUSTOMER, SIZE, KeyedHash
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import Conflict, HandoffError, NotFound, StoreUnavailable
from handoff.domain.identity import Assurance, Handle, Identity, default_assurance
from handoff.domain.open_record import OpenRecord
from handoff.domain.touchpoint import (
    Direction,
    Participant,
    Touchpoint,
    default_direction,
)
from handoff.services.timeline.recording import Result, prepare, record, refuse_placeholder
from handoff.store.repositories.components import read_records
from handoff.store.repositories.control import Change, Changed, Control, decode_record, mark
from handoff.store.store import Store

ID_SPACE = "callback"
STATES = ("requested", "scheduled", "attempted", "missed", "completed", "cancelled", "given_up")
OPEN = frozenset({"requested", "scheduled", "attempted", "missed"})
_NEXT = {
    "callback.attempted": "attempted",
    "callback.missed": "missed",
    "callback.completed": "completed",
    "callback.given_up": "given_up",
}
ATTEMPTS = 5


class Callback(OpenRecord, frozen=True, kw_only=True):
    """A call-back as kept. `home` is whose it is; `phone` where to call, which links nothing."""

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
    """A call-back as clients see it. `status_query` goes into the URL that gets the call's status."""

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


class Asked(Struct, frozen=True, kw_only=True):
    """What a call-back is asked for with; `phone` is in E.164."""

    identity: Identity
    phone: str
    reason: str
    by: str
    due: Micros | None = None
    data: dict[str, Any] = field(default_factory=dict)


def callback_view(it: Callback, hashes: KeyedHash, customer_id: str | None = None) -> CallbackView:
    return CallbackView(
        id=it.id,
        state=it.state,
        version=it.version,
        customer_id=customer_id or hashes.public(CUSTOMER, it.home),
        phone=it.phone,
        reason=it.reason,
        requested_at=format_time(it.requested_at),
        requested_by=it.requested_by,
        due=format_time(it.due) if it.due else None,
        attempts=it.attempts,
        status_query=f"callback={it.id}",
    )


def _key(control: Control, hashes: KeyedHash, public_id: str) -> bytes:
    return control.keys.record("b", hashes.private(CALLBACK, public_id)[0])


async def request_callback(store: Store, tenant: str, asked: Asked, now: Micros) -> Callback:
    """Promise a call: `callback.requested`, and `callback.scheduled` where a time was agreed."""
    refuse_placeholder(asked.identity, store.rules)
    control, hashes = store.control(tenant), store.hashes(tenant)
    id_ = secrets.token_bytes(SIZE)
    made = Callback(
        id=hashes.public(CALLBACK, id_),
        tenant=tenant,
        state="scheduled" if asked.due else "requested",
        version=1,
        home=hashes.identity(asked.identity),
        identity_type=asked.identity.type,
        phone=asked.phone,
        reason=asked.reason,
        requested_at=now,
        requested_by=asked.by,
        due=asked.due,
    )
    handle = Handle(asked.identity, await _assurance(store, made.home, asked.identity))
    steps = [_step(made, "callback.requested", handle, asked.by, now, asked.reason, asked.data)]
    if asked.due:
        steps.append(_step(made, "callback.scheduled", handle, asked.by, now + 1))
    for step in steps:
        prepare(step, hashes, store.keys)  # what cannot be told on the timeline is not promised either
    await control.commit(_change(control, hashes, None, made))
    await _record(store, tenant, steps)
    return made


def _change(control: Control, hashes: KeyedHash, before: Callback | None, after: Callback) -> Change:
    (id_,) = hashes.private(CALLBACK, after.id)
    key = control.keys.record("b", id_)
    change = Change().expect(key, before.version if before else 0).put(key, after.version, after)
    change.add(control.keys.set("callbacks"), after.requested_at, id_)
    change.add(control.keys.set(f"callbacks:{after.state}"), after.requested_at, id_)
    if before and before.state != after.state:
        change.remove(control.keys.set(f"callbacks:{before.state}"), id_)
    return change


async def _assurance(store: Store, home: bytes, identity: Identity) -> Assurance:
    known = (await read_records(store.connection, store.keys, [home])).get(home)
    return (known and known.own_assurance) or default_assurance(identity.type)


def _step(
    it: Callback,
    type_: str,
    handle: Handle,
    by: str,
    at: Micros,
    text: str | None = None,
    data: dict[str, Any] | None = None,
) -> Touchpoint:
    due = {"due": format_time(it.due)} if it.due else {}
    return Touchpoint(
        id_space=ID_SPACE,
        event_id=f"{it.id}/{it.version}/{type_}",
        source="callbacks",
        channel="phone",
        type=type_,
        occurred_at=at,
        identities=(handle,),
        participants=(Participant(Identity("phone", "", it.phone), "called"),),
        direction=Direction.INBOUND if type_ == "callback.requested" else default_direction(type_),
        text=text,
        thread=it.id,
        data={**(data or {}), "callback": it.id, "attempts": it.attempts, **due},
        actor={"name": by},
    )


async def _record(store: Store, tenant: str, steps: Sequence[Touchpoint]) -> None:
    for result in await record(store, tenant, steps):
        if not result.ok:
            raise HandoffError(result.detail or "", code=result.code)


async def read_callback(store: Store, tenant: str, public_id: str) -> Callback:
    """One call-back by its public id; one round trip."""
    control, hashes = store.control(tenant), store.hashes(tenant)
    (raw,) = await control.read([_key(control, hashes, public_id)])
    if raw is None:
        raise NotFound("there is no such call-back")
    return decode_record(raw, Callback)


class CallbackPage(Struct, frozen=True, kw_only=True):
    """A page of call-backs; `bound` goes on after it."""

    callbacks: list[Callback]
    total: int
    bound: int | None


async def list_callbacks(
    store: Store, tenant: str, *, state: str | None, limit: int, newest_first: bool, below: int | None
) -> CallbackPage:
    """Call-backs, all or those in a state."""
    control = store.control(tenant)
    key = control.keys.set(f"callbacks:{state}" if state else "callbacks")
    found = await control.ids(key, limit=limit + 1, newest_first=newest_first, below=below)
    raws = await control.read([control.keys.record("b", id_) for id_, _ in found[:limit]])
    return CallbackPage(
        callbacks=[decode_record(raw, Callback) for raw in raws if raw],
        total=await control.count(key),
        bound=mark(found[limit - 1]) if len(found) > limit else None,
    )


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
    """Reschedule or cancel a call-back that is still open. Conflict otherwise."""
    control, hashes = store.control(tenant), store.hashes(tenant)
    for _attempt in range(ATTEMPTS):
        before = await read_callback(store, tenant, public_id)
        if before.state not in OPEN:
            raise Conflict(
                f"the call-back is {before.state}",
                code="illegal_transition",
                current=callback_view(before, hashes),
            )
        state = "cancelled" if type_ == "callback.cancelled" else "scheduled"
        after = msgspec.structs.replace(
            before, state=state, version=before.version + 1, due=due or before.due
        )
        try:
            await control.commit(_change(control, hashes, before, after))
        except Changed:
            continue
        handle = await _home_handle(store, after)
        await _record(store, tenant, [_step(after, type_, handle, by, now, reason)])
        return after
    raise Conflict("the call-back changes too fast, try again", code="busy_callback")


async def _home_handle(store: Store, it: Callback) -> Handle:
    known = (await read_records(store.connection, store.keys, [it.home])).get(it.home)
    if known is None:
        raise NotFound("the call-back's customer is gone")
    return Handle(known.identity, known.own_assurance or default_assurance(known.identity.type))


def names_callback(it: Touchpoint) -> bool:
    """Whether it is a vendor's word of a call that may be one of our call-backs."""
    return it.channel == "phone" and isinstance(it.data.get("callback"), str) and it.id_space != ID_SPACE


async def file_under_callback(store: Store, tenant: str, it: Touchpoint) -> Touchpoint:
    """A call that carries one of our call-back ids (in its signed status URL) under the call-back's
    home, with the number as a participant: a typed number links nobody."""
    if not names_callback(it):
        return it
    try:
        known = await read_callback(store, tenant, it.data["callback"])
        handle = await _home_handle(store, known)
    except NotFound:
        return it
    number = Participant(it.home.identity, "called")
    return msgspec.structs.replace(it, identities=(handle,), participants=(*it.participants, number))


async def follow(
    store: Store, tenant: str, touchpoints: Sequence[Touchpoint], results: Sequence[Result]
) -> None:
    """Move call-backs along with the calls that were made for them; each call's step counts once.

    Done before the vendor gets its answer: what a crash leaves undone, the vendor's retry does.
    """
    control, hashes = store.control(tenant), store.hashes(tenant)
    for it, result in zip(touchpoints, results, strict=True):
        if it.type not in _NEXT or not result.ok:
            continue
        public_id = it.data.get("callback")
        if not isinstance(public_id, str):
            continue
        event = hashes.event(it.id_space, it.event_id)
        for _attempt in range(ATTEMPTS):
            try:
                before = await read_callback(store, tenant, public_id)
            except NotFound:
                break
            if event in before.followed or before.state not in OPEN:
                break
            after = msgspec.structs.replace(
                before,
                state=_NEXT[it.type],
                version=before.version + 1,
                attempts=before.attempts + (it.type == "callback.missed"),
                followed=(*before.followed, event)[-64:],
            )
            try:
                await control.commit(_change(control, hashes, before, after))
            except Changed:
                continue
            break
        else:
            raise StoreUnavailable("the call-back changes too fast")
