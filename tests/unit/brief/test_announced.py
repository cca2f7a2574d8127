"""Announcements of transfers, call backs, and mails, and what follows them."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.domain.brief import BriefRules, Pending, TimelineItem
from handoff.domain.brief.rules import FOLLOW_RULES
from handoff.domain.brief.sections.announced import announced_in
from handoff.domain.brief.sections.announced import follow_up as found_in
from handoff.domain.brief.story import read_story
from handoff.domain.clock import HOUR, MINUTE, format_time
from tests.briefs import NOW, RULES, brief_of, item

ASKED = item("message.received", 0, text="Where is my order 12345?")
TRANSFER = "I'll transfer you to a colleague now."
CALLBACK = "You will be called back shortly."
MAIL = "I have sent you an e-mail with the form."
START = NOW - 2 * HOUR


def ours(text: str, minute: float = 1, **changes: Any) -> TimelineItem:
    changes = {"by": "agent", "name": "Max", "occurred_at": START + round(minute * MINUTE)} | changes
    return item("message.sent", text=text, id=f"ours/{minute}", **changes)


def at(type_: str, minute: float, **changes: Any) -> TimelineItem:
    return item(type_, id=f"{type_}/{minute}", occurred_at=START + round(minute * MINUTE), **changes)


def follow_up(*items: TimelineItem, pending: Pending | None = None) -> str | None:
    """`in time`, `late`, or `void`: what became of the first announcement; None if nothing followed."""
    ordered = sorted([ASKED, *items], key=lambda it: it.occurred_at)
    story, _state = read_story(ordered, now=NOW, rules=RULES, pending=pending, handoffs=(), internal=True)
    made = next(one for it in ordered for one in announced_in(it, RULES, "default"))
    found = found_in(story, made, FOLLOW_RULES[made.kind])
    if found is None or found.state == "void":
        return found and "void"
    return "in time" if found.at <= made.due else "late"


CALL = {"channel": "phone", "conversation": "call"}
ANNA = {"by": "agent", "name": "Anna"}
ASSIGNED = {"data": {"name": "conversation.assigned", "assignee": {"name": "Anna"}}}


@pytest.mark.parametrize(
    ("text", "then", "expected"),
    [
        (TRANSFER, [], None),
        (TRANSFER, [at("handoff.requested", 3)], "in time"),
        (TRANSFER, [at("handoff.requested", 9)], "late"),
        (TRANSFER, [at("handoff.requested", 50)], None),
        (TRANSFER, [at("handoff.requested", 3, name="announcement:tp_1.transfer")], None),
        (TRANSFER, [at("event.tracked", 2, **ASSIGNED)], "in time"),
        (TRANSFER, [at("event.tracked", 2, data={"name": "conversation.assigned", "assignee": None})], None),
        (TRANSFER, [at("message.sent", 2, text="Hello, this is Anna", **ANNA)], "in time"),
        (TRANSFER, [at("message.sent", 2, text="One moment please", **ANNA)], "in time"),
        (TRANSFER, [at("message.sent", 2, text="Your number is 4711", by="agent", name="Max")], None),
        (TRANSFER, [at("message.sent", 2, text="Have you read the FAQ?", by="bot")], None),
        (TRANSFER, [at("call.ended", 3, data={"duration_s": 90}, **CALL)], "in time"),
        (TRANSFER, [at("call.ended", 3, data={"duration_s": 300}, **CALL)], None),
        (TRANSFER, [at("message.received", 2, text="Never mind, it works again")], "void"),
        (TRANSFER, [at("message.received", 2, text="ok thanks")], None),
        (TRANSFER, [at("announcement.dismissed", 90, data={"announcement": "ours/1.transfer"})], "void"),
        (TRANSFER, [at("email.sent", 2, channel="email", by="bot")], None),
        (CALLBACK, [], None),
        (CALLBACK, [at("callback.scheduled", 5, **CALL)], "in time"),
        (CALLBACK, [at("callback.requested", 0.5, **CALL)], "in time"),
        (CALLBACK, [at("callback.cancelled", 5, **CALL)], None),
        (CALLBACK, [at("call.ended", 6, direction="outbound", data={"duration_s": 5}, **CALL)], "in time"),
        (CALLBACK, [at("call.ended", 60, direction="outbound", data={"duration_s": 5}, **CALL)], "late"),
        (CALLBACK, [at("call.ended", 6, data={"status": "no-answer"}, **CALL)], None),
        (CALLBACK, [at("message.sent", 3, text="It arrives on Friday", **ANNA)], None),
        (CALLBACK, [at("handoff.requested", 3, data={"to": {"channel": "phone"}})], "in time"),
        (CALLBACK, [at("handoff.requested", 3, data={"to": {"channel": "chat"}})], None),
        (CALLBACK, [at("promise.made", 2, data={"act": "call", "touchpoint": "other"})], "in time"),
        (CALLBACK, [at("promise.made", 2, data={"act": "call", "touchpoint": "ours/1"})], None),
        (MAIL, [], None),
        (MAIL, [at("email.sent", 20, channel="email", conversation="m")], "in time"),
        (MAIL, [at("email.sent", 0.2, channel="email", conversation="m")], "in time"),
        (MAIL, [at("email.sent", 45, channel="email", conversation="m")], "late"),
        (MAIL, [at("email.received", 5, channel="email", conversation="m", text="The form?")], None),
        (MAIL, [at("message.sent", 5, text="Did it arrive?", **ANNA)], None),
        (MAIL, [at("event.tracked", 5, data={"name": "email.sent"})], "in time"),
    ],
)
def test_what_follows_an_announcement(text: str, then: list[TimelineItem], expected: str | None) -> None:
    assert follow_up(ours(text), *then) == expected


def test_a_promise_with_a_time_of_its_own_takes_the_place_of_an_announcement() -> None:
    data = {"act": "call", "touchpoint": "ours/1", "due": format_time(NOW)}
    assert follow_up(ours(CALLBACK), at("promise.made", 2, data=data)) == "void"


def test_a_handoff_that_is_pending_already_is_what_is_announced() -> None:
    """Bots request the handoff first, and say so then; one that was accepted before is not announced."""
    bot = ours("One moment, connecting you with an agent…", 5, by="bot", name="Robo")
    requested = at("handoff.requested", 2, data={"handoff": "h"})
    assert follow_up(requested, bot) == "in time"
    accepted = at("handoff.accepted", 3, data={"handoff": "h", "owner": "Max"})
    assert follow_up(requested, accepted, ours(TRANSFER, 5)) is None
    called = at("callback.requested", 2, data={"callback": "c"}, **CALL)
    assert follow_up(called, ours(CALLBACK, 30)) == "in time"
    missed = [called, at("callback.completed", 9, data={"callback": "c", "duration_s": 40}, **CALL)]
    assert follow_up(*missed, ours(CALLBACK, 30)) is None


@pytest.mark.parametrize(
    ("text", "kind", "noun"),
    [
        (TRANSFER, "transfer", "a transfer"),
        (CALLBACK, "callback", "a call back"),
        ("We'll email you the form.", "mail", "a mail"),
    ],
)
def test_why_now_has_a_line_for_what_did_not_follow(text: str, kind: str, noun: str) -> None:
    made = ours(text)
    (line,) = [it for it in brief_of([ASKED, made]).why_now if it.code.endswith("_not_followed")]
    assert line.code == f"{kind}_not_followed"
    assert (line.touchpoints, line.params["announcement"]) == ((made.id,), f"{made.id}.{kind}")
    assert line.text.startswith(f"Max announced {noun} at 2026-11-21 10:01 UTC, none followed")
    soon = brief_of([ASKED, made], now=START + 2 * MINUTE)
    assert not [it for it in soon.why_now if it.code.endswith("_not_followed")]


def test_the_handoff_of_a_policy_does_not_hide_the_line() -> None:
    """It is not what was announced, and the agent who takes it must know."""

    def lines(by: str) -> list[str]:
        pending = Pending(id="h", reason="r", sender="Max", to="desk", requested_at=START + 5 * MINUTE, by=by)
        brief = brief_of([ASKED, ours(TRANSFER)], pending=pending)
        return [it.code for it in brief.why_now if it.code == "transfer_not_followed"]

    assert lines("announcement:ours/1.transfer") == ["transfer_not_followed"]
    assert lines("desk") == []


def test_only_the_newest_announcement_of_a_kind_counts() -> None:
    items = [ASKED, ours(TRANSFER, 1), ours("I am connecting you to the workshop.", 20)]
    followed = [*items, at("handoff.accepted", 21)]
    assert not [it for it in brief_of(followed).why_now if it.code == "transfer_not_followed"]
    (line,) = [it for it in brief_of(items).why_now if it.code == "transfer_not_followed"]
    assert line.params["words"] == "I am connecting you to the workshop."


def test_notes_announce_to_colleagues_only() -> None:
    note = at("note.added", 1, text="Customer cut off, will call him back", by="agent", name="Max")
    codes = [it.code for it in brief_of([ASKED, note]).why_now]
    assert "callback_not_followed" in codes
    codes = [it.code for it in brief_of([ASKED, note], internal=False).why_now]
    assert "callback_not_followed" not in codes


def test_automatic_mail_and_the_customers_own_words_announce_nothing() -> None:
    automatic = ours(CALLBACK, data={"auto_submitted": "auto-replied"})
    own = at("message.received", 2, text="I'll transfer you the money and email you the receipt")
    rules = BriefRules(packs=RULES.packs)
    assert [announced_in(it, rules, "default") for it in (automatic, own)] == [(), ()]
