"""A story's state that was kept in columns equals the one that it was made of."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from handoff.codec.records import encode_record
from handoff.domain.brief import StoryState, TimelineItem, read_story
from handoff.domain.brief.kept import KeptStory, keeping_story, restoring_story
from handoff.domain.brief.matters import Ask, Matter
from handoff.domain.brief.steps import finish
from tests.briefs import NOW, RULES, item

THEIRS = (
    "Where is order A-17?",
    "hello??",
    "It is order A-71, not A-17.",
    "thanks!",
    "Sorry, I meant order A-72.",
    "Great, the hotel is Casa Balthazar in Lisbon.",
    "Never mind, it works again.",
    "The washing machine leaks again.",
)
OURS = (
    "It arrives on Friday.",
    "One moment please.",
    "I will transfer you to my colleague.",
    "Your new order is A-99.",
)


def drawn(chance: random.Random, minute: int) -> TimelineItem:
    """A touchpoint of any kind that changes a state."""
    ours = chance.random() < 0.4
    changes: dict[str, Any] = {
        "recorded_at": NOW + chance.randrange(2) * minute,
        "conversation": f"c{chance.randrange(3)}",
        "text": chance.choice(OURS if ours else THEIRS),
    }
    type_ = chance.choice(("message.sent", "note.added") if ours else ("message.received",) * 2)
    kind = chance.randrange(20)
    if ours:
        changes |= {"by": chance.choice(("agent", "bot")), "name": "Mia Berg"}
    elif kind < 3:
        changes |= {"assurance": "claimed", "identity": "email:a@b.example"}
    elif kind < 6:
        changes |= {"name": "Anna Lindqvist", "language": "en", "traits": {"name": "Anna Lindqvist"}}
    if kind == 16:
        type_, changes["text"] = "article.viewed", None
    elif kind == 17:
        type_, changes["data"] = "callback.requested", {"callback": "cb1"}
    elif kind == 18:
        type_, changes["data"] = "callback.completed", {"callback": "cb1", "duration_s": 90}
    elif kind == 19:
        type_, changes["text"] = "conversation.resolved", None
    return item(type_, minute, deleted=chance.random() < 0.03, **changes)


SEEDS = 12
REQUIRED: dict[type, dict[str, Any]] = {Matter: {"number": 0}, Ask: {"signal": None}}


def state(seed: int) -> StoryState:
    chance = random.Random(seed)
    items = [*(drawn(chance, minute) for minute in range(60)), item("article.viewed", 61)]
    _story, found = read_story(items, now=NOW, rules=RULES, pending=None, handoffs=(), internal=True)
    return found


def plain(value: Any) -> Any:
    """A value by its content, with matters by their number where they are named again."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name != "made"}
    if isinstance(value, dict):
        return {key: plain(it) for key, it in value.items()}
    return [plain(it) for it in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_kept_story_is_the_same(seed: int) -> None:
    before = state(seed)
    stored = msgspec.msgpack.decode(encode_record(finish(keeping_story(before))), type=KeptStory)
    after = finish(restoring_story(stored))
    for one in (before, after):
        named = one.folded.by_reference
        for value, matters in list(named.items()):  # the fold reads those that still have it, in order
            known = (it for it in matters if value in it.references or value in it.given)
            named[value] = sorted(known, key=lambda it: it.number)
            if not named[value]:
                del named[value]
    assert plain(after) == plain(before)


def test_copies_and_separations_are_kept() -> None:
    """A mail by two ways, one by two ways that an agent separated, and the transcript of a chat."""
    words, items = ("Where is order A-17? It was promised for Tuesday.", "It leaks, please call me."), []
    for at, (text, source) in enumerate((text, source) for text in words for source in ("mail", "chat")):
        data = {"message_id": f"{len(text)}@mail.example"}
        more = {"channel": "email", "source": source, "text": text, "data": data, "recorded_at": NOW + at}
        items.append(item("email.received", at, **more))
    chat = [
        item("message.received", at, text=text, recorded_at=NOW) for at, text in enumerate(words, start=10)
    ]
    lines = "\n".join(f"10:1{at} {it.text}" for at, it in enumerate(chat))
    items += [*chat, item("email.sent", 20, channel="email", text=lines, recorded_at=NOW)]
    given = {"now": NOW, "rules": RULES, "pending": None, "handoffs": (), "internal": True}
    _story, before = read_story(items, apart=frozenset({"email.received/3"}), **given)
    assert (set(before.copies.copies), set(before.copies.transcripts)) == (
        {"email.received/1"},
        {"email.sent/20"},
    )
    stored = msgspec.msgpack.decode(encode_record(finish(keeping_story(before))), type=KeptStory)
    after = finish(restoring_story(stored))
    assert plain(after) == plain(before)
    assert read_story(after.items, state=after, apart=before.copies.apart, **given)[1] is after


def test_no_field_is_without_a_value_that_could_be_lost() -> None:
    """A new field needs touchpoints that fill it: a lost default value goes unnoticed."""
    states = [state(seed) for seed in range(SEEDS)]
    folds = [it.folded for it in states]
    matters = [one for it in folds for one in it.matters]
    asks = [one for it in matters for one in it.asks]
    for made in (states, folds, matters, asks):
        defaults = plain(type(made[0])(**REQUIRED.get(type(made[0]), {})))
        filled = {name for one in made for name, value in plain(one).items() if value != defaults[name]}
        assert set(defaults) - filled == set()
    assert any(it.given - it.references.keys() for it in matters)
