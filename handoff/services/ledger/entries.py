"""Entries of the ledger in the control partition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from handoff.codec.keyed_hash import TOUCHPOINT, KeyedHash
from handoff.domain.ledger.entry import ANNOUNCEMENT, LedgerEntry
from handoff.store.repositories.control import Change, decode_record
from handoff.store.repositories.tenant.ledger_records import LedgerPlace
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store
from handoff.store.tenant import TenantStore


def public_entry_id(hashes: KeyedHash, entry: LedgerEntry) -> str:
    """The id of an entry for clients: that of the touchpoint it began with, and what is announced there."""
    id_ = hashes.public(TOUCHPOINT, entry.home, entry.touchpoint)
    return f"{id_}.{entry.act}" if entry.kind == ANNOUNCEMENT else id_


def place_of(entry: LedgerEntry) -> LedgerPlace:
    alarm = entry.next_alarm[1] if entry.next_alarm else entry.look_at
    return LedgerPlace(
        kind=entry.kind,
        state=entry.state,
        home=entry.home,
        made_at=entry.made_at,
        until=entry.watched_until,
        alarm=alarm,
        owed=entry.owed,
    )


def write_entry(part: TenantStore, change: Change, before: LedgerEntry | None, after: LedgerEntry) -> None:
    """Add an entry to a change, with its lists and its timer."""
    version = before.version if before else 0
    places = (place_of(before) if before else None, place_of(after))
    part.ledger.put(change, after.id, (version, after.version), after, places)


def forget_entry(part: TenantStore, change: Change, entry: LedgerEntry) -> None:
    """Add the deletion of an entry to a change."""
    part.ledger.forget(change, entry.id, entry.version, place_of(entry))


async def read_entries(part: TenantStore, ids: Iterable[bytes]) -> list[LedgerEntry]:
    """The entries with these ids that exist, in order; one round trip."""
    return [decode_record(raw, LedgerEntry) for raw in await part.ledger.read(ids) if raw is not None]


async def entries_of(part: TenantStore, homes: Sequence[bytes]) -> dict[bytes, LedgerEntry]:
    """The entries of these homes by id; two round trips."""
    ids = await part.ledger.of_homes(homes)
    return {it.id: it for it in await read_entries(part, dict.fromkeys(ids))}


async def without_touchpoint(store: Store, entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """The entries whose touchpoint is no longer stored; one round trip."""
    known = list(entries)
    found = await read_places(store.connection, store.keys, [(it.home, it.touchpoint) for it in known])
    return [it for it, member in zip(known, found, strict=True) if member is None]
