"""From an event of a hand-off to a note at a vendor: where to, what it says, and whether it stands."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import KEPT_ANSWER, BoundedResponse, Sender
from handoff.domain.brief import Brief
from handoff.domain.errors import NotFound, WrittenByNewer
from handoff.domain.handoff import PENDING, State
from handoff.services.conversations.vendor_threads import read_threads
from handoff.services.events.publishing import StoredEvent
from handoff.services.handoffs.records import PartyView, read_pinned
from handoff.services.webhooks.subscriptions import Subscription
from handoff.store.store import Store

from . import CONNECTORS, FINAL, Connector, NoteTarget, VendorRequest
from .text import note_text, plain

LOOK_S = 8.0  # both calls together stay below the lease of a message
WRITE_S = 15.0
MAX_ANSWER = 64 * 1024  # bytes: an updated ticket comes back whole, the comment's id at its end
MAX_LOOK = 1024 * 1024  # bytes of a page of entries; more than that is not read, and nothing written


class _Asked(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """What of a hand-off's state a note tells."""

    id: str
    state: str
    customer_id: str
    conversation_id: str
    sender: PartyView
    to: PartyView
    reason: str
    deadline: str
    owner: str | None = None
    context: Any = None


class _Pinned(Struct, frozen=True):
    brief: Brief | None = None


async def post_note(
    store: Store, sender: Sender, public_url: str, event: StoredEvent, it: Subscription
) -> AttemptOutcome:
    """One attempt. A hand-off without a place at the vendor is `skipped`; one whose note stands there
    already is delivered."""
    desktop = it.wishes.desktop
    if desktop is None or not event.type.startswith("handoff."):
        return _skipped("no_handoff")
    asked = msgspec.json.decode(event.data, type=_Asked)
    threads = await read_threads(store, it.tenant, asked.customer_id, asked.conversation_id)
    connector = CONNECTORS.get(desktop.kind)
    if connector is None:
        raise WrittenByNewer(f"connector {desktop.kind} is of a newer release", what="connector")
    place = connector.place(desktop, threads, asked.context)
    if place is None:
        return _skipped("no_thread")
    try:
        brief = await _brief(store, it.tenant, event.snapshot)
    except NotFound:  # erased: nothing of it is told any more
        return _skipped("erased")
    text = note_text(_head(event, asked), brief, _tail(event, asked, public_url), connector.limit)
    return await _write_once(sender, connector, it, place, (text, event.id))


async def _write_once(
    sender: Sender, connector: Connector, it: Subscription, place: NoteTarget, note: tuple[str, str]
) -> AttemptOutcome:
    """Write the note (its text and its mark) unless it stands there: an earlier answer may be lost."""
    url, (text, mark) = it.wishes.url, note
    seen = await _call(sender, connector.look(url, place), it, LOOK_S, keep=MAX_LOOK)
    if not seen.ok:
        return seen
    try:
        known = connector.standing(seen.answer, mark)
    except ValueError:  # cut off, or no such API: who cannot look does not write
        return AttemptOutcome(error="answer", latency_s=seen.latency_s, answer=seen.answer[:KEPT_ANSWER])
    if known is not None:
        return msgspec.structs.replace(seen, answer=f"note {known} stands there already".encode())
    wrote = await _call(sender, connector.write(url, place, text), it, WRITE_S)
    return _with_id(connector, wrote) if wrote.ok else wrote


async def _call(
    sender: Sender, request: VendorRequest, it: Subscription, total_s: float, keep: int = MAX_ANSWER
) -> AttemptOutcome:
    headers = {**it.wishes.headers, "Accept": "application/json"}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    outcome = await sender.request(
        request.method,
        request.url,
        it.wishes.policy,
        headers=headers,
        body=request.body,
        reading=BoundedResponse(total_s=total_s, body_s=total_s / 2, keep=keep),
    )
    if outcome.ok:
        return outcome
    answer = outcome.answer[:KEPT_ANSWER]
    return msgspec.structs.replace(outcome, answer=answer, final=outcome.status in FINAL)


def _with_id(connector: Connector, wrote: AttemptOutcome) -> AttemptOutcome:
    """The outcome with the note's id before the answer, where attempts keep it."""
    try:
        id_ = connector.note_id(wrote.answer)
    except ValueError:
        id_ = None
    head = f"note {id_}\n".encode() if id_ else b""
    return msgspec.structs.replace(wrote, answer=(head + wrote.answer)[:KEPT_ANSWER])


def _skipped(why: str) -> AttemptOutcome:
    return AttemptOutcome(latency_s=0.0, skipped=why)


async def _brief(store: Store, tenant: str, snapshot: str | None) -> Brief | None:
    """The brief that was pinned; None where there is none, or one of rules that are no longer read."""
    if snapshot is None:
        return None
    pinned = await read_pinned(store.control(tenant), snapshot)
    try:
        return msgspec.json.decode(pinned, type=_Pinned).brief
    except msgspec.ValidationError:
        return None


def _head(event: StoredEvent, asked: _Asked) -> list[str]:
    """What happened, between whom, why, and how long there is."""
    what = event.type.removeprefix("handoff.").replace("_", " ")
    lines = [f"Hand-off {what}: {_name(asked.sender)} to {_name(asked.to)}"]
    lines += [f"Reason: {plain(asked.reason)}"] if asked.reason else []
    lines += [f"Owner: {plain(asked.owner)}"] if asked.owner and asked.state == State.ACCEPTED else []
    lines += [f"To be answered by {asked.deadline}"] if asked.state in PENDING else []
    return lines


def _tail(event: StoredEvent, asked: _Asked, public_url: str) -> list[str]:
    """Where the rest is, and the mark by which a repeated note is known."""
    return ["", f"All of it: {public_url}/panel/#handoff={asked.id}", f"({event.id})"]


def _name(it: PartyView) -> str:
    return plain(it.agent or it.party or it.queue or it.channel or "unknown")
