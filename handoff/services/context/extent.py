"""How much of a history a context shows: its timeline, and what it leaves out."""

from __future__ import annotations

import msgspec

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.clock import Micros, format_time
from handoff.domain.handoff import Handoff
from handoff.services.customers.customer import Customer
from handoff.services.timeline.deriving import complete_views
from handoff.services.timeline.reading import Decoded
from handoff.services.timeline.same_acts import named
from handoff.services.timeline.views import TimelineView
from handoff.store.repositories.retention.horizons import TenantHorizons
from handoff.store.repositories.timelines import encode_cursor
from handoff.store.store import Store

from .history import History
from .views import OPTIONAL_FIELDS, ContextSelection, ContextView, DeletedView, LeftOut


async def timeline_view(store: Store, history: History, wanted: ContextSelection) -> TimelineView:
    """The newest touchpoints, as many as are wanted."""
    tenant, (places, used) = history.hashes.tenant, history.shown(wanted.limit)
    shown = await store.pace.each(tenant, history.entries.__getitem__, places)
    more = history.more or len(history.entries) > used
    decoded = Decoded(shown, history.rendering, history.ownership)
    views = named(await complete_views(store, decoded, shown), history.copies)
    return TimelineView(
        touchpoints=views,
        total=history.total if not history.hidden and wanted.reader.internal else None,
        returned=len(views),
        next=encode_cursor(history.entries[used - 1].entry.place) if more and used else None,
    )


def left_out(history: History, customer: Customer, wanted: ContextSelection) -> LeftOut:
    """The omissions of a context, and where to read them."""
    _places, shown = history.shown(wanted.limit)
    rest = history.total - shown - history.hidden - history.internal
    last = history.entries[shown - 1].entry if shown else None
    return LeftOut(
        touchpoints=rest or None,
        timeline_next=encode_cursor(last.place) if rest and last else None,
        below_min_assurance=history.hidden or None,
        brief_older_than=format_time(history.entries.occurred_at(len(history.entries) - 1))
        if history.more and history.entries
        else None,
        late=history.late or None,
        candidates=customer.claims_left_out + history.unnamed or None,
        unattributed=sum(it.unattributed for it in history.shared) or None,
        fields=sorted(OPTIONAL_FIELDS - wanted.fields) if wanted.fields is not None else None,
        deleted=history.deleted or None,
    )


def deleted_by_policy(horizons: TenantHorizons | None) -> list[DeletedView]:
    """The horizons of a tenant by time, channels with the same classes together."""
    grouped: dict[tuple[Micros, str], list[str]] = {}
    for (channel, class_), before in (horizons.classes() if horizons else {}).items():
        grouped.setdefault((before, channel), []).append(class_)
    merged: dict[tuple[Micros, tuple[str, ...]], list[str]] = {}
    for (before, channel), classes in grouped.items():
        merged.setdefault((before, tuple(sorted(classes))), []).append(channel)
    return [
        DeletedView(before=format_time(before), channels=sorted(channels), types=list(classes))
        for (before, classes), channels in sorted(merged.items())
    ]


async def late_of(store: Store, history: History, handoff: Handoff | None) -> list[str]:
    """The touchpoints that arrived after the handoff's snapshot, although they happened before."""
    if handoff is None or not handoff.snapshots:
        return []
    pinned, hashes = handoff.snapshots[-1].taken_at, history.hashes

    def late(at: int) -> str | None:
        member = history.entries.member(at)
        if not member.occurred_at < pinned < member.recorded_at or member.type.startswith(
            ("handoff.", "identity.")
        ):
            return None
        return hashes.public(TOUCHPOINT, member.home, member.id)

    found = await store.pace.each(hashes.tenant, late, range(len(history.entries)))
    return [it for it in found if it is not None]


def shortened(
    view: ContextView,
    history: History,
    customer: Customer,
    wanted: ContextSelection,
    limit: int,
) -> ContextView:
    """The context with at most `limit` touchpoints in its timeline."""
    if not isinstance(view.timeline, TimelineView) or limit >= view.timeline.returned:
        return view
    shown = view.timeline.touchpoints[:limit]
    _places, used = history.shown(limit)
    next_ = encode_cursor(history.entries[used - 1].entry.place)
    return msgspec.structs.replace(
        view,
        timeline=msgspec.structs.replace(view.timeline, touchpoints=shown, returned=limit, next=next_),
        left_out=left_out(history, customer, msgspec.structs.replace(wanted, limit=limit)),
    )
