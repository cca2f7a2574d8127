"""Dismissing an announcement: a touchpoint beside the words, of which the store keeps the first."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.brief.lines import word
from handoff.domain.brief.sections.announced import DISMISSED_TYPE, Announced, announced_of
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.brief.story import Story
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import Gone, HandoffError, NotFound
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.customers.customer import Customer
from handoff.services.handoffs.targets import read_conversation_id
from handoff.services.ledger.recording import REUSED, home_handle_of
from handoff.services.ledger.settling import read_customer_story
from handoff.services.timeline.recording import record
from handoff.store.store import Store

from .noticing import dismiss_entry

ID_SPACE = "announcement"
SOURCE = "decisions"
_TYPES = frozenset({DISMISSED_TYPE})


class DismissalView(Struct, frozen=True, kw_only=True):
    """A dismissed announcement. `touchpoint` records the dismissal."""

    id: str
    kind: str
    state: str
    customer_id: str
    touchpoint: str
    decided_at: str
    decided_by: str | None
    reason: str | None


async def dismiss(
    store: Store, tenant: str, customer: Customer, id_: str, by: str, reason: str | None, now: Micros
) -> DismissalView:
    """Dismiss an announcement. The same again returns the first dismissal.

    Raises NotFound for an id that is none of the customer's.
    """
    story = await read_customer_story(store, tenant, customer, now)
    found = _dismissal(story, id_)
    if found is None:
        await _record(store, tenant, _announced(story, id_), (by, reason), now)
        found = _dismissal(await read_customer_story(store, tenant, customer, now), id_)
    if found is None:
        raise Gone("the customer was erased", code="customer_erased")
    await dismiss_entry(store, tenant, id_, found)
    return DismissalView(
        id=id_,
        kind=id_.rpartition(".")[2],
        state="dismissed",
        customer_id=customer.id,
        touchpoint=found.id,
        decided_at=format_time(found.occurred_at),
        decided_by=word(found.data.get("decided_by")) or None,
        reason=word(found.data.get("reason")) or None,
    )


def _dismissal(story: Story, id_: str) -> TimelineItem | None:
    return next((it for it in story.of(_TYPES) if word(it.data.get("announcement")) == id_), None)


def _announced(story: Story, id_: str) -> Announced:
    item = story.by_id.get(id_.rpartition(".")[0])
    found = announced_of(story, item) if item is not None else ()
    made = next((it for it in found if it.id == id_), None)
    if made is None:
        raise NotFound("the customer has no such announcement")
    return made


async def _record(
    store: Store, tenant: str, made: Announced, decided: tuple[str, str | None], now: Micros
) -> None:
    hashes, item, (by, reason) = store.hashes(tenant), made.item, decided
    home, _id = hashes.private(TOUCHPOINT, item.id, 2)
    data: dict[str, Any] = {
        "announcement": made.id,
        "kind": made.kind,
        "touchpoint": item.id,
        "said_at": format_time(item.occurred_at),
        "decided_by": by,
    }
    if reason:
        data["reason"] = reason
    touchpoint = Touchpoint(
        id_space=ID_SPACE,
        event_id=f"{made.id}/dismissed",
        source=SOURCE,
        channel=item.channel,
        type=DISMISSED_TYPE,
        occurred_at=now,
        identities=(await home_handle_of(store, home),),
        direction=Direction.INTERNAL,
        visibility=Visibility.INTERNAL,
        conversation=read_conversation_id(hashes, item.conversation),
        data=data,
    )
    (result,) = await record(store, tenant, [touchpoint])
    if result.status == "erased":
        raise Gone("the customer was erased", code="customer_erased")
    if not result.ok and result.code != REUSED:
        raise HandoffError(result.detail or "", code=result.code)
