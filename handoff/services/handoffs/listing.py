"""Lists of handoffs, and the current customers of handoffs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER
from handoff.domain.errors import NotFound, Restricted
from handoff.domain.handoff import Handoff, State
from handoff.services.access.reader import EVERYTHING, Reader
from handoff.store.pacing.pace import Pace
from handoff.store.repositories.control import decode_record, mark
from handoff.store.repositories.tenant.handoff_records import HandoffRecords
from handoff.store.repositories.tenant.listed import RecordList
from handoff.store.store import Store

from .targets import customer_of


class Listing(Struct, frozen=True, kw_only=True):
    """The filters and the size of a list of handoffs. `bound` is where the page begins."""

    state: State | None = None
    queue: str | None = None
    agent: str | None = None
    limit: int = 50
    newest_first: bool = True
    bound: int | None = None
    reader: Reader = EVERYTHING


class HandoffPage(Struct, frozen=True, kw_only=True):
    """A page of handoffs. `total` is set if one stored list matches the filters, `scanned_to` otherwise."""

    handoffs: list[Handoff]
    total: int | None
    bound: int | None
    scanned_to: int | None


async def list_handoffs(records: HandoffRecords, wanted: Listing, pace: Pace) -> HandoffPage:
    """Handoffs by state, queue and agent. Three round trips; combined filters may take more."""
    queue = wanted.queue or _only_queue(wanted.reader)
    lists = _lists(records, wanted.agent, queue, wanted.state)
    listed = lists[0] if lists else records.everything
    found: list[Handoff] = []
    bound, more = wanted.bound, True
    while more and len(found) < wanted.limit:
        ids = await listed.entries(limit=wanted.limit + 1, newest_first=wanted.newest_first, below=bound)
        more = len(ids) > wanted.limit
        page = ids[: wanted.limit]
        raws = await records.read(id_ for id_, _ in page)
        handoffs = await pace.each(records.tenant, _read, raws)
        for entry, handoff in zip(page, handoffs, strict=True):
            if len(found) == wanted.limit:
                more = True
                break
            bound = mark(entry)
            if handoff is not None and _matches(handoff, wanted) and wanted.reader.sees(handoff):
                found.append(handoff)
    all_visible = wanted.reader.queues is None or bool(queue)
    total = await listed.count() if len(lists) <= 1 and all_visible else None
    return HandoffPage(
        handoffs=found,
        total=total,
        bound=bound if more else None,
        # A reader limited to queues gets no position in the lists of others.
        scanned_to=bound if total is None and all_visible else None,
    )


def _read(raw: bytes | None) -> Handoff | None:
    return decode_record(raw, Handoff) if raw is not None else None


def _lists(
    records: HandoffRecords, agent: str | None, queue: str | None, state: State | None
) -> list[RecordList]:
    """The stored list of each filter, usually the shortest first."""
    lists = [records.of_agent(agent)] if agent else []
    lists += [records.of_queue(queue)] if queue else []
    return lists + ([records.in_state(state)] if state else [])


def _only_queue(reader: Reader) -> str | None:
    """The queue of a reader that is limited to one and has no handoffs outside of queues."""
    queues = reader.queues or ()
    return next(iter(queues)) if len(queues) == 1 and reader.agent is None else None


def _matches(handoff: Handoff, wanted: Listing) -> bool:
    return (
        (wanted.state is None or handoff.state is wanted.state)
        and (wanted.queue is None or handoff.to.queue == wanted.queue)
        and (wanted.agent is None or handoff.to.agent == wanted.agent)
    )


async def current_customer_ids(store: Store, tenant: str, handoffs: Sequence[Handoff]) -> dict[str, str]:
    """The current customer ids of several handoffs, by the handoffs' ids."""
    distinct = {(it.home, it.conversation): it for it in handoffs}
    ids = await asyncio.gather(*(current_customer_id(store, tenant, it) for it in distinct.values()))
    found = dict(zip(distinct, ids, strict=True))
    return {it.id: found[it.home, it.conversation] for it in handoffs}


async def current_customer_id(store: Store, tenant: str, handoff: Handoff) -> str:
    """The current id of a handoff's customer."""
    try:
        return (await customer_of(store, tenant, handoff.home, handoff.conversation)).id
    except (NotFound, Restricted):
        return store.hashes(tenant).public(CUSTOMER, handoff.home)
