"""A handoff in the control partition: its record with the lists, timers and outbox entry that go with it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from handoff.codec.keyed_hash import HANDOFF, KeyedHash
from handoff.domain.clock import SECOND, Micros
from handoff.domain.handoff import PENDING, Handoff
from handoff.services.events.publishing import encode_handoff_change
from handoff.store.repositories.control import Change, Control

UNVIEWED = "unviewed"
"""The list of accepted handoffs whose owner has not opened the context."""
UNVIEWED_AFTER: Micros = 60 * SECOND  # agents usually look within seconds of accepting
DEADLINE_TIMER, VIEW_TIMER = b"h", b"v"


def raw_id(hashes: KeyedHash, handoff: Handoff) -> bytes:
    """The 16 bytes behind a handoff's public id."""
    return hashes.private(HANDOFF, handoff.id)[0]


def _lists(control: Control, handoff: Handoff) -> set[bytes]:
    """The keys of the lists that contain the handoff."""
    keys = control.keys
    lists = {keys.set("all"), keys.set("home:", handoff.home), keys.set(f"state:{handoff.state}")}
    if handoff.to.queue:
        lists.add(keys.set(f"queue:{handoff.to.queue}"))
    if handoff.to.agent:
        lists.add(keys.set(f"agent:{handoff.to.agent}"))
    return lists


def write_handoff(
    control: Control, hashes: KeyedHash, change: Change, before: Handoff | None, after: Handoff, event: str
) -> None:
    """Add a handoff to a change, together with its lists, its timers and its outbox entry."""
    id_ = raw_id(hashes, after)
    key = control.keys.record("h", id_)
    change.expect(key, before.version if before else 0).put(key, after.version, after)
    old = _lists(control, before) if before else set()
    new = _lists(control, after)
    for list_ in new - old:
        change.add(list_, after.requested_at, id_)
    for list_ in old - new:
        change.remove(list_, id_)
    timer = DEADLINE_TIMER + id_
    if after.state in PENDING:
        change.add(control.keys.timers(), after.due, timer)
    elif before and before.state in PENDING:
        change.remove(control.keys.timers(), timer)
    _track_viewing(control, change, before, after, id_)
    change.post(control.keys.outbox(), encode_handoff_change(event, after))


def _track_viewing(
    control: Control, change: Change, before: Handoff | None, after: Handoff, id_: bytes
) -> None:
    """List handoffs whose owner has not opened the context, with a timer that reports them."""
    unseen = after.owning and after.viewed_at is None
    was_unseen = before is not None and before.owning and before.viewed_at is None
    if unseen and not was_unseen:
        accepted_at = after.history[-1].at
        change.add(control.keys.set(UNVIEWED), accepted_at, id_)
        change.add(control.keys.timers(), accepted_at + UNVIEWED_AFTER, VIEW_TIMER + id_)
    elif was_unseen and not unseen:
        change.remove(control.keys.set(UNVIEWED), id_)
        change.remove(control.keys.timers(), VIEW_TIMER + id_)


class DueTimers(Struct, frozen=True):
    """The timers that are due. `passed_over` counts due timers of kinds that only a newer release knows."""

    timers: Sequence[bytes]
    passed_over: int


async def read_due_timers(control: Control, now: Micros, limit: int = 100) -> DueTimers:
    """The timers that are due at `now` by the store's clock, except kinds that only a newer release knows."""
    found: list[bytes] = []
    start = 0
    while True:
        reply = await control.up_to(control.keys.timers(), now, start=start, limit=limit)
        found += [timer for timer in reply if timer[:1] in (DEADLINE_TIMER, VIEW_TIMER)]
        start += len(reply)
        if len(found) >= limit or len(reply) < limit:
            return DueTimers(found, start - len(found))
