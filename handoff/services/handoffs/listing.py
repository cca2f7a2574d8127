"""Lists of hand-offs, and whose they are now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER
from handoff.domain.errors import NotFound
from handoff.domain.handoff import Handoff, State
from handoff.services.customers.customer import by_key
from handoff.store.repositories.control import Control, decode_record, mark
from handoff.store.store import Store


class Listing(Struct, frozen=True, kw_only=True):
    """Which hand-offs to list. `bound` goes on after a page."""

    state: State | None = None
    queue: str | None = None
    agent: str | None = None
    limit: int = 50
    newest_first: bool = True
    bound: int | None = None


class HandoffPage(Struct, frozen=True, kw_only=True):
    """A page of hand-offs; `total` where one list holds exactly what was asked for, else `scanned_to`."""

    handoffs: list[Handoff]
    total: int | None
    bound: int | None
    scanned_to: int | None


async def list_handoffs(control: Control, asked: Listing) -> HandoffPage:
    """Hand-offs by state, queue and agent. Three round trips, more where filters combine."""
    names = [f"agent:{asked.agent}"] * bool(asked.agent) + [f"queue:{asked.queue}"] * bool(asked.queue)
    names += [f"state:{asked.state}"] * bool(asked.state)
    key = control.keys.set(names[0] if names else "all")
    found: list[Handoff] = []
    bound, more = asked.bound, True
    while more and len(found) < asked.limit:
        ids = await control.ids(key, limit=asked.limit + 1, newest_first=asked.newest_first, below=bound)
        more = len(ids) > asked.limit
        page = ids[: asked.limit]
        raws = await control.read([control.keys.record("h", id_) for id_, _ in page])
        for entry, raw in zip(page, raws, strict=True):
            if len(found) == asked.limit:
                more = True
                break
            bound = mark(entry)
            handoff = decode_record(raw, Handoff) if raw is not None else None
            if handoff is not None and _matches(handoff, asked):
                found.append(handoff)
    total = await control.count(key) if len(names) <= 1 else None
    return HandoffPage(
        handoffs=found,
        total=total,
        bound=bound if more else None,
        scanned_to=bound if total is None else None,
    )


def _matches(it: Handoff, asked: Listing) -> bool:
    return (
        (asked.state is None or it.state is asked.state)
        and (asked.queue is None or it.to.queue == asked.queue)
        and (asked.agent is None or it.to.agent == asked.agent)
    )


async def current_customer_ids(store: Store, tenant: str, homes: Sequence[bytes]) -> dict[bytes, str]:
    """The current customer ids of several homes."""
    distinct = list(dict.fromkeys(homes))
    ids = await asyncio.gather(*(current_customer_id(store, tenant, home) for home in distinct))
    return dict(zip(distinct, ids, strict=True))


async def current_customer_id(store: Store, tenant: str, home: bytes) -> str:
    """The id, as of now, of the customer that a home belongs to."""
    try:
        return (await by_key(store, tenant, home)).id
    except NotFound:
        return store.hashes(tenant).public(CUSTOMER, home)
