"""Conversations as a fold over touchpoints: open or resolved, and since when somebody waits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.domain.conversation import Conversation, ConversationItem, fold
from handoff.domain.text.derived import DERIVED
from handoff.domain.touchpoint import TYPES, default_direction


def line(type_: str, at: int, **changes: Any) -> ConversationItem:
    given_ = {
        "conversation": b"c1",
        "home": b"h1",
        "channel": "chat",
        "type": type_,
        "direction": default_direction(type_),
        "occurred_at": at,
        "subject": None,
        "thread": "t1",
        **changes,
    }
    return ConversationItem(**given_)


def only(*lines: ConversationItem) -> Conversation:
    (found,) = fold(lines)
    return found


def test_waiting_is_since_the_first_unanswered_question() -> None:
    asked = [line("message.received", 1), line("message.received", 2)]
    assert only(*asked).waiting_since == 1
    assert only(*asked, line("message.sent", 3)).waiting_since is None
    assert only(*asked, line("message.sent", 3), line("message.received", 4)).waiting_since == 4


def test_a_bots_answer_and_an_internal_note_are_not_answers() -> None:
    asked = line("message.received", 1)
    assert only(asked, line("message.sent", 2, by_bot=True)).waiting_since == 1
    assert only(asked, line("message.sent", 2, visibility="internal")).waiting_since == 1
    assert only(asked, line("note.added", 2)).waiting_since == 1
    assert only(asked, line("message.delivered", 2)).waiting_since == 1


def test_a_call_that_took_place_answers_and_a_missed_one_does_not() -> None:
    asked = line("callback.requested", 1, channel="phone")
    assert only(asked, line("callback.missed", 2)).waiting_since == 1
    assert only(asked, line("callback.completed", 2)).waiting_since is None


def test_reading_a_page_is_not_waiting() -> None:
    assert only(line("page.viewed", 1), line("article.viewed", 2)).waiting_since is None
    assert only(line("form.failed", 1)).waiting_since == 1


def test_resolved_until_somebody_asks_again() -> None:
    resolved = [line("message.received", 1), line("conversation.resolved", 2)]
    assert not only(*resolved).open
    assert only(*resolved).waiting_since is None
    assert only(*resolved, line("message.received", 3)).open
    assert only(*resolved, line("conversation.reopened", 3)).open
    for type_ in ("message.sent", "message.delivered", "note.added", "handoff.completed", "page.viewed"):
        assert not only(*resolved, line(type_, 3)).open, type_


def test_the_newest_activity_comes_first() -> None:
    found = fold(
        [
            line("message.received", 1, conversation=b"old"),
            line("message.received", 2, conversation=b"new"),
            line("message.received", 3, conversation=b"old", channel="email", subject="Refund"),
        ]
    )
    assert [it.id for it in found] == [b"old", b"new"]
    assert (found[0].opened_at, found[0].last_at, found[0].touchpoints) == (1, 3, 2)
    assert (found[0].channels, found[0].subject) == (["chat", "email"], "Refund")


def test_our_own_bookkeeping_is_no_channel() -> None:
    found = only(line("message.received", 1), line("handoff.requested", 2, channel="phone"))
    assert found.channels == ["chat"]


SYSTEM = [it for it in TYPES if it.startswith(("handoff.", "identity.", "context."))] + [
    "callback.due",
    "callback.overdue",
    "callback.given_up",
    "note.added",
]


@pytest.mark.parametrize("type_", SYSTEM)
def test_a_system_entry_opens_no_conversation(type_: str) -> None:
    assert fold([line(type_, 1, channel="web", thread=None)]) == []
    opened = only(
        line(type_, 1, channel="web", thread=None), line("page.viewed", 2, channel="web", thread=None)
    )
    assert (opened.opened_at, opened.touchpoints, opened.channels) == (2, 2, ["web"])


@pytest.mark.parametrize("type_", [it for it in SYSTEM if it != "note.added"])
def test_a_system_entry_makes_no_conversation_the_newest(type_: str) -> None:
    found = fold(
        [
            line("message.received", 1, conversation=b"old"),
            line("message.received", 2, conversation=b"new"),
            line(type_, 3, conversation=b"old", thread=None),
        ]
    )
    assert [(it.id, it.last_at) for it in found] == [(b"new", 2), (b"old", 1)]


@pytest.mark.parametrize("type_", ["handoff.requested", "note.added"])
def test_a_platform_that_acts_in_a_thread_has_a_conversation(type_: str) -> None:
    assert only(line(type_, 1, thread="t1")).open


@given(st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from([b"a", b"b"]))))
def test_every_touchpoint_is_in_at_most_one_conversation(events: list[tuple[str, bytes]]) -> None:
    found = fold(line(type_, at, conversation=which) for at, (type_, which) in enumerate(events))
    opened = {
        which
        for type_, which in events
        if (type_ not in SYSTEM and type_ != DERIVED) or type_ == "note.added"
    }
    opened |= {which for type_, which in events if type_.startswith("handoff.")}
    assert sum(it.touchpoints for it in found) == sum(which in opened for _type, which in events)
    assert {it.id for it in found} == opened
    for conversation in found:
        assert conversation.opened_at <= conversation.last_at
        assert (
            conversation.waiting_since is None
            or conversation.opened_at <= conversation.waiting_since <= conversation.last_at
        )
