"""Write a handoff event as a note at a vendor: find its target, render it, and write it once."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import KEPT_ANSWER, BoundedResponse, Sender
from handoff.domain.brief import Brief
from handoff.domain.errors import NotFound, WrittenByNewer
from handoff.domain.handoff import PENDING, State
from handoff.services.conversations.vendor_threads import TRANSCRIBER, read_threads
from handoff.services.events.publishing import StoredEvent
from handoff.services.handoffs.records import PartyView, read_pinned
from handoff.services.webhooks.subscriptions import Subscription
from handoff.store.store import Store

from . import CONNECTORS, FINAL, Connector, NoteTarget, VendorRequest
from .text import note_text, plain

LIST_S = 8.0  # both calls together stay below a delivery's lease
WRITE_S = 15.0
MAX_ANSWER = 64 * 1024  # bytes: an updated ticket is returned whole, with the comment's id at the end
MAX_LIST = 1024 * 1024  # bytes of a page of entries; a longer page is not read, and nothing is written


class _HandoffState(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """The part of a handoff's state that a note shows."""

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
    store: Store, sender: Sender, public_url: str, event: StoredEvent, subscription: Subscription
) -> AttemptOutcome:
    """Make one attempt. A handoff without a conversation at the vendor is `skipped`; one whose note already
    exists is delivered."""
    desktop = subscription.wishes.desktop
    if desktop is None or desktop.kind == TRANSCRIBER or not event.type.startswith("handoff."):
        return _skipped("no_handoff")
    handoff = msgspec.json.decode(event.data, type=_HandoffState)
    threads = await read_threads(store, subscription.tenant, handoff.customer_id, handoff.conversation_id)
    connector = CONNECTORS.get(desktop.kind)
    if connector is None:
        raise WrittenByNewer(f"connector {desktop.kind} needs a newer release", what="connector")
    target = connector.target(desktop, threads, handoff.context)
    if target is None:
        return _skipped("no_thread")
    try:
        brief = await _brief(store, subscription.tenant, event.snapshot)
    except NotFound:  # erased: nothing of it may be shown
        return _skipped("erased")
    text = note_text(_head(event, handoff), brief, _tail(event, handoff, public_url), connector.limit)
    return await _write_once(sender, connector, subscription, target, (text, event.id))


async def _write_once(
    sender: Sender,
    connector: Connector,
    subscription: Subscription,
    target: NoteTarget,
    note: tuple[str, str],
) -> AttemptOutcome:
    """Write the note (its text and mark) unless it exists: the response to an earlier attempt may be lost."""
    url, (text, mark) = subscription.wishes.url, note
    listed = await _call(sender, connector.list_notes(url, target), subscription, LIST_S, keep=MAX_LIST)
    if not listed.ok:
        return listed
    try:
        known = connector.find_note(listed.answer, mark)
    except ValueError:  # truncated, or another API: without the list, writing could duplicate the note
        return AttemptOutcome(error="answer", latency_s=listed.latency_s, answer=listed.answer[:KEPT_ANSWER])
    if known is not None:
        return msgspec.structs.replace(listed, answer=f"note {known} already exists".encode())
    written = await _call(sender, connector.write_note(url, target, text), subscription, WRITE_S)
    return _with_id(connector, written) if written.ok else written


async def _call(
    sender: Sender,
    request: VendorRequest,
    subscription: Subscription,
    total_s: float,
    keep: int = MAX_ANSWER,
) -> AttemptOutcome:
    headers = {**subscription.wishes.headers, "Accept": "application/json"}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    outcome = await sender.request(
        request.method,
        request.url,
        subscription.wishes.policy,
        headers=headers,
        body=request.body,
        reading=BoundedResponse(total_s=total_s, body_s=total_s / 2, keep=keep),
    )
    if outcome.ok:
        return outcome
    answer = outcome.answer[:KEPT_ANSWER]
    return msgspec.structs.replace(outcome, answer=answer, final=outcome.status in FINAL)


def _with_id(connector: Connector, written: AttemptOutcome) -> AttemptOutcome:
    """Put the note's id before the response, where the attempt keeps it."""
    try:
        id_ = connector.note_id(written.answer)
    except ValueError:
        id_ = None
    head = f"note {id_}\n".encode() if id_ else b""
    return msgspec.structs.replace(written, answer=(head + written.answer)[:KEPT_ANSWER])


def _skipped(why: str) -> AttemptOutcome:
    return AttemptOutcome(latency_s=0.0, skipped=why)


async def _brief(store: Store, tenant: str, snapshot: str | None) -> Brief | None:
    """The brief of the snapshot; None if there is none, or if its format is no longer readable."""
    if snapshot is None:
        return None
    pinned = store.masking.json(tenant, await read_pinned(store.of(tenant).handoffs, snapshot))
    try:
        return msgspec.json.decode(pinned, type=_Pinned).brief
    except msgspec.ValidationError:
        return None


def _head(event: StoredEvent, handoff: _HandoffState) -> list[str]:
    """The event, both parties, the reason, and the deadline."""
    what = event.type.removeprefix("handoff.").replace("_", " ")
    lines = [f"Handoff {what}: {_name(handoff.sender)} to {_name(handoff.to)}"]
    lines += [f"Reason: {plain(handoff.reason)}"] if handoff.reason else []
    lines += [f"Owner: {plain(handoff.owner)}"] if handoff.owner and handoff.state == State.ACCEPTED else []
    lines += [f"Answer by {handoff.deadline}"] if handoff.state in PENDING else []
    return lines


def _tail(event: StoredEvent, handoff: _HandoffState, public_url: str) -> list[str]:
    """The link to the panel, and the mark that identifies a duplicate note."""
    return ["", f"Full history: {public_url}/panel/#handoff={handoff.id}", f"({event.id})"]


def _name(party: PartyView) -> str:
    return plain(party.agent or party.party or party.queue or party.channel or "unknown")
