"""The story of a context's history: what its brief and its conversations are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from handoff.domain import brief as rules
from handoff.domain.brief.signals import Acts
from handoff.domain.brief.steps import Steps
from handoff.domain.clock import Micros, format_time
from handoff.domain.conversation import Conversation
from handoff.domain.handoff import Handoff
from handoff.domain.identity import Identity
from handoff.services.customers.customer import Customer
from handoff.services.handoffs.records import Chain
from handoff.services.timeline.reading import TimelineEntry
from handoff.services.timeline.views import public_conversation
from handoff.store.store import Store

from .history import History, read_history
from .views import ContextSelection, ConversationView


async def story_of(
    store: Store,
    history: History,
    now: Micros,
    handoff: Handoff | None,
    handoffs: Sequence[Handoff],
    wanted: ContextSelection,
) -> rules.Story:
    """The story for `handoff`, or for the one that is pending."""
    pending, handoff = None, handoff or next((it for it in handoffs if it.pending), None)
    if handoff:
        pending = rules.Pending(
            id=handoff.id,
            reason=handoff.reason,
            sender=handoff.sender.name,
            to=handoff.to.name,
            requested_at=handoff.requested_at,
            hops=handoff.hops,
            by=handoff.requested_by,
        )
    known = {it.id: it for it in (*handoffs, *((handoff,) if handoff else ()))}
    recollection = history.recollection
    tenant = history.hashes.tenant
    items = await store.pace.run(tenant, history.making_items(now))
    reading = rules.reading_story(
        items,
        now=now,
        rules=store.brief_rules,
        pending=pending,
        handoffs=[_earlier(it) for it in known.values()],
        internal=wanted.reader.internal,
        tenant=tenant,
        state=recollection.story if recollection else None,
        apart=history.apart,
    )
    story, state = await store.pace.run(tenant, reading)
    if recollection:
        recollection.story = state
    history.copies = story.copies
    return story


def _earlier(handoff: Handoff) -> rules.EarlierHandoff:
    return rules.EarlierHandoff(
        id=handoff.id,
        sender=handoff.sender.name,
        to=handoff.to.name,
        reason=handoff.reason,
        state=handoff.state.value,
        requested_at=handoff.requested_at,
        owner=handoff.owner,
        context=handoff.context,
    )


def making_conversation_views(
    history: History, chains: Mapping[bytes, Chain], story: rules.Story
) -> Steps[list[ConversationView]]:
    """The conversations, the most recently active first."""
    views: list[ConversationView] = []
    waiting, assigned = story.waiting_by_conversation(), story.assigned()
    ids = dict(history.named)
    for conversation in history.conversations:
        chain = chains.get(conversation.id)
        given = conversation.home in history.portions.given.records
        if chain and chain.home not in history.homes and not given:
            chain = None  # another customer's thread that this customer only named
        id_ = ids[conversation.id]
        views.append(
            ConversationView(
                id=id_,
                state=conversation.state,
                subject=conversation.subject,
                channels=list(conversation.channels),  # a later look may add to them
                opened_at=format_time(conversation.opened_at),
                root=public_conversation(history.hashes, chain.root) if chain else id_,
                previous=public_conversation(history.hashes, previous)
                if chain and (previous := chain.previous_of(conversation.id))
                else None,
                owner=(chain.owner if chain else None) or assigned.get(id_),
                waiting_since=format_time(waiting[id_]) if id_ in waiting else None,
            )
        )
        yield
    return views


class Matters(Struct, frozen=True):
    """A customer's conversations, most recently active first, and what the customer asks in them."""

    store: Store
    history: History

    @property
    def conversations(self) -> list[Conversation]:
        return self.history.conversations

    def is_given(self, conversation: Conversation) -> bool:
        """Whether a conversation on a shared identity was given to the customer."""
        given = self.history.portions.given.records
        return conversation.home in given and conversation.home not in self.history.homes

    async def of_handle(self, identity: Identity) -> set[bytes]:
        """The conversations in which the customer wrote or called with this identity."""
        key, history = self.history.hashes.identity(identity), self.history

        def uses(entry: TimelineEntry) -> bool:
            if entry.is_reference or entry.body.direction != "inbound":
                return False
            return entry.stored.home == key or any(it.identity == identity for it in entry.body.handles)

        found = await self.store.pace.each(history.hashes.tenant, uses, history.entries)
        return {name[0] for name, used in zip(history.named, found, strict=True) if used}

    async def asking(self, now: Micros) -> tuple[set[bytes], set[bytes]]:
        """The conversations in which the customer asked for something, and those in which they wait."""
        story = await story_of(self.store, self.history, now, None, (), ContextSelection())
        asked = {it.conversation for it in story.signals.values() if it.acts & Acts.ASK}
        waiting = story.waiting_by_conversation()
        for copy in story.copies.copies.values():
            original = story.signals.get(copy.of)
            if original is not None and original.acts & Acts.ASK:
                asked.add(copy.item.conversation)
        ids = {public: key for key, public in self.history.named}
        return {ids[it] for it in asked if it in ids}, {ids[it] for it in waiting if it in ids}

    async def twins(self, conversation: bytes, now: Micros) -> set[bytes]:
        """The other conversations that show an act of this one."""
        story = await story_of(self.store, self.history, now, None, (), ContextSelection())
        ids = {public: key for key, public in self.history.named}
        found: set[bytes] = set()
        for copy in story.copies.copies.values():
            original = story.by_id.get(copy.of)
            pair = {ids.get(copy.item.conversation), ids.get(original.conversation if original else "")}
            if conversation in pair:
                found |= {it for it in pair if it is not None and it != conversation}
        return found


async def matters_of(store: Store, tenant: str, customer: Customer) -> Matters:
    """The customer's conversations, as for `conversations_of`, with what the customer asks in them."""
    return Matters(store, await read_history(store, tenant, customer, ContextSelection()))
