"""Checkpoints: written after an expensive look at a customer, read at the first look of another worker.

A checkpoint holds a `Recollection`. Only a reader who has the very touchpoints that it was made of, and the
same rules, can open it (`handoff.codec.checkpoint`). So a context is the same with one or without.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from handoff import __version__
from handoff.codec.checkpoint import Stretch, content_key, opened, sealed, stretch_of
from handoff.codec.member import PLACE
from handoff.domain.brief import RULES
from handoff.domain.brief.kept import VERSION, KeptStory, kept_story, restored_story
from handoff.domain.conversation import Conversation, ConversationFold, ConversationItem
from handoff.services.timeline.entries import Entries
from handoff.services.timeline.reading import TimelineEntry
from handoff.store.repositories.checkpoints import MAX_SIZE
from handoff.store.repositories.timelines import Row
from handoff.store.store import Store

from .recollection import Episodes, Recollection, episodes_until

MIN_KEPT = 100  # touchpoints from which on a checkpoint is worth its room
MIN_UNKEPT = 16  # further ones after which another is written,
UNKEPT_SHARE = 16  # or one in so many, where that is more

_ENCODE = msgspec.msgpack.Encoder().encode


class KeptLook(Struct, frozen=True, array_like=True):
    """The content of a checkpoint, newest touchpoints first."""

    conversations: list[tuple[bytes, str]]
    """With their public ids."""
    named: list[int]
    """The number of the conversation of each touchpoint."""
    stated: dict[int, dict[str, Any]]
    """Verified traits, by the number of the touchpoint."""
    found: list[Conversation]
    before: list[tuple[bytes, list[ConversationItem]]]
    """Of the fold: conversations, and what waits for its conversation to open."""
    story: KeptStory


def remember(store: Store, tenant: str, name: Hashable, look: Recollection | None) -> None:
    """Leave a look to the next one in this worker, and, where it saves other workers enough, a checkpoint."""
    if look is None:
        return
    shared = store.histories.put(name, look, look.size)
    # If it is shared now, it belongs to the request that takes it.
    count = len(look.rows)
    if count < MIN_KEPT or look.unkept < max(MIN_UNKEPT, count // UNKEPT_SHARE) or look.story is None:
        return
    if store.health.memory.scarce:
        return

    async def keep() -> None:
        taken: Recollection | None = store.histories.take(name) if shared else look
        if taken is None or not taken.rows or taken.story is None:
            return  # a later look owns it, and writes
        try:
            checkpoint = checkpoint_of(store, tenant, taken)
        finally:
            if shared:
                store.histories.put(name, taken, taken.size)
        if len(checkpoint) <= MAX_SIZE:
            taken.unkept = 0
            await store.checkpoints.put(place_of(taken.episodes), checkpoint, int(time.time()))

    store.behind.soon(name, keep)


def place_of(episodes: Episodes) -> bytes:
    """The identity at which a customer's checkpoint is kept: the first of theirs."""
    return next(iter(episodes))


def checkpoint_of(store: Store, tenant: str, look: Recollection) -> bytes:
    """The checkpoint of a look."""
    assert look.story is not None
    numbers: dict[tuple[bytes, str], int] = {}
    named = [numbers.setdefault(it, len(numbers)) for it in look.named]
    found, before = look.conversations.content()
    kept = KeptLook(
        list(numbers),
        named,
        {at: stated for at, stated in enumerate(look.stated) if stated},
        found,
        before,
        kept_story(look.story),
    )
    stretch = Stretch(look.rows[0][0][:PLACE], len(look.rows))
    return sealed(kept, stretch, _key(store, tenant, look.episodes, stretch, look.rows))


def restored(
    store: Store, tenant: str, read: Recollection, raw: bytes, decode: Callable[[Row], TimelineEntry]
) -> Recollection | None:
    """The look that a checkpoint holds, if it was one at the touchpoints that are read now."""
    stretch = stretch_of(raw)
    at = _newest_at(read.rows, stretch.newest) if stretch else None
    if stretch is None or at is None:
        return None
    rows = read.rows[at : at + stretch.count]
    if len(rows) < stretch.count:
        return None
    kept = opened(raw, _key(store, tenant, read.episodes, stretch, rows), KeptLook)
    if kept is None:
        return None
    story, conversations = restored_story(kept.story), kept.conversations
    stated: list[dict[str, Any] | None] = [None] * len(rows)
    for number, traits in kept.stated.items():
        stated[number] = traits
    return Recollection(
        episodes=read.episodes,
        rows=rows,
        entries=Entries([*rows], decode),
        named=[conversations[number] for number in kept.named],
        stated=stated,
        conversations=ConversationFold.of(kept.found, kept.before),
        items=story.items[::-1],
        story=story,
    )


def _newest_at(rows: Sequence[Row], place: bytes) -> int | None:
    for at, (raw, _home, _lock) in enumerate(rows):
        if raw[:PLACE] <= place:
            return at if raw[:PLACE] == place else None
    return None


def _key(store: Store, tenant: str, episodes: Episodes, stretch: Stretch, rows: Sequence[Row]) -> bytes:
    """Everything that a look depends on: the rules with their configuration, the homes, the touchpoints.

    In a sealed store also the data keys: who has the sealed touchpoints only cannot open it.
    """
    homes = list(episodes)
    codes: Mapping[bytes, int] = {home: number for number, home in enumerate(homes)}
    basis = (
        _ENCODE((VERSION, RULES, __version__, tenant)),
        _ENCODE(list(episodes_until(episodes, stretch.newest).items())),
        store.rules_digest(),
        _ENCODE([codes[home] for _raw, home, _lock in rows]) if len(homes) > 1 else b"",
        *dict.fromkeys(lock.secret for _raw, _home, lock in rows if lock),
    )
    return content_key(basis, [raw for raw, _home, _lock in rows])
