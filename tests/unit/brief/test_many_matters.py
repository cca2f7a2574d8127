"""Histories with very many matters: the work for one ask does not grow with them, and names still join."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from handoff.domain.brief import StoryState, TimelineItem, read_story
from handoff.domain.clock import DAY
from tests.briefs import NOW, RULES, item


def read(items: Sequence[TimelineItem]) -> StoryState:
    _story, state = read_story(
        items, now=NOW + 9 * DAY, rules=RULES, pending=None, handoffs=(), internal=True
    )
    return state


def orders(count: int) -> list[TimelineItem]:
    return [
        item(
            "message.received",
            number,
            id=f"m{number}",
            conversation=f"c{number}",
            text=f"Also where is order A-{number}, with w{number}?",
        )
        for number in range(count)
    ]


def calls(items: Sequence[TimelineItem]) -> int:
    """How many calls of functions reading a history takes."""
    count = 0

    def profile(_frame: FrameType, event: str, _value: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        read(items)
    finally:
        sys.setprofile(None)
    return count


def test_an_ask_costs_no_more_after_many_matters() -> None:
    read(orders(3))  # what is made once
    base, many, more = (calls(orders(count)) for count in (220, 320, 420))
    assert more - many < 1.15 * (many - base)


def test_a_number_joins_its_matter_however_many_came_since() -> None:
    items = orders(300)
    back = item("message.received", 400, id="back", conversation="new", text="Any news about order A-3?")
    state = read([*items, back])
    assert len(state.folded.matters) == 300
    assert {ask.signal.id for ask in state.folded.matters[3].asks} == {"m3", "back"}


def test_claims_do_not_hide_a_proved_matter() -> None:
    asked = item("message.received", 0, id="asked", conversation="first", text="The washing machine leaks.")
    claims = [
        item(
            "message.received",
            number,
            id=f"x{number}",
            conversation=f"x{number}",
            assurance="claimed",
            identity="email:x@y.example",
            text=f"Order B-{number} is late",
        )
        for number in range(1, 260)
    ]
    again = item("message.received", 300, id="again", conversation="next", text="It leaks again!")
    state = read([asked, *claims, again])
    assert {ask.signal.id for ask in state.folded.matters[0].asks} == {"asked", "again"}
