"""Encoding long answers in slices: their touchpoints first, one by one, then the rest around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from handoff.store.store import Store

from .views import TimelineView

Encode = Callable[[Any], bytes]


async def encoded_each(store: Store, tenant: str, values: Sequence[Any], encode: Encode) -> list[Any]:
    """The values in JSON, for a place in a larger answer: it gets the same bytes as with the values."""
    return await store.pace.each(tenant, lambda it: Raw(encode(it)), values)


async def with_encoded_touchpoints(
    store: Store, tenant: str, timeline: TimelineView, encode: Encode
) -> TimelineView:
    """The page for its encoder: the same page, of which only the frame is left to encode."""
    encoded = await encoded_each(store, tenant, timeline.touchpoints, encode)
    return msgspec.structs.replace(timeline, touchpoints=encoded)
