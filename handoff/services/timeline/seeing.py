"""Touchpoints as a reader may see them: every view of touchpoints is built from what `seen` returns."""

from __future__ import annotations

import msgspec

from handoff.domain.continuity.carried import FIELD
from handoff.domain.touchpoint import Visibility
from handoff.services.access.reader import Reader
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store

from .reading import Decoded, TimelineEntry


async def seen(store: Store, decoded: Decoded, reader: Reader) -> Decoded:
    """The touchpoints without those that the reader may not see.

    No round trip, or one or two for a customer-facing reader if an entry is an edit.
    """
    if not reader.limited:
        return decoded
    hidden = set() if reader.internal else await _edits_of_internal(store, decoded.entries)
    left = [entry for at, entry in enumerate(decoded.entries) if at not in hidden]
    tenant = decoded.rendering.hashes.tenant
    shown = await store.pace.each(tenant, lambda it: _shown(it, reader), left)
    rendering, ownership = decoded.rendering, decoded.ownership
    if not reader.internal:
        ownership = {}  # who assigned a touchpoint, and why, is internal
        public = {
            which: (stored, body)
            for which, (stored, body) in rendering.amendments.items()
            if body.visibility is Visibility.PUBLIC
        }
        rendering = msgspec.structs.replace(rendering, amendments=public, internal=False)
    return Decoded([it for it in shown if it is not None], rendering, ownership)


def _shown(entry: TimelineEntry, reader: Reader) -> TimelineEntry | None:
    body = entry.body
    data = reader.shown_data(entry.stored.type, body.data)
    if data is None and not reader.internal and FIELD in body.data:  # outsiders learn nothing about codes
        left = {name: value for name, value in body.data.items() if name != FIELD}
        entry = TimelineEntry(entry.stored, msgspec.structs.replace(body, stated_data=left), entry.entry)
    if data is None:
        return entry if reader.internal or body.visibility is Visibility.PUBLIC else None
    silent = msgspec.structs.replace(body, subject=None, text=None, stated_data=data)
    return TimelineEntry(entry.stored, silent, entry.entry)  # without the results cached for other readers


async def _edits_of_internal(store: Store, entries: list[TimelineEntry]) -> set[int]:
    """The places of edits and deletions whose original is internal: senders often state only the edit."""
    edits = [
        (at, (it.stored.home, it.body.amends)) for at, it in enumerate(entries) if it.body.amends is not None
    ]
    if not edits:
        return set()
    originals = await read_places(store.connection, store.keys, [which for _at, which in edits])
    return {
        at
        for (at, _which), original in zip(edits, originals, strict=True)
        if original is not None and (original.blanked or original.body().visibility is not Visibility.PUBLIC)
    }
