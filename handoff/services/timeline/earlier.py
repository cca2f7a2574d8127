"""The pieces of a card number that a customer typed before, where another worker recorded them.

A worker remembers how its own messages ended. A message that begins with digits may continue one that another
worker has, so that the newest stored ones are read first. Few messages begin so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from handoff.codec.member import ORDER, PLACE, Member, pack_occurred
from handoff.domain.errors import HandoffError
from handoff.domain.redaction.fragments import WINDOW, end_of
from handoff.domain.redaction.redaction import MESSAGES, may_continue
from handoff.domain.text.derived import DERIVED
from handoff.domain.touchpoint import Touchpoint
from handoff.store.errors import StoreError
from handoff.store.repositories.timelines import Window, read_page
from handoff.store.store import Store

PATIENCE_S = 1.0  # the recording that follows waits for the store by itself
READ = 8  # entries: nobody types a card number in more pieces
_LATEST = b"\xff" * (PLACE - ORDER)

log = structlog.get_logger(__name__)


def continuing(touchpoints: Sequence[Touchpoint]) -> list[Touchpoint]:
    """The messages that may continue a number. Nearly always none."""
    return [it for it in touchpoints if continues(it)]


def continues(touchpoint: Touchpoint) -> bool:
    """Whether a touchpoint is a message that may continue a number."""
    text = touchpoint.text
    return text is not None and not text[:1].isalpha() and may_continue(touchpoint)


async def learn(store: Store, tenant: str, touchpoints: Sequence[Touchpoint]) -> None:
    """Read how the messages before these ended. One round trip for each, side by side.

    If the store does not answer soon, only what this worker remembers counts.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(_learn(store, tenant, it) for it in touchpoints))
    except (HandoffError, StoreError, TimeoutError) as error:
        log.warning("earlier_messages_unknown", error=type(error).__name__)


async def _learn(store: Store, tenant: str, touchpoint: Touchpoint) -> None:
    hashes = store.hashes(tenant)
    home, at = hashes.identity(touchpoint.home.identity), touchpoint.occurred_at
    own = hashes.event(touchpoint.id_space, touchpoint.event_id)
    window = Window(limit=READ, after=pack_occurred(at - WINDOW), before=pack_occurred(at) + _LATEST)
    page = await read_page(store.connection, store.keys, [home], window)
    before = [it for it in reversed(page.members) if it.id != own and it.type in MESSAGES]
    texts, last = [], None
    for member in before:
        text = _text(member, touchpoint)
        if text is not None:
            texts.append(text)
            last = member.occurred_at
    if last is not None:
        store.redaction.learn(tenant, touchpoint, last, end_of(texts))


def _text(member: Member, touchpoint: Touchpoint) -> str | None:
    """The text of a message of the same thread and direction; empty if something in it was masked."""
    if member.reference is not None or member.unknown is not None:
        return None
    body = member.body()
    if (body.thread, body.direction) != (touchpoint.thread, touchpoint.direction):
        return None
    if touchpoint.type == DERIVED and body.data.get("speaker") != touchpoint.data.get("speaker"):
        return None
    return "" if body.stated_redacted else body.text or ""
