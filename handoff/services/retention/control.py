"""Handoffs, callbacks, promises, and complaints that ended long ago are deleted, with all that belongs to
them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from handoff.codec.keyed_hash import CALLBACK, HANDOFF
from handoff.codec.records import decode_as
from handoff.domain.clock import Micros
from handoff.domain.handoff import Handoff
from handoff.domain.ledger.entry import ANNOUNCEMENT, COMPLAINT, OWED, PROMISE, EntryState, LedgerEntry
from handoff.services.callbacks.callback import OPEN, Callback
from handoff.services.handoffs.records import Chain
from handoff.services.ledger.entries import forget_entry
from handoff.store.repositories.control import Change, Changed, decode_record
from handoff.store.repositories.tenant.handoff_records import HandoffPlace
from handoff.store.repositories.tenant.listed import RecordList
from handoff.store.store import Store
from handoff.store.tenant import TenantStore

from .deleting import RETENTION, Deleted

AT_ONCE = 100  # records
LEDGER_KINDS = (PROMISE, COMPLAINT, ANNOUNCEMENT)

log = structlog.get_logger(__name__)


async def delete_ended(store: Store, tenant: str, before: Micros) -> Deleted:
    """Delete what ended before a time."""
    part = store.of(tenant)
    handoffs = await _each(
        store,
        part.handoffs.everything,
        part.handoffs.read,
        before,
        lambda raw: _handoff(store, part, raw, before),
    )
    callbacks = await _each(
        store,
        part.callbacks.listed(),
        part.callbacks.read,
        before,
        lambda raw: _callback(store, part, raw, before),
    )
    ended = [it for it in EntryState if it not in OWED]
    ledger = sum([await _ledger(store, part, kind, ended, before) for kind in LEDGER_KINDS])
    counts = {"handoffs": handoffs, "callbacks": callbacks, "ledger": ledger}
    return Deleted(records={name: count for name, count in counts.items() if count})


async def _each(
    store: Store,
    listed: RecordList,
    read: Callable[[list[bytes]], Awaitable[list[bytes | None]]],
    before: Micros,
    delete: Callable[[bytes], Awaitable[bool]],
) -> int:
    """Go through what was requested before a time, oldest first; how many were deleted."""
    deleted = kept = 0
    while ids := await listed.up_to(before, start=kept, limit=AT_ONCE):
        for raw in await read(ids):
            await store.pace.breathe(RETENTION)
            if raw is not None and await delete(raw):
                deleted += 1
            else:
                kept += 1
    return deleted


async def _handoff(store: Store, part: TenantStore, raw: bytes, before: Micros) -> bool:
    handoff = decode_record(raw, Handoff)
    changed = max([handoff.requested_at, *(it.at for it in handoff.history)])
    if handoff.pending or handoff.owning or changed >= before or await store.expiry.is_held(handoff.home):
        return False
    (id_,) = part.hashes.private(HANDOFF, handoff.id)
    stored = await part.handoffs.chain_of(handoff.conversation)
    chain = decode_as(stored.blob, Chain) if stored.version else None
    last = chain is not None and chain.latest == id_
    if last and chain is not None and (chain.owner or chain.pending or chain.owning):
        return False  # the conversation is still somebody's
    change = Change()
    place = HandoffPlace(handoff.home, handoff.state, handoff.to.queue, handoff.to.agent)
    part.handoffs.forget(change, id_, handoff.version, place)
    for snapshot in handoff.snapshots:
        part.handoffs.drop_snapshot(change, bytes.fromhex(snapshot.sha256))
    if last and chain is not None:
        others = [member for member, _previous in chain.members if member != stored.root]
        part.handoffs.forget_chain(change, stored.root, stored.version, others)
    return await _commit(part, change)


async def _callback(store: Store, part: TenantStore, raw: bytes, before: Micros) -> bool:
    callback = decode_record(raw, Callback)
    if callback.state in OPEN or max(callback.requested_at, callback.due or 0) >= before:
        return False
    if await store.expiry.is_held(callback.home):
        return False
    (id_,) = part.hashes.private(CALLBACK, callback.id)
    change = Change()
    part.callbacks.forget(change, id_, callback.version, callback.state)
    return await _commit(part, change)


async def _ledger(
    store: Store, part: TenantStore, kind: str, states: Sequence[EntryState], before: Micros
) -> int:
    """Delete promises and complaints that ended before a time."""
    lists = [part.ledger.listed(kind, it) for it in states]
    return sum(
        [
            await _each(store, it, part.ledger.read, before, lambda raw: _entry(store, part, raw, before))
            for it in lists
        ]
    )


async def _entry(store: Store, part: TenantStore, raw: bytes, before: Micros) -> bool:
    entry = decode_record(raw, LedgerEntry)
    last = max(entry.made_at, entry.ended_at or 0, entry.watched_until or 0)
    if last >= before or await store.expiry.is_held(entry.home):
        return False
    change = Change()
    forget_entry(part, change, entry)
    return await _commit(part, change)


async def delete_outdated(store: Store, tenant: str) -> Deleted:
    """Delete the ledger's entries whose touchpoint is before its horizon, and so is deleted too."""
    part, horizons = store.of(tenant), store.horizons.of(tenant)
    if horizons is None:
        return Deleted()
    count = 0
    opening = ((PROMISE, "promise.made"), (COMPLAINT, "complaint.opened"), (ANNOUNCEMENT, ""))
    for kind, type_ in opening:

        async def outdated(raw: bytes, type_: str = type_) -> bool:
            entry = decode_record(raw, LedgerEntry)
            if not horizons.excludes(entry.channel, entry.type or type_, entry.filed_at):
                return False
            if await store.expiry.is_held(entry.home):
                return False
            change = Change()
            forget_entry(part, change, entry)
            return await _commit(part, change)

        listed = part.ledger.listed(kind)
        count += await _each(store, listed, part.ledger.read, horizons.latest_at, outdated)
    return Deleted(records={"ledger": count} if count else {})


async def _commit(part: TenantStore, change: Change) -> bool:
    try:
        await part.commit(change)
    except Changed:  # somebody uses it: the next sweep looks again
        return False
    return True
