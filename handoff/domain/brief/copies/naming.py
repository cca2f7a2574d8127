"""Lines of a brief that name every route of a touchpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..shapes import BriefLine, TimelineItem
from ..story import Story
from .copied import Copy

_REPEATED = frozenset({"said"})
"""Codes of lines whose touchpoints repeat the same words."""
_QUOTED = frozenset({"words", "channel"})
"""Params of lines that quote a touchpoint: no other line states how something arrived."""


def with_routes(story: Story, lines: Sequence[BriefLine]) -> tuple[BriefLine, ...]:
    """The lines, with the further routes of the touchpoints that prove them."""
    copies = story.copies.by_shown() if story.copies.copies else {}
    return tuple([_with_routes(story, it, copies) for it in lines])


def _with_routes(story: Story, line: BriefLine, copies: dict[str, list[Copy]]) -> BriefLine:
    made = line
    if line.count > 1 and line.code in _REPEATED:
        proof = [story.by_id[it] for it in line.touchpoints if it in story.by_id]
        channels = list(dict.fromkeys(it.channel for it in proof))
        if len(channels) > 1:
            made = _with(made, "channels", channels, f" (by {_listed(channels)})")
    also = [(story.by_id[it], copy) for it in line.touchpoints for copy in copies.get(it, ())]
    if also and not _QUOTED.isdisjoint(line.params):
        stated = [_stated(copy.item) for _shown, copy in also]
        routes = dict.fromkeys(route_of(shown, copy.item) for shown, copy in also)
        made = _with(made, "also", stated, f" (also {', '.join(routes)})")
    return made


def _with(line: BriefLine, name: str, value: object, text: str) -> BriefLine:
    params: dict[str, Any] = line.params | {name: value}
    return msgspec.structs.replace(line, params=params, text=line.text + text)


def route_of(shown: TimelineItem, copy: TimelineItem) -> str:
    """The route of a copy in words: its channel, or its source if both are on one channel."""
    return f"by {copy.channel}" if copy.channel != shown.channel else f"through {copy.source}"


def _stated(copy: TimelineItem) -> dict[str, str]:
    return {"touchpoint": copy.id, "channel": copy.channel, "source": copy.source}


def _listed(names: Iterable[str]) -> str:
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last
