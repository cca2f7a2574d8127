"""The story of a context's history: what its brief and its conversations are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handoff.domain import brief as rules
from handoff.domain.clock import Micros, format_time
from handoff.domain.handoff import Handoff
from handoff.services.handoffs.records import Chain
from handoff.services.timeline.views import public_conversation
from handoff.store.store import Store

from .history import History
from .views import ContextSelection, ConversationView


def story_of(
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
        )
    known = {it.id: it for it in (*handoffs, *((handoff,) if handoff else ()))}
    recollection = history.recollection
    story, state = rules.read_story(
        history.items(now),
        now=now,
        rules=store.brief_rules,
        pending=pending,
        handoffs=[_earlier(it) for it in known.values()],
        internal=wanted.internal,
        state=recollection.story if recollection else None,
    )
    if recollection:
        recollection.story = state
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


def conversation_views(
    history: History, chains: Mapping[bytes, Chain], story: rules.Story
) -> list[ConversationView]:
    """The conversations, the most recently active first."""
    views = []
    waiting, assigned = story.waiting_by_conversation(), story.assigned()
    ids = dict(history.named)
    for conversation in history.conversations:
        chain = chains.get(conversation.id)
        if chain and chain.home not in history.homes:
            chain = None  # another customer's thread that this customer only named
        id_ = ids[conversation.id]
        views.append(
            ConversationView(
                id=id_,
                state=conversation.state,
                subject=conversation.subject,
                channels=conversation.channels,
                opened_at=format_time(conversation.opened_at),
                root=public_conversation(history.hashes, chain.root) if chain else id_,
                previous=public_conversation(history.hashes, previous)
                if chain and (previous := chain.previous_of(conversation.id))
                else None,
                owner=(chain.owner if chain else None) or assigned.get(id_),
                waiting_since=format_time(waiting[id_]) if id_ in waiting else None,
            )
        )
    return views
