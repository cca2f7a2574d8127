"""The texts derived from touchpoints, shown with their originals: the one that counts first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct

from handoff.codec.body import Body
from handoff.codec.member import Member
from handoff.domain.clock import format_time
from handoff.domain.text.derived import DERIVED, DerivedText, read_derived, standing
from handoff.store.repositories.timelines import Original, read_derivations
from handoff.store.store import Store

from .reading import Decoded, TimelineEntry
from .views import DerivedView, Rendering, TouchpointView, shown_data

MAX_SHOWN = 100  # derived texts of one touchpoint; the timeline has all of them
_ENDS = frozenset({"call.ended", "callback.completed", "callback.missed"})
_CALLS = _ENDS | {"call.started"}


class _Found(Struct, frozen=True):
    shown: list[DerivedView]
    left_out: int


async def complete_views(
    store: Store, decoded: Decoded, entries: Sequence[TimelineEntry]
) -> list[TouchpointView]:
    """The views of touchpoints, with what was derived from them.

    Takes two round trips if there is a derived text at one of their homes, none otherwise. Readers who see
    no internal touchpoints get none.
    """
    rendering = decoded.rendering
    views = await store.pace.each(rendering.hashes.tenant, decoded.view, entries)
    homes = _with_derived(rendering) if rendering.internal else frozenset[bytes]()
    wanted = list(_originals(entries, rendering, homes)) if homes else []
    found = await read_derivations(store.connection, store.keys, [which for _at, which in wanted])
    members: dict[int, list[Member]] = {}
    for at, which in wanted:
        if which in found:
            members.setdefault(at, []).extend(found[which])
    made = {at: _views(them, rendering) for at, them in members.items()}
    return [_with(view, made[at]) if at in made else view for at, view in enumerate(views)]


def _with(view: TouchpointView, found: _Found) -> TouchpointView:
    if not found.shown:
        return view
    return msgspec.structs.replace(view, derived=found.shown, derived_left_out=found.left_out or UNSET)


def _with_derived(rendering: Rendering) -> frozenset[bytes]:
    """The homes that ever had a derived text."""
    return frozenset(
        home
        for home, record in rendering.records.items()
        if any(type_ == DERIVED for type_, _channel in record.counts)
    )


def _originals(
    entries: Sequence[TimelineEntry], rendering: Rendering, homes: frozenset[bytes]
) -> Iterable[tuple[int, Original]]:
    """Where in `entries` what is that may have derived texts. Those of a whole call are shown with its end,
    or, while it lasts, with its newest touchpoint."""
    calls: dict[Original, int] = {}
    for at, entry in enumerate(entries):
        stored = entry.stored
        if stored.home not in homes or entry.is_reference or stored.type == DERIVED:
            continue
        yield at, (stored.home, stored.id)
        if stored.type not in _CALLS or entry.body.thread is None:
            continue
        call = (stored.home, rendering.conversation(stored, entry.body)[0])
        known = calls.get(call)
        if known is None or _rank(entries[known]) < _rank(entry):
            calls[call] = at
    for call, at in calls.items():
        yield at, call


def _rank(entry: TimelineEntry) -> tuple[bool, bytes]:
    return entry.stored.type in _ENDS, entry.stored.place


def _views(members: Sequence[Member], rendering: Rendering) -> _Found:
    texts, bodies = list[DerivedText](), dict[str, tuple[Member, Body]]()
    for member in members:
        body, id_ = member.body(), rendering.of_home(member.home)[1](member.id)
        data = shown_data(member, body, body, rendering)
        order = (member.occurred_at, member.recorded_at, id_)
        text = read_derived(id_, body.text, body.language, data, order)
        if text is not None:
            texts.append(text)
            bodies[id_] = (member, body)
    counting = standing(texts)
    others = sorted(
        (it for it in texts if it.id in counting.superseded), key=lambda it: it.order, reverse=True
    )
    views = [
        *(_view(it, *bodies[it.id], superseded=False) for it in counting.texts),
        *(_view(it, *bodies[it.id], superseded=True) for it in others if it.id in counting.superseded),
    ]
    return _Found(views[:MAX_SHOWN], max(len(views) - MAX_SHOWN, 0))


def _view(text: DerivedText, member: Member, body: Body, *, superseded: bool) -> DerivedView:
    data: Mapping[str, object] = body.data
    attachment, recording = data.get("attachment"), data.get("recording")
    return DerivedView(
        id=text.id,
        kind=text.kind.value,
        by=text.by,
        text=text.text,
        confidence=text.confidence,
        language=text.language,
        occurred_at=format_time(member.occurred_at),
        superseded=superseded,
        speaker=text.speaker.value if text.speaker else UNSET,
        attachment=attachment if isinstance(attachment, str | int) else UNSET,
        recording=recording if isinstance(recording, str) else UNSET,
        at=format_time(text.at) if text.at is not None else UNSET,
        part_of=text.part_of or UNSET,
        part=text.part if text.part is not None else UNSET,
    )
