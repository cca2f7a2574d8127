"""Agent desktops that connectors write to, and the vendor threads that lead to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from handoff.codec.member import channel_name
from handoff.domain.errors import NotFound, Restricted
from handoff.domain.identity import Identity
from handoff.domain.open_record import OpenRecord
from handoff.services.context.history import BRIEF_TOUCHPOINTS
from handoff.services.customers.customer import by_id
from handoff.services.handoffs.records import read_chains
from handoff.services.handoffs.targets import read_conversation_id
from handoff.services.timeline.reading import decode
from handoff.services.timeline.views import conversation_of
from handoff.store.repositories.timelines import Window, read_page
from handoff.store.store import Store

Kind = Literal["chatwoot.note", "zendesk.comment"]
TRANSCRIBER: Literal["transcriber"] = "transcriber"


class Desktop(OpenRecord, frozen=True, kw_only=True):
    """The desktop that a subscription writes to; its conversations are vendor threads.

    `source` is the source of the touchpoints in these threads. `account` is set for vendors with several
    accounts. A `transcriber` writes to no desktop but to the timeline; `source` is then its name.
    """

    kind: Kind | Literal["transcriber"]
    source: str
    account: str | None = None


class Thread(Struct, frozen=True, kw_only=True):
    """A vendor thread of a conversation: its id at the sender, and the identity whose touchpoint names it."""

    source: str
    id: str
    channel: str
    home: Identity


class Threads(Struct, frozen=True, kw_only=True):
    """The threads of a chain of conversations, best first, and every identity of the customer."""

    threads: tuple[Thread, ...] = ()
    identities: tuple[Identity, ...] = ()


async def read_threads(store: Store, tenant: str, customer_id: str, conversation_id: str) -> Threads:
    """The threads of a conversation, then those of its chain, each newest first; about six round trips.

    Looks as far back as a brief does. There are none if the customer or the conversation was erased.
    """
    hashes = store.hashes(tenant)
    try:
        customer = await by_id(store, tenant, customer_id)
        conversation = read_conversation_id(hashes, conversation_id)
    except (NotFound, Restricted):  # erased in the meantime, or not to be shown
        return Threads()
    chain = (await read_chains(store.of(tenant).handoffs, [conversation])).get(conversation)
    chained = {it for it, _previous in chain.members} if chain else set()
    records = {record.key: record for record in customer.members}
    page = await read_page(store.connection, store.keys, list(records), Window(limit=BRIEF_TOUCHPOINTS))
    decoded = await decode(store, hashes, records, page.members)
    found: dict[Thread, int] = {}
    for entry in decoded.entries:
        if entry.is_reference or not entry.body.thread:
            continue
        where = conversation_of(hashes, records[entry.stored.home], entry.stored, entry.body)
        rank = 0 if where == conversation else 1 if where in chained else None
        if rank is not None:
            thread = Thread(
                source=entry.body.source,
                id=entry.body.thread,
                channel=channel_name(entry.stored, entry.body),
                home=records[entry.stored.home].identity,
            )
            found.setdefault(thread, rank)
    return Threads(
        threads=tuple(sorted(found, key=lambda it: found[it])),
        identities=tuple(record.identity for record in customer.members),
    )


def of_source(threads: Sequence[Thread], source: str) -> list[Thread]:
    return [it for it in threads if it.source == source]
