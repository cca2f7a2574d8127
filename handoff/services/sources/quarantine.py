"""Quarantine: items that could not be recorded are stored and counted, and can be replayed."""

from __future__ import annotations

import asyncio
import secrets

from msgspec import Struct

from handoff.adapter.contract import InboundRequest
from handoff.codec.compression import compress, decompress
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import NotFound
from handoff.domain.redaction.redaction import Redaction, safe_detail
from handoff.domain.text.cleaning import clean, clean_pairs
from handoff.store.repositories.control import Change, Control, decode_record, mark

MAX_ITEM = 1024 * 1024  # bytes stored of one item
THREAD_ABOVE = 64 * 1024  # bytes; masking more would block the event loop for milliseconds


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

    def content(self) -> bytes:
        return decompress(self.codec, self.item)


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
    """An item to quarantine."""

    code: str
    detail: str
    item: bytes


async def keep(
    control: Control,
    source: str,
    request: InboundRequest,
    items: tuple[Rejected, ...],
    redaction: Redaction,
) -> None:
    """Store the items, with the parts of their request that a replay needs. One round trip.

    Card numbers and the like are masked first, in whatever format the item is.
    """
    change = Change()
    query = tuple((safe_detail(name), safe_detail(value)) for name, value in clean_pairs(request.query))
    for place, rejected in enumerate(items):
        codec, packed = compress((await _masked(redaction, control.tenant, rejected.item))[:MAX_ITEM])
        id_ = secrets.token_hex(16)
        record = Quarantined(
            id=id_,
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
        )
        raw = bytes.fromhex(id_)
        change.put(control.keys.record("q", raw), 1, record)
        change.add(control.keys.set("quarantine"), record.received_at, raw)
        change.add(control.keys.set(f"quarantine:{source}"), record.received_at, raw)
    await control.commit(change)


async def _masked(redaction: Redaction, tenant: str, item: bytes) -> bytes:
    if len(item) > THREAD_ABOVE:
        return await asyncio.to_thread(redaction.document, item, "quarantine", tenant)
    return redaction.document(item, "quarantine", tenant)


def _raw_id(id_: str) -> bytes:
    try:
        return bytes.fromhex(id_)
    except ValueError as error:
        raise NotFound("there is no such item in quarantine") from error


async def read(control: Control, id_: str) -> Quarantined:
    """One item by its id. Raises NotFound if it is not in quarantine."""
    (raw,) = await control.read([control.keys.record("q", _raw_id(id_))])
    if raw is None:
        raise NotFound("there is no such item in quarantine")
    return decode_record(raw, Quarantined)


async def page(control: Control, *, limit: int, newest_first: bool, below: int | None) -> QuarantinePage:
    """Items in order of arrival, oldest or newest first."""
    key = control.keys.set("quarantine")
    found = await control.ids(key, limit=limit + 1, newest_first=newest_first, below=below)
    raws = await control.read([control.keys.record("q", id_) for id_, _ in found[:limit]])
    items = [decode_record(raw, Quarantined) for raw in raws if raw]
    views = [
        QuarantineView(
            id=it.id,
            source=it.source,
            received_at=format_time(it.received_at),
            code=it.code,
            detail=it.detail,
            size=it.size,
        )
        for it in items
    ]
    return QuarantinePage(
        items=views,
        total=await control.count(key),
        bound=mark(found[limit - 1]) if len(found) > limit else None,
    )


async def dismiss(control: Control, item: Quarantined) -> None:
    """Remove an item from quarantine after a replay, or on an operator's request."""
    raw = _raw_id(item.id)
    change = Change().drop(control.keys.record("q", raw))
    change.remove(control.keys.set("quarantine"), raw)
    change.remove(control.keys.set(f"quarantine:{item.source}"), raw)
    await control.commit(change)
