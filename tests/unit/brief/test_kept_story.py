"""A story's state that was kept in columns equals the one that it was made of."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from handoff.codec.records import encode_record
from handoff.domain.brief import StoryState, read_story
from handoff.domain.brief.kept import KeptStory, keeping_story, restoring_story
from handoff.domain.brief.steps import finish
from tests.briefs import NOW, RULES, item

THEIRS = (
    "Where is order A-17?",
    "hello??",
    "It is order A-71, not A-17.",
    "thanks!",
    "Sorry, I meant order A-72.",
)
OURS = ("It arrives on Friday.", "One moment please.", "I will transfer you to my colleague.")


def state(seed: int) -> StoryState:
    chance, items = random.Random(seed), []
    for minute in range(40):
        ours = chance.random() < 0.4
        text = chance.choice(OURS if ours else THEIRS)
        at = {"recorded_at": NOW + chance.randrange(2) * minute, "conversation": f"c{chance.randrange(3)}"}
        type_ = chance.choice(("message.sent", "note.added") if ours else ("message.received",) * 2)
        more: dict[str, Any] = {"by": chance.choice(("agent", "bot"))} if ours else {}
        if chance.random() < 0.1:
            type_ = "conversation.resolved"
        items.append(item(type_, minute, text=text, **at, **more))
    _story, found = read_story(items, now=NOW, rules=RULES, pending=None, handoffs=(), internal=True)
    return found


def plain(value: Any) -> Any:
    """A value by its content, with matters by their number where they are named again."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name != "made"}
    if isinstance(value, dict):
        return {key: plain(it) for key, it in value.items()}
    return [plain(it) for it in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("seed", range(12))
def test_a_kept_story_is_the_same(seed: int) -> None:
    before = state(seed)
    stored = msgspec.msgpack.decode(encode_record(finish(keeping_story(before))), type=KeptStory)
    after = finish(restoring_story(stored))
    for one in (before, after):
        named = one.folded.by_reference
        for value, matters in list(named.items()):  # the fold reads those that still have it, in order
            named[value] = sorted((it for it in matters if value in it.references), key=lambda it: it.number)
            if not named[value]:
                del named[value]
    assert plain(after) == plain(before)


def test_the_states_have_what_could_be_lost() -> None:
    folded = [state(seed).folded for seed in range(12)]
    matters = [one for it in folded for one in it.matters]
    assert any(ask.unseen for one in matters for ask in one.asks)
    assert any(one.before for one in matters)
    assert any(one.returned for one in matters)
    assert any(it.transfers for it in folded)
