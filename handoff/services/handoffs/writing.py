"""A handoff in the control partition: its record with the lists, timers and outbox entry that go with it."""

from __future__ import annotations

from handoff.codec.keyed_hash import HANDOFF, KeyedHash
from handoff.domain.clock import SECOND, Micros
from handoff.domain.handoff import PENDING, Handoff
from handoff.services.events.publishing import encode_handoff_change
from handoff.store.repositories.control import Change
from handoff.store.repositories.tenant.handoff_records import HandoffPlace, HandoffRecords
from handoff.store.tenant import TenantStore

UNVIEWED_AFTER: Micros = 60 * SECOND  # agents usually look within seconds of accepting


def raw_id(hashes: KeyedHash, handoff: Handoff) -> bytes:
    """The 16 bytes behind a handoff's public id."""
    return hashes.private(HANDOFF, handoff.id)[0]


def _place(handoff: Handoff) -> HandoffPlace:
    return HandoffPlace(handoff.home, handoff.state, handoff.to.queue, handoff.to.agent)


def write_handoff(
    tenant: TenantStore, change: Change, before: Handoff | None, after: Handoff, event: str
) -> None:
    """Add a handoff to a change, together with its lists, its timers and its outbox entry."""
    handoffs, id_ = tenant.handoffs, raw_id(tenant.hashes, after)
    handoffs.put(change, id_, before.version if before else 0, after.version, after)
    handoffs.relist(change, id_, after.requested_at, _place(before) if before else None, _place(after))
    if after.state in PENDING:
        handoffs.set_deadline(change, id_, after.due)
    elif before and before.state in PENDING:
        handoffs.clear_deadline(change, id_)
    _track_viewing(handoffs, change, before, after, id_)
    tenant.outbox.post(change, encode_handoff_change(event, after))


def _track_viewing(
    handoffs: HandoffRecords, change: Change, before: Handoff | None, after: Handoff, id_: bytes
) -> None:
    """List handoffs whose owner has not opened the context, with a timer that reports them."""
    unseen = after.owning and after.viewed_at is None
    was_unseen = before is not None and before.owning and before.viewed_at is None
    if unseen and not was_unseen:
        accepted_at = after.history[-1].at
        handoffs.expect_viewing(change, id_, accepted_at, accepted_at + UNVIEWED_AFTER)
    elif was_unseen and not unseen:
        handoffs.end_viewing(change, id_)
