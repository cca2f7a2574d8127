"""One conversation: its threads, state, owner and handoffs."""

from __future__ import annotations

from msgspec import Struct

from handoff.domain.clock import format_time
from handoff.domain.conversation import ConversationState
from handoff.domain.errors import NotFound
from handoff.services.access.customer_access import check_customer
from handoff.services.access.principal import Principal
from handoff.services.context.history import conversations_of
from handoff.services.handoffs.records import HandoffView, handoff_view, read_chains, read_of_homes
from handoff.services.handoffs.targets import customer_of, home_of, read_conversation_id
from handoff.services.timeline.views import public_conversation
from handoff.store.store import Store


class ConversationDetail(Struct, frozen=True, kw_only=True):
    """A conversation and its chain. `touchpoints` counts those in the part of the timeline that was read."""

    id: str
    customer_id: str
    state: str
    subject: str | None
    channels: list[str]
    threads: list[str]
    opened_at: str | None
    last_at: str | None
    waiting_since: str | None
    root: str
    previous: str | None
    owner: str | None
    pending: str | None
    touchpoints: int
    handoffs: list[HandoffView]


async def read_conversation(store: Store, principal: Principal, conversation_id: str) -> ConversationDetail:
    """A conversation by its id, as the caller may see it. Raises NotFound for an unknown one."""
    tenant, reader = principal.tenant, principal.reader
    hashes, records = store.hashes(tenant), store.of(tenant).handoffs
    conversation = read_conversation_id(hashes, conversation_id)
    customer = await customer_of(store, tenant, await home_of(store, conversation), conversation)
    await check_customer(store, principal, customer.group.members)
    conversations = await conversations_of(store, tenant, customer, reader)
    known = {it.id: it for it in conversations}.get(conversation)
    chain = (await read_chains(records, [conversation])).get(conversation)
    if known is None and chain is None:
        raise NotFound("there is no such conversation")
    members = {it for it, _ in chain.members} if chain else {conversation}
    found = await read_of_homes(records, [it.key for it in customer.members])
    handoffs = [it for it in found if it.conversation in members]
    previous = chain.previous_of(conversation) if chain else None
    return ConversationDetail(
        id=conversation_id,
        customer_id=customer.id,
        state=known.state if known else ConversationState.OPEN,
        subject=known.subject if known else None,
        channels=known.channels if known else [],
        threads=[known.thread] if known and known.thread else [],
        opened_at=format_time(known.opened_at) if known else None,
        last_at=format_time(known.last_at) if known else None,
        waiting_since=format_time(known.waiting_since) if known and known.waiting_since else None,
        root=public_conversation(hashes, chain.root if chain else conversation),
        previous=public_conversation(hashes, previous) if previous else None,
        owner=chain.owner if chain else None,
        pending=next((it.id for it in handoffs if it.pending and reader.sees(it)), None),
        touchpoints=known.touchpoints if known else 0,
        handoffs=[handoff_view(reader.shown(it), hashes, customer.id) for it in handoffs],
    )
