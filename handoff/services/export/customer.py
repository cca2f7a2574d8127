"""Exports of a customer's whole history, read and sent page by page, never held in memory as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial

from msgspec import Struct

from handoff.codec.keyed_hash import SIZE, KeyedHash
from handoff.codec.member import PLACE
from handoff.domain.clock import Micros, format_time
from handoff.domain.identity import ASSURANCE_RANK, Assurance
from handoff.services.access.reader import EVERYTHING, Reader
from handoff.services.context.person import customer_view
from handoff.services.context.views import CustomerView
from handoff.services.customers.customer import Customer
from handoff.services.customers.link_views import LinkView, read_links
from handoff.services.customers.portions import read_portions
from handoff.services.handoffs.records import HandoffView, handoff_view, read_of_homes
from handoff.services.timeline.reading import (
    PAGE,
    Decoded,
    Filter,
    Given,
    TimelineEntry,
    decode,
    read_whole,
    views_of,
)
from handoff.services.timeline.seeing import seen
from handoff.services.timeline.views import TouchpointView, public_conversation
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import read_at
from handoff.store.store import Store

from .vcon import Vcon, making_vcon

_ROW = SIZE + PLACE


class ExportHead(Struct, frozen=True, kw_only=True):
    """The part of an export before the touchpoints.

    `links` is all evidence, oldest first, including withdrawn evidence; `handoffs` has the newest first.
    """

    exported_at: str
    requested_id: str
    customer: CustomerView
    links: list[LinkView]
    handoffs: list[HandoffView]


class ExportView(ExportHead, frozen=True, kw_only=True):
    """A customer's export. It has all touchpoints, oldest first, except those `below_min_assurance`."""

    touchpoints: list[TouchpointView]
    returned: int
    below_min_assurance: int


Pages = AsyncIterator[tuple[list[TouchpointView], int]]
"""Touchpoints of a page, and the number of others below the requested assurance."""


async def begin_export(
    store: Store, tenant: str, customer: Customer, requested_id: str, now: Micros, reader: Reader = EVERYTHING
) -> ExportHead:
    """The export without its touchpoints. Two round trips, and those of `customer_view` and `read_links`.

    A limited reader gets no links: they name other customers, with the reasons that agents gave.
    """
    hashes = store.hashes(tenant)
    homes = [it.key for it in customer.members]
    handoffs = await read_of_homes(store.of(tenant).handoffs, homes, limit=None)
    return ExportHead(
        exported_at=format_time(now),
        requested_id=requested_id,
        customer=await customer_view(store, tenant, customer, reader),
        links=[] if reader.limited else await read_links(store, tenant, customer),
        handoffs=[handoff_view(reader.shown(it), hashes, customer.id) for it in handoffs],
    )


async def export_touchpoints(
    store: Store, tenant: str, customer: Customer, min_assurance: Assurance, reader: Reader = EVERYTHING
) -> Pages:
    """All touchpoints, oldest first. New ones are included if their place has not been passed yet."""
    shown = Filter(min_assurance=min_assurance)
    given = (await read_portions(store, tenant, customer)).given
    async for every in read_whole(store, store.hashes(tenant), _records(customer), given):
        page = await seen(store, every, reader)
        passing = [it for it in page.entries if shown.passes(it.stored, it.body)]
        views = await views_of(store, page, passing)
        yield views, len(page.entries) - len(views)


async def export_conversations(
    store: Store,
    tenant: str,
    customer: Customer,
    min_assurance: Assurance,
    *,
    internal: bool,
    reader: Reader = EVERYTHING,
) -> AsyncIterator[Vcon]:
    """The customer's conversations as vCons, in the order in which they began; empty ones are left out.

    The timeline is read twice: once to find the touchpoints of each conversation, of which only the places
    are kept (48 bytes each), and once conversation by conversation.
    """
    hashes, records = store.hashes(tenant), _records(customer)
    given = (await read_portions(store, tenant, customer)).given
    rank = ASSURANCE_RANK[min_assurance]
    for conversation, rows in (await _places(store, hashes, records, given)).items():
        found = await _touchpoints(store, hashes, {**records, **given.records}, bytes(rows), reader)
        shown = [it for it in found if ASSURANCE_RANK[Assurance(it.assurance)] >= rank]
        making = making_vcon(
            public_conversation(hashes, conversation), shown, internal=internal and reader.internal
        )
        vcon = await store.pace.run(tenant, making)
        if vcon.dialog:
            yield vcon


async def _places(
    store: Store, hashes: KeyedHash, records: Mapping[bytes, IdentityRecord], given: Given
) -> dict[bytes, bytearray]:
    """Home (16) ‖ place (32) of the customer's own touchpoints in each conversation, oldest first."""
    found: dict[bytes, bytearray] = {}
    async for page in read_whole(store, hashes, records, given):
        await store.pace.each(hashes.tenant, partial(_place, page, found), page.entries)
    return found


def _place(page: Decoded, found: dict[bytes, bytearray], entry: TimelineEntry) -> None:
    if not entry.is_reference:
        conversation = page.rendering.conversation(entry.stored, entry.body)[0]
        found.setdefault(conversation, bytearray()).extend(entry.stored.home + entry.stored.place)


async def _touchpoints(
    store: Store,
    hashes: KeyedHash,
    records: Mapping[bytes, IdentityRecord],
    rows: bytes,
    reader: Reader,
) -> list[TouchpointView]:
    """The touchpoints at the places in `rows`, except those removed in the meantime."""
    places = [(rows[at : at + SIZE], rows[at + SIZE : at + _ROW]) for at in range(0, len(rows), _ROW)]
    views: list[TouchpointView] = []
    for at in range(0, len(places), PAGE):
        members = await read_at(store.connection, store.keys, places[at : at + PAGE])
        page = await seen(store, await decode(store, hashes, records, [it for it in members if it]), reader)
        views += await views_of(store, page, page.entries)
    return views


def _records(customer: Customer) -> dict[bytes, IdentityRecord]:
    return {it.key: it for it in customer.members}
