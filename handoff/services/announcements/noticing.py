"""Opens an entry for what a stored touchpoint announces, driven by the relay: any may be repeated."""

from __future__ import annotations

import msgspec

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.brief.lines import word
from handoff.domain.brief.sections.announced import DISMISSED_TYPE, Announced, announced_in
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.errors import NotFound
from handoff.domain.ledger.announced import HISTORY, KIND_CODES, dismissed
from handoff.domain.ledger.entry import ANNOUNCEMENT, EntryState, LedgerEntry
from handoff.services.context.items import timeline_item
from handoff.services.ledger.entries import write_entry
from handoff.services.timeline.reading import decode
from handoff.store.repositories.components import read_records
from handoff.store.repositories.control import Change, Changed, decode_record
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store

from .settings import AnnouncementPolicies


class AnnouncementFollower:
    """Opens entries for announcements, and ends those that are dismissed."""

    def __init__(self, store: Store, policies: AnnouncementPolicies) -> None:
        self._store = store
        self._policies = policies

    async def follow(self, tenant: str, place: tuple[bytes, bytes], type_: str) -> None:
        """Follow a touchpoint at its home and with its id, whose words may announce something."""
        item = await self._read(tenant, place)
        if item is None:
            return
        if type_ == DISMISSED_TYPE:
            await dismiss_entry(self._store, tenant, word(item.data.get("announcement")), item)
            return
        if item.recorded_at - item.occurred_at > HISTORY:
            return
        rules = self._store.brief_rules
        for made in announced_in(item, rules, tenant):
            if self._policies.of(tenant, made.kind).on_unfulfilled != "nothing":
                late = rules.follow_rules(tenant)[made.kind].late
                await self._open(tenant, _entry(made, place, made.due + late))

    async def _read(self, tenant: str, place: tuple[bytes, bytes]) -> TimelineItem | None:
        """The touchpoint, None if it is gone or may not be worked with. Two round trips."""
        store, (home, _id) = self._store, place
        (stored,) = await read_places(store.connection, store.keys, [place])
        records = await read_records(store.connection, store.keys, [home])
        if stored is None or home not in records or records[home].restricted:
            return None
        decoded = await decode(store, store.hashes(tenant), records, [stored])
        return timeline_item(decoded.rendering, decoded.entries[0]) if decoded.entries else None

    async def _open(self, tenant: str, entry: LedgerEntry) -> None:
        part, change = self._store.of(tenant), Change()
        write_entry(part, change, None, entry)
        try:
            await part.commit(change)
        except Changed:  # it was opened before
            return


def entry_id(place: tuple[bytes, bytes], kind: str) -> bytes:
    """The id of an announcement's entry: that of its touchpoint, and its kind."""
    return place[1] + KIND_CODES[kind]


def _entry(made: Announced, place: tuple[bytes, bytes], until: int) -> LedgerEntry:
    item = made.item
    return LedgerEntry(
        id=entry_id(place, made.kind),
        kind=ANNOUNCEMENT,
        home=place[0],
        homes=(place[0],),
        state=EntryState.OPEN,
        version=1,
        filed_at=item.occurred_at,
        made_at=item.occurred_at,
        renewed_at=item.occurred_at,
        conversation=item.conversation,
        channel=item.channel,
        due=made.due,
        act=made.kind,
        type=item.type,
        spoken_by=made.speaker,
        look_at=made.due,
        watch_until=until,
    )


async def dismiss_entry(store: Store, tenant: str, announcement: str, item: TimelineItem) -> None:
    """End the entry of a dismissed announcement, if there is one. `item` is the dismissal."""
    id_, _, kind = announcement.rpartition(".")
    try:
        place = store.hashes(tenant).private(TOUCHPOINT, id_, 2)
    except NotFound:  # another system's id
        return
    if kind not in KIND_CODES:
        return
    part = store.of(tenant)
    while True:
        (raw,) = await part.ledger.read([entry_id((place[0], place[1]), kind)])
        entry = decode_record(raw, LedgerEntry) if raw is not None else None
        if entry is None or entry.state is EntryState.DISMISSED:
            return
        after = msgspec.structs.replace(
            dismissed(entry, item.occurred_at, item.id), version=entry.version + 1
        )
        change = Change()
        write_entry(part, change, entry, after)
        try:
            await part.commit(change)
            return
        except Changed:
            continue
