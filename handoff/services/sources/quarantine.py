"""Quarantine: items that could not be recorded are stored and counted, and can be replayed."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable, Sequence

import structlog
from msgspec import Struct

from handoff.adapter.contract import InboundRequest
from handoff.codec.compression import compress, decompress
from handoff.domain.clock import DAY, Micros, format_time
from handoff.domain.errors import NotFound
from handoff.domain.redaction.redaction import Redaction, safe_detail
from handoff.domain.text.cleaning import clean, clean_pairs
from handoff.services.admission.limits import LimitSettings
from handoff.store.errors import unavailable
from handoff.store.repositories.control import decode_record, mark, pack_record
from handoff.store.repositories.tenant.quarantine_records import (
    QuarantineBounds,
    QuarantineItem,
    QuarantineRecords,
)
from handoff.store.server.memory import OUT_OF_MEMORY
from handoff.store.store import Store

from .naming import UNNAMED, NamedPeople

MAX_ITEM = 1024 * 1024  # bytes stored of one item
LARGE = 16 * 1024  # bytes; masking more would block the event loop for tens of milliseconds
_ITEMS_AT_ONCE = 50
_BYTES_AT_ONCE = 32 * 1024
SHARE = 20  # a source's quarantine takes at most this part of `maxmemory`
PRESSED_SHARE = 16  # and this part of its limit while the store is nearly full

_ID = re.compile(r"[0-9a-f]{32}")

log = structlog.get_logger(__name__)


class Quarantined(Struct, frozen=True, kw_only=True):
    """A stored item, with the parts of its request that a replay needs. `item` is compressed by `codec`."""

    id: str
    source: str
    received_at: Micros
    code: str
    detail: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    content_type: str
    codec: int
    item: bytes
    size: int
    headers: tuple[tuple[str, str], ...] = ()
    """Those that the adapter's manifest keeps. Items of earlier builds have none."""

    def content(self) -> bytes:
        return decompress(self.codec, self.item)

    def head(self) -> str:
        """Everything that is kept beside the content, for a search."""
        pairs = [f"{name}={value}" for name, value in (*self.query, *self.headers)]
        return "&".join((self.path, self.detail, self.content_type, *pairs))

    def request(self) -> InboundRequest:
        """The request to parse again, without its signature, which was verified when it was received."""
        content = self.content()
        return InboundRequest(
            method=self.method,
            path=self.path,
            url="",
            query=self.query,
            headers={"content-type": self.content_type, **dict(self.headers)},
            raw=content,
            body=content,
            received_at=self.received_at,
        )


class QuarantineView(Struct, frozen=True, kw_only=True):
    """An item as operators see it, without its content, which may hold personal data."""

    id: str
    source: str
    received_at: str
    code: str
    detail: str
    size: int


class QuarantinePage(Struct, frozen=True, kw_only=True):
    """A page of items. `bound` is where the next page begins."""

    items: list[QuarantineView]
    total: int
    bound: int | None


class Rejected(Struct, frozen=True, kw_only=True):
    """An item to quarantine, and whom it names."""

    code: str
    detail: str
    item: bytes
    named: NamedPeople = UNNAMED


class ItemTurns:
    """Gives other requests a turn after some items or bytes."""

    def __init__(self) -> None:
        self._items = self._bytes = 0

    async def after(self, item: bytes) -> None:
        self._items, self._bytes = self._items + 1, self._bytes + len(item)
        if self._items == _ITEMS_AT_ONCE or self._bytes > _BYTES_AT_ONCE:
            self._items = self._bytes = 0
            await asyncio.sleep(0)


class Quarantine:
    """Keeps items within the limits of each source. A store that runs full is emptied of them first."""

    def __init__(self, store: Store, limits: LimitSettings) -> None:
        self._store = store
        self._limits = limits

    async def keep(
        self,
        tenant: str,
        source: str,
        request: InboundRequest,
        items: Sequence[Rejected],
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Store the items, and delete the source's oldest ones beyond its limits. One round trip.

        `headers` are stored as given (`hiding.kept_headers`).

        Card numbers and the like are masked first, in whatever format the item is.
        StoreUnavailable (`out_of_memory`) while only the store's reserve is left.
        """
        if self._store.health.memory.full:
            raise unavailable(OUT_OF_MEMORY)
        records: list[QuarantineItem] = []
        turns = ItemTurns()
        for place, rejected in enumerate(items):
            masked = await _masked(self._store.redaction, tenant, rejected.item[:MAX_ITEM])
            record = _record(source, request, place, rejected, masked, headers)
            records.append(_packed(record, rejected))
            await turns.after(rejected.item)  # the compressor belongs to the loop's thread
        gone = await self._store.of(tenant).quarantine.keep(source, records, self._bounds())
        if gone:
            log.warning("quarantine_evicted", source=source, count=gone)

    async def trim(self, sources: Iterable[tuple[str, str]], now: Micros) -> None:
        """Delete what is beyond the limits of (tenant, source) pairs, also by age."""
        bounds = self._bounds(since=now - round(self._limits.quarantine_days * DAY))
        for tenant, source in sources:
            gone = await self._store.of(tenant).quarantine.trim(source, bounds)
            if gone:
                log.warning("quarantine_evicted", source=source, count=gone)

    def _bounds(self, since: Micros = 0) -> QuarantineBounds:
        memory, limits = self._store.health.memory, self._limits
        size = (
            min(limits.quarantine_bytes, memory.limit // SHARE) if memory.limit else limits.quarantine_bytes
        )
        if memory.pressed:
            size //= PRESSED_SHARE
        return QuarantineBounds(items=limits.quarantine_items, bytes=size, since=since)


def _record(
    source: str,
    request: InboundRequest,
    place: int,
    rejected: Rejected,
    masked: bytes,
    headers: tuple[tuple[str, str], ...],
) -> Quarantined:
    """A `masked` item as it is stored, with the parts of its request that a replay needs, masked too."""
    codec, packed = compress(masked)
    query = tuple((safe_detail(name), safe_detail(value)) for name, value in clean_pairs(request.query))
    return Quarantined(
        id=secrets.token_hex(16),
        source=source,
        received_at=request.received_at + place,
        code=rejected.code,
        detail=safe_detail(clean(rejected.detail))[:500],
        method=clean(request.method),
        path=safe_detail(clean(request.path)),
        query=query,
        content_type=safe_detail(clean(request.headers.get("content-type", ""))),
        codec=codec,
        item=packed,
        size=len(rejected.item),
        headers=headers,
    )


def _packed(record: Quarantined, rejected: Rejected) -> QuarantineItem:
    return QuarantineItem(
        bytes.fromhex(record.id),
        record.received_at,
        pack_record(1, record),
        rejected.named.hashes,
        rejected.named.others,
    )


async def _masked(redaction: Redaction, tenant: str, item: bytes) -> bytes:
    if len(item) > LARGE:
        return await asyncio.to_thread(redaction.document, item, "quarantine", tenant)
    return redaction.document(item, "quarantine", tenant)


def _raw_id(id_: str) -> bytes:
    try:
        return bytes.fromhex(id_)
    except ValueError as error:
        raise NotFound("there is no such item in quarantine") from error


async def read(records: QuarantineRecords, id_: str) -> Quarantined:
    """One item by its id. Raises NotFound if it is not in quarantine."""
    (raw,) = await records.read([_raw_id(id_)])
    if raw is None:
        raise NotFound("there is no such item in quarantine")
    return decode_record(raw, Quarantined)


async def read_known(records: QuarantineRecords, ids: Sequence[str]) -> list[Quarantined]:
    """The items with these ids, each once, without those that are not in quarantine."""
    known = dict.fromkeys(bytes.fromhex(it) for it in ids if _ID.fullmatch(it))
    return [decode_record(raw, Quarantined) for raw in await records.read(known) if raw]


async def items_after(
    records: QuarantineRecords, source: str, limit: int, after: int | None
) -> tuple[list[Quarantined], int | None]:
    """Items of a source, oldest first, and where the next ones begin."""
    listed = records.listed_of(source)
    found = await listed.entries(limit=limit + 1, newest_first=False, below=after)
    raws = await records.read(id_ for id_, _ in found[:limit])
    items = [decode_record(raw, Quarantined) for raw in raws if raw]
    return items, mark(found[limit - 1]) if len(found) > limit else None


async def page(
    records: QuarantineRecords,
    *,
    limit: int,
    newest_first: bool,
    below: int | None,
    source: str | None = None,
) -> QuarantinePage:
    """Items in order of arrival, oldest or newest first; of one source if it is given."""
    listed = records.listed if source is None else records.listed_of(source)
    found = await listed.entries(limit=limit + 1, newest_first=newest_first, below=below)
    raws = await records.read(id_ for id_, _ in found[:limit])
    return QuarantinePage(
        items=[item_view(decode_record(raw, Quarantined)) for raw in raws if raw],
        total=await listed.count(),
        bound=mark(found[limit - 1]) if len(found) > limit else None,
    )


def item_view(item: Quarantined) -> QuarantineView:
    return QuarantineView(
        id=item.id,
        source=item.source,
        received_at=format_time(item.received_at),
        code=item.code,
        detail=item.detail,
        size=item.size,
    )


async def dismiss(store: Store, tenant: str, item: Quarantined) -> None:
    """Remove an item from quarantine after a replay, or on an operator's request."""
    await store.of(tenant).quarantine.drop(item.source, [_raw_id(item.id)])
