"""Snapshots: the context that is pinned with a handoff, in exactly its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.brief import RULES, CustomerLanguage
from handoff.domain.clock import Micros
from handoff.domain.handoff import Handoff, SnapshotRef
from handoff.services.context.assembly import assemble
from handoff.services.context.completeness import Monitor
from handoff.services.context.views import DEFAULT_LIMIT, ContextSelection, ContextView
from handoff.services.customers.lookup import LookUp, Match, look_up_of
from handoff.services.timeline.encoding import encoded_each
from handoff.services.timeline.views import TimelineView
from handoff.store.repositories.control import Change
from handoff.store.repositories.tenant.handoff_records import HandoffRecords
from handoff.store.store import Store

from .records import pin
from .targets import Target

MAX_SNAPSHOT = 256 * 1024  # bytes; above it, older touchpoints are pinned as a number and a cursor only
_LIMITS = (500, 200, DEFAULT_LIMIT, 10, 1)


class PinnedContent(Struct, frozen=True):
    """An encoded context, its position, and the customer's language in it."""

    content: bytes
    position: str
    language: CustomerLanguage | None


async def pinned_content(
    store: Store, monitor: Monitor, tenant: str, target: Target, handoff: Handoff, now: Micros
) -> PinnedContent:
    """The current context, encoded in at most MAX_SNAPSHOT bytes where that is possible.

    The context is read and assembled once. A context that is too large loses its oldest touchpoints.
    """
    look_up = LookUp(match=Match.NONE)
    if target.customer:
        look_up = target.look_up or await look_up_of(store, tenant, target.customer)
    longest = ContextSelection(limit=_LIMITS[0])
    assembled = await assemble(store, monitor, tenant, look_up, wanted=longest, now=now, handoff=handoff)
    view, encoded = assembled.view, list[Any]()
    if isinstance(view.timeline, TimelineView):
        encoded = await encoded_each(store, tenant, view.timeline.touchpoints, encode_part)
    content = encode_context(_around(view, encoded))
    for limit in _LIMITS[1:]:
        if assembled.shortened is None or len(content) <= MAX_SNAPSHOT:
            break
        content = encode_context(_around(assembled.shortened(limit), encoded))
    return PinnedContent(content, view.as_of, view.brief.language if view.brief else None)


def _around(view: ContextView, encoded: Sequence[Any]) -> ContextView:
    """The context with its touchpoints as they were encoded."""
    if not isinstance(view.timeline, TimelineView):
        return view
    shown = list(encoded[: view.timeline.returned])
    timeline = msgspec.structs.replace(view.timeline, touchpoints=shown)
    return msgspec.structs.replace(view, timeline=timeline)


def encode_part(value: Any) -> bytes:
    """A part of a context; equal parts have equal bytes."""
    return msgspec.json.encode(value, order="deterministic")


def encode_context(view: ContextView) -> bytes:
    """The bytes of a context; equal contexts have equal bytes."""
    return encode_part(view)


def pinned(
    records: HandoffRecords,
    change: Change,
    handoff: Handoff,
    at: str,
    content: PinnedContent,
    now: Micros,
) -> Handoff:
    """The handoff with a reference to the snapshot, which the change writes."""
    sha256 = pin(records, change, content.content)
    ref = SnapshotRef(
        at=at, id=f"sn_{sha256[:32]}", sha256=sha256, position=content.position, taken_at=now, rules=RULES
    )
    changed = msgspec.structs.replace(handoff, snapshots=(*handoff.snapshots, ref))
    if content.language is None:
        return changed
    known = content.language
    return msgspec.structs.replace(changed, language=known.language, language_source=known.source)
