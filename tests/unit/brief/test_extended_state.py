"""An extended state gives the same brief as one that is built from all touchpoints."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.domain.brief import Brief, StoryState, TimelineItem, read_story, write_brief
from tests.briefs import NOW, RULES, brief_of, item
from tests.examples import examples

KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("message.received", {"text": "Where is my order A-17? It was promised for Tuesday."}),
    ("message.received", {"text": "sorry, I mean A-71"}),
    ("message.received", {"text": "The washing machine leaks and the kitchen is under water."}),
    ("message.received", {"text": "The washing machine, my number is B-9, leaks again."}),
    (
        "message.received",
        {"text": "Wo ist die Bestellung? Ich warte auf die Lieferung und das dauert."},
    ),
    ("message.received", {"text": "hello??"}),
    ("message.received", {"text": "thanks Mia, bye"}),
    ("message.received", {"text": "never mind, solved"}),
    ("message.received", {"text": "It leaks", "language": "fi"}),
    (
        "message.received",
        {"text": "Angry about A-17", "assurance": "claimed", "identity": "email:x@a.b"},
    ),
    ("message.sent", {"text": "A-17 arrives on Friday.", "by": "agent", "name": "Mia"}),
    ("message.sent", {"text": "One moment please", "by": "agent", "name": "Otto"}),
    ("message.sent", {"text": "I will call you back tomorrow.", "by": "agent", "name": "Mia"}),
    ("message.sent", {"text": "I am a bot. Try to restart it.", "by": "bot"}),
    ("conversation.resolved", {"direction": "internal"}),
    ("conversation.reopened", {"direction": "internal"}),
    ("callback.requested", {"text": "call me", "data": {"callback": "cb1"}}),
    ("callback.completed", {"data": {"callback": "cb1", "duration_s": 90}}),
    ("call.ended", {"direction": "inbound", "channel": "phone", "data": {"duration_s": 60}}),
    ("article.viewed", {"channel": "web", "data": {"title": "Leaks"}}),
    ("form.submitted", {"channel": "web", "data": {"form": "contact", "fields": {"order": "A-17"}}}),
    ("identified", {"traits": {"name": "Anna Smith"}}),
    ("promise.made", {"text": "a refund", "data": {"promise": "p1"}}),
    ("complaint.opened", {"text": "This is unacceptable"}),
    ("note.added", {"text": "VIP", "by": "agent"}),
    ("message.received", {"text": "any news?"}),
    ("message.received", {"text": "any news about my refund?"}),
    ("message.received", {"text": "10/10"}),
    ("message.received", {"text": "I mean A-71, not A-17"}),
    ("message.received", {"text": "yes please"}),
    ("message.received", {"text": "Noch eine Frage: der Betrag. " * 12 + "Es geht um A-17, wann kommt sie?"}),
    ("message.sent", {"text": "Let me transfer you to billing.", "by": "agent", "name": "Otto"}),
    ("message.sent", {"text": "Shall I refund it?", "by": "agent", "name": "Mia"}),
    ("callback.attempted", {"data": {"callback": "cb1", "reason": "voicemail"}}),
    ("message.received", {"text": "Ref INV 55 20871, you charged 31.20 twice"}),
    ("message.received", {"text": "It is all in ticket T-9191, nobody called, and the 31,20 is still gone"}),
    ("message.sent", {"text": "Your claims are INV-55-20871 and INV-55-20872.", "by": "agent"}),
    ("message.received", {"text": "great, Friday is fine"}),
    ("message.received", {"text": "Please ignore my mail about the washing machine"}),
    (
        "message.received",
        {"text": "please ignore my last mail, I would rather keep the parcel that you sent on Tuesday"},
    ),
    (
        "email.received",
        {
            "channel": "email",
            "subject": "Fwd: A-17",
            "text": "Hello Mia,\n\nit leaks, see below.\n\nRegards\nAnna\n\nFrom: Shop\nTo: Anna\n\nA-17",
        },
    ),
    ("call.ended", {"direction": "inbound", "channel": "phone", "data": {"status": "busy"}}),
)
STEPS = ("append", "append", "append", "late", "edit", "delete", "drop")


def touchpoint(number: int, minute: int, kind: int, conversation: int) -> TimelineItem:
    type_, more = KINDS[kind]
    return item(type_, minute, **{"id": f"tp{number:04}", "conversation": f"c{conversation}"} | more)


def read(items: list[TimelineItem], state: StoryState | None) -> tuple[Brief, StoryState]:
    story, state = read_story(
        items, now=NOW, rules=RULES, pending=None, handoffs=(), internal=True, state=state
    )
    return write_brief(story), state


def in_order(items: list[TimelineItem]) -> list[TimelineItem]:
    return sorted(items, key=lambda it: (it.occurred_at, it.id))


class Life:
    """A history that changes."""

    def __init__(self) -> None:
        self.items: list[TimelineItem] = []
        self.minute, self.number = 0, 0

    def change(self, step: str, kind: int, conversation: int, pause: int, at: int) -> None:
        if step == "append" or not self.items:
            self.minute += pause
            self._add(self.minute, kind, conversation)
        elif step == "late":
            self._add(at % (self.minute + 1), kind, conversation)
        elif step == "drop":
            del self.items[0]
        else:
            place = at % len(self.items)
            changes = {"deleted": True} if step == "delete" else {"text": KINDS[kind][1].get("text")}
            self.items[place] = msgspec.structs.replace(self.items[place], **changes)

    def _add(self, minute: int, kind: int, conversation: int) -> None:
        self.number += 1
        added = touchpoint(self.number, minute, kind, conversation)
        self.items = in_order([*self.items, added])


Step = tuple[str, int, int, int, int]
STEP = st.tuples(
    st.sampled_from(STEPS),
    st.integers(0, len(KINDS) - 1),
    st.integers(1, 3),
    st.sampled_from([0, 1, 3, 40, 2 * 24 * 60]),
    st.integers(0, 10_000),
)


@pytest.mark.no_cover
@settings(max_examples=examples(150))
@given(st.lists(STEP, min_size=2, max_size=30))
def test_an_extended_state_gives_the_brief_of_a_new_one(
    steps: list[Step],
) -> None:
    life, state = Life(), None
    for step in steps:
        life.change(*step)
        brief, state = read(life.items, state)
        assert brief == brief_of(life.items)


def test_later_touchpoints_extend_the_state() -> None:
    first = [touchpoint(1, 0, 0, 1), touchpoint(2, 3, 10, 1)]
    _brief, state = read(first, None)
    _brief, again = read([*first, touchpoint(3, 9, 2, 2)], state)
    assert again is state


FIRST, SECOND = touchpoint(1, 5, 0, 1), touchpoint(2, 9, 10, 1)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param([FIRST, SECOND, touchpoint(3, 7, 2, 1)], id="late"),
        pytest.param([FIRST, SECOND, touchpoint(3, 9, 2, 1)], id="same time"),
        pytest.param([FIRST, SECOND, touchpoint(3, 12, 8, 1)], id="language"),
        pytest.param([touchpoint(1, 5, 2, 1), SECOND], id="edited"),
        pytest.param([SECOND, touchpoint(3, 12, 2, 1)], id="oldest gone"),
        pytest.param([FIRST], id="newest gone"),
    ],
)
def test_any_other_change_rebuilds_it(changed: list[TimelineItem]) -> None:
    _brief, state = read([FIRST, SECOND], None)
    brief, again = read(in_order(changed), state)
    assert again is not state
    assert brief == brief_of(in_order(changed))
