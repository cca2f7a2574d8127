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
from handoff.codec.checkpoint import (
    Stretch,
    content_key,
    opened,
    packed_content,
    sealed,
    stretch_of,
    unpacked_content,
)
from handoff.codec.member import PLACE
from handoff.domain.brief import RULES
from handoff.domain.brief.kept import VERSION, KeptStory, keeping_story, restoring_story
from handoff.domain.brief.steps import Steps
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


def remember(store: Store, tenant: str, name: Hashable, look: Recollection | None, cleared: int) -> None:
    """Leave a look to the next one in this worker, and, where it saves other workers enough, a checkpoint.

    `cleared` is `store.histories.cleared` from before the look: one from before an erasure leaves nothing.
    """
    histories = store.histories
    if look is None or histories.cleared != cleared:
        return
    shared = histories.put(name, look, look.size)
    # If it is shared now, it belongs to the request that takes it.
    count = len(look.rows)
    if count < MIN_KEPT or look.unkept < max(MIN_UNKEPT, count // UNKEPT_SHARE) or look.story is None:
        return
    if store.health.memory.scarce:
        return

    async def keep() -> None:
        if histories.cleared != cleared:
            return
        taken: Recollection | None = histories.take(name) if shared else look
        if taken is None or not taken.rows or taken.story is None:
            return  # a later look owns it, and writes
        try:
            checkpoint = await store.pace.run(tenant, sealing(store, tenant, taken))
        finally:
            # A look that found nothing meanwhile may have left a newer one.
            if shared and histories.cleared == cleared and not histories.has(name):
                histories.put(name, taken, taken.size)
        if len(checkpoint) <= MAX_SIZE and histories.cleared == cleared:
            taken.unkept = 0
            await store.checkpoints.put(place_of(taken.episodes), checkpoint, int(time.time()))

    store.behind.soon(name, keep)


def place_of(episodes: Episodes) -> bytes:
    """The identity at which a customer's checkpoint is kept: the first of theirs."""
    return next(iter(episodes))


def sealing(store: Store, tenant: str, look: Recollection) -> Steps[bytes]:
    """The checkpoint of a look, which nobody else may have meanwhile."""
    assert look.story is not None
    numbers: dict[tuple[bytes, str], int] = {}
    named = [numbers.setdefault(it, len(numbers)) for it in look.named]
    found, before = look.conversations.content()
    yield
    kept = KeptLook(
        list(numbers),
        named,
        {at: stated for at, stated in enumerate(look.stated) if stated},
        found,
        before,
        (yield from keeping_story(look.story)),
    )
    stretch = Stretch(look.rows[0][0][:PLACE], len(look.rows))
    key = _key(store, tenant, look.episodes, stretch, look.rows)
    yield
    packed = packed_content(kept)
    yield
    return sealed(packed, stretch, key)


async def restored(
    store: Store, tenant: str, read: Recollection, raw: bytes, decode: Callable[[Row], TimelineEntry]
) -> Recollection | None:
    """The look that a checkpoint holds, if it was one at the touchpoints that are read now."""
    return await store.pace.run(tenant, _restoring(store, tenant, read, raw, decode))


def _restoring(
    store: Store, tenant: str, read: Recollection, raw: bytes, decode: Callable[[Row], TimelineEntry]
) -> Steps[Recollection | None]:
    stretch = stretch_of(raw)
    at = _newest_at(read.rows, stretch.newest) if stretch else None
    if stretch is None or at is None:
        return None
    rows = read.rows[at : at + stretch.count]
    if len(rows) < stretch.count:
        return None
    packed = opened(raw, _key(store, tenant, read.episodes, stretch, rows))
    yield
    kept = unpacked_content(packed, KeptLook) if packed is not None else None
    if kept is None:
        return None
    yield
    story, conversations = (yield from restoring_story(kept.story)), kept.conversations
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
