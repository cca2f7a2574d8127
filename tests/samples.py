"""Touchpoints for tests, and a reader of timelines."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from string import ascii_letters
from typing import Any

from handoff.domain.clock import SECOND, Micros
from handoff.domain.identity import Assurance, Handle, default_assurance, parse_identity
from handoff.domain.touchpoint import Touchpoint, default_direction
from handoff.services.customers.lookup import find
from handoff.services.timeline.pages import read_timeline
from handoff.services.timeline.reading import Filter
from handoff.services.timeline.recording import Result, record
from handoff.services.timeline.views import TimelineView, TouchpointView
from handoff.store.repositories.timelines import Window, decode_cursor
from handoff.store.store import Store

NOON: Micros = 1_795_000_000 * SECOND
WEEK_AGO, EIGHT_DAYS_AGO = ((datetime.now(UTC) - timedelta(days=it)).date().isoformat() for it in (7, 8))
"""Dates of touchpoints on servers with the real clock: matters sleep after thirty days, and after ninety a
brief does not read them."""
NO_FILTER = Filter()
_ALPHABET = (ascii_letters * 5)[:256].encode()


def noise(length: int) -> str:
    """Letters that hardly compress. Unlike hexadecimal digits, they hold nothing to mask."""
    return secrets.token_bytes(length).translate(_ALPHABET).decode()


def handle(text: str, assurance: Assurance | None = None) -> Handle:
    """`type:value` with the assurance the native API would give it."""
    found = parse_identity(text)
    return Handle(found, assurance or default_assurance(found.type))


def touchpoint(event: str, *identities: str | Handle, at: Micros = NOON, **fields: Any) -> Touchpoint:
    """A chat message of `user:anna` by default."""
    type_ = fields.pop("type", "message.received")
    handles = [it if isinstance(it, Handle) else handle(it) for it in identities or ("user:anna",)]
    given = {
        "id_space": "native",
        "source": "test",
        "channel": "chat",
        "direction": default_direction(type_),
        "text": f"text of {event}",
        **fields,
    }
    return Touchpoint(event_id=event, type=type_, occurred_at=at, identities=tuple(handles), **given)


async def record_all(store: Store, tenant: str, touchpoints: Sequence[Touchpoint]) -> list[Result]:
    """Record, and fail the test where anything was rejected."""
    results = await record(store, tenant, touchpoints)
    assert [it for it in results if not it.ok] == []
    return results


async def page(
    store: Store, tenant: str, identity: str, window: Window, filter_: Filter = NO_FILTER
) -> TimelineView:
    """One page of the timeline of the customer with this identity."""
    found = await find(store, tenant, [parse_identity(identity)])
    assert found.customer is not None
    records = {it.key: it for it in found.customer.members}
    return await read_timeline(store, store.hashes(tenant), records, window, filter_)


async def timeline(store: Store, tenant: str, identity: str = "user:anna") -> list[TouchpointView]:
    """The whole timeline, oldest first, in one page."""
    whole = await page(store, tenant, identity, Window(limit=100_000, ascending=True))
    assert whole.next is None
    assert whole.total == whole.returned
    return whole.touchpoints


async def pages(
    store: Store, tenant: str, identity: str, *, limit: int, ascending: bool, filter_: Filter = NO_FILTER
) -> list[list[TouchpointView]]:
    """Every page, following `next` as clients do."""
    found: list[list[TouchpointView]] = []
    cursors: set[str] = set()
    window = Window(limit=limit, ascending=ascending)
    while True:
        view = await page(store, tenant, identity, window, filter_)
        found.append(view.touchpoints)
        if view.next is None:
            return found
        assert view.next not in cursors, "the pages go in a circle"
        cursors.add(view.next)
        place = decode_cursor(view.next)
        window = Window(
            limit=limit,
            ascending=ascending,
            after=place if ascending else b"",
            before=b"" if ascending else place,
        )
