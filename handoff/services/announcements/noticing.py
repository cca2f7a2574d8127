"""Opens an entry for what a stored touchpoint announces, driven by the relay: any may be repeated."""

from __future__ import annotations

import asyncio

import msgspec

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.brief.lines import word
from handoff.domain.brief.sections.announced import DISMISSED_TYPE, Announced, announced_in
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.errors import NotFound, Restricted
from handoff.domain.ledger.announced import HISTORY, KIND_CODES, dismissed
from handoff.domain.ledger.entry import ANNOUNCEMENT, EntryState, LedgerEntry
from handoff.services.context.items import timeline_item
from handoff.services.customers.customer import by_key
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
            await self._dismiss(tenant, place[0], item)
            return
        if item.recorded_at - item.occurred_at > HISTORY:
            return
        rules = self._store.brief_rules
        for made in announced_in(item, rules, tenant):
            if self._policies.of(tenant, made.kind).on_unfulfilled != "nothing":
                late = rules.follow_rules(tenant)[made.kind].late
                await self._open(tenant, _entry(made, place, made.due + late))

    async def _dismiss(self, tenant: str, home: bytes, item: TimelineItem) -> None:
        """End the entry that a recorded dismissal names, if it is of the same customer."""
        announcement = word(item.data.get("announcement"))
        try:
            customer = await by_key(self._store, tenant, home)
            announced_at = _place_of(self._store, tenant, announcement)[0]
        except (
            NotFound,
            Restricted,
        ):  # erased in the meantime, not to be worked with, or another system's id
            return
        if announced_at in customer.group.members:
            await dismiss_entry(self._store, tenant, announcement, item)

    async def _read(self, tenant: str, place: tuple[bytes, bytes]) -> TimelineItem | None:
        """The touchpoint, None if it is gone or may not be worked with. One round trip, of two reads."""
        store, (home, _id) = self._store, place
        (stored,), records = await asyncio.gather(
            read_places(store.connection, store.keys, [place]),
            read_records(store.connection, store.keys, [home]),
        )
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


def _place_of(store: Store, tenant: str, announcement: str) -> tuple[bytes, bytes]:
    """The home and the id of the touchpoint in an announcement's id. Raises NotFound for a foreign id."""
    home, id_ = store.hashes(tenant).private(TOUCHPOINT, announcement.rpartition(".")[0], 2)
    return home, id_


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
    kind = announcement.rpartition(".")[2]
    if kind not in KIND_CODES:
        return
    try:
        place = _place_of(store, tenant, announcement)
    except NotFound:  # another system's id
        return
    part = store.of(tenant)
    while True:
        (raw,) = await part.ledger.read([entry_id(place, kind)])
        entry = decode_record(raw, LedgerEntry) if raw is not None else None
        if entry is None or entry.home != place[0] or entry.state is EntryState.DISMISSED:
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
