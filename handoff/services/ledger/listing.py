"""Lists of promises and complaints, with the words of their touchpoints and who owns the customer now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, TOUCHPOINT, KeyedHash
from handoff.domain.clock import SECOND, Micros, format_time
from handoff.domain.ledger.entry import COMPLAINT, OWED, PROMISE, EntryState, LedgerEntry
from handoff.services.timeline.reading import decode
from handoff.store.repositories.components import read_records
from handoff.store.repositories.control import mark
from handoff.store.repositories.tenant.ledger_records import OWED_LIST
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store

from .entries import public_entry_id, read_entries
from .owners import NO_OWNER, LedgerOwner, owners_of

MAX_SCANNED = 5_000  # entries read for one filtered page; the answer states where it stopped
OVERDUE = "overdue"
PROMISE_STATES = ("open", "due", OVERDUE, "kept", "broken", "dismissed")
COMPLAINT_STATES = ("open", "resolved", "dismissed")

_LISTS: Mapping[str, str] = {"open": OWED_LIST, OVERDUE: OWED_LIST}
"""The stored list behind a filter of promises, where it is not the one of the state itself."""


class PromiseView(Struct, frozen=True, kw_only=True):
    """A promise. `id` is the touchpoint that made it; `text` is null if its words may not be shown.

    `state`: `open`, `due` (four fifths of the time have passed), `overdue` (not yet reported), `broken`,
    `kept`, or `dismissed`. `late`: it was kept after its time.
    """

    id: str
    customer_id: str
    conversation_id: str
    channel: str
    state: str
    text: str | None
    act: str | None
    made_at: str
    due: str | None
    ended_at: str | None
    late: bool
    proof: str | None
    owner: LedgerOwner


class ComplaintView(Struct, frozen=True, kw_only=True):
    """The complaint about one matter. `since` is its first expression: handoffs do not change it.

    `open_s` is how long it has been open, or was until it was resolved. `reopened` counts how often it
    returned after it was resolved.
    """

    id: str
    customer_id: str
    conversation_id: str
    channel: str
    state: str
    text: str | None
    since: str
    resolved_at: str | None
    open_s: int
    reopened: int
    owner: LedgerOwner


class LedgerQuery(Struct, frozen=True, kw_only=True):
    """The filters and the size of a list. `bound` is where the page begins."""

    kind: str
    state: str | None = None
    owner: str | None = None
    limit: int = 50
    newest_first: bool = True
    bound: int | None = None


class LedgerPage(Struct, frozen=True, kw_only=True):
    """A page of entries. `total` is set if one stored list matches the filters, `scanned_to` otherwise."""

    entries: list[LedgerEntry]
    owners: dict[bytes, LedgerOwner]
    total: int | None
    bound: int | None
    scanned_to: int | None


async def list_entries(
    store: Store,
    tenant: str,
    wanted: LedgerQuery,
    now: Micros,
    readable: Callable[[LedgerEntry], Awaitable[bool]] | None = None,
) -> LedgerPage:
    """Entries by state and owner, by the time of the promise or complaint. Four round trips; filters may
    take more."""
    part = store.of(tenant)
    name = _LISTS.get(wanted.state or "", wanted.state) if wanted.kind == PROMISE else wanted.state
    single = name == wanted.state
    listed = part.ledger.listed(wanted.kind, name)
    found: list[LedgerEntry] = []
    owners: dict[bytes, LedgerOwner] = {}
    bound, more, scanned = wanted.bound, True, 0
    while more and len(found) < wanted.limit and scanned < MAX_SCANNED:
        page = await listed.entries(limit=wanted.limit + 1, newest_first=wanted.newest_first, below=bound)
        more, page = len(page) > wanted.limit, page[: wanted.limit]
        entries = {it.id: it for it in await read_entries(part, [id_ for id_, _score in page])}
        owned = await owners_of(part, list(entries.values()))
        for place in page:
            if len(found) == wanted.limit:
                more = True
                break
            bound, scanned = mark(place), scanned + 1
            entry = entries.get(place[0])
            if entry is None or not matches(entry, wanted.state, now):
                continue
            owner = owned.get(entry.id, (NO_OWNER, ()))[0]
            if wanted.owner is not None and not owner.matches(wanted.owner):
                continue
            if readable is None or await readable(entry):
                found.append(entry)
                owners[entry.id] = owner
    plain = single and wanted.owner is None and readable is None
    return LedgerPage(
        entries=found,
        owners=owners,
        total=await listed.count() if plain else None,
        bound=bound if more else None,
        scanned_to=None if plain or readable is not None else bound,
    )


def matches(entry: LedgerEntry, state: str | None, now: Micros) -> bool:
    """Whether an entry is in a list of this state. A complaint is `open` as long as it is stored so."""
    if state is None or (entry.kind == COMPLAINT and entry.state == state):
        return True
    if state == OVERDUE:
        return entry.overdue(now)
    if state == "open":
        return entry.kind != COMPLAINT and entry.state in OWED and not entry.overdue(now)
    return entry.state == state and not (entry.state in OWED and entry.overdue(now))


def shown_state(entry: LedgerEntry, now: Micros) -> str:
    return OVERDUE if entry.state in OWED and entry.overdue(now) else entry.state


async def words_of(store: Store, tenant: str, entries: Sequence[LedgerEntry]) -> dict[bytes, str]:
    """The words of entries by the entries' touchpoints, where they may be shown. Four round trips."""
    hashes = store.hashes(tenant)
    found = await read_places(store.connection, store.keys, [(it.home, it.touchpoint) for it in entries])
    records = await read_records(store.connection, store.keys, list({it.home for it in entries}))
    shown = [it for it in found if it is not None and it.home in records and not records[it.home].restricted]
    decoded = await decode(store, hashes, records, shown)
    views = [decoded.view(it) for it in decoded.entries]
    return {hashes.private(TOUCHPOINT, it.id, 2)[1]: it.text for it in views if it.text}


def promise_view(
    hashes: KeyedHash, entry: LedgerEntry, owner: LedgerOwner, text: str | None, now: Micros
) -> PromiseView:
    return PromiseView(
        id=public_entry_id(hashes, entry),
        customer_id=hashes.public(CUSTOMER, entry.home),
        conversation_id=entry.conversation,
        channel=entry.channel,
        state=shown_state(entry, now),
        text=text,
        act=entry.act,
        made_at=format_time(entry.made_at),
        due=format_time(entry.due) if entry.due is not None else None,
        ended_at=format_time(entry.ended_at) if entry.ended_at is not None else None,
        late=entry.late,
        proof=entry.proof,
        owner=owner,
    )


def complaint_view(
    hashes: KeyedHash, entry: LedgerEntry, owner: LedgerOwner, text: str | None, now: Micros
) -> ComplaintView:
    ended = entry.ended_at if entry.state is not EntryState.OPEN else None
    return ComplaintView(
        id=public_entry_id(hashes, entry),
        customer_id=hashes.public(CUSTOMER, entry.home),
        conversation_id=entry.conversation,
        channel=entry.channel,
        state=entry.state,
        text=text,
        since=format_time(entry.made_at),
        resolved_at=format_time(ended) if ended is not None else None,
        open_s=max((ended if ended is not None else now) - entry.made_at, 0) // SECOND,
        reopened=entry.reopened,
        owner=owner,
    )
