"""The schema of brief lines lists every code and describes the lines of a running server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

import handoff
from handoff.api.description.brief_lines import BRIEF_CODES, BriefCode, brief_schemas, schema_name
from handoff.domain.brief import (
    RULES,
    CandidateWords,
    EarlierHandoff,
    Pending,
    TimelineItem,
    read_story,
    write_brief,
)
from handoff.domain.clock import DAY, HOUR
from handoff.domain.handoff import Hop, Party, State
from tests.api.conftest import Api, message
from tests.briefs import NOW, brief_of, item
from tests.briefs import RULES as RULES_OF_TESTS
from tests.frozen.names import frozen
from tests.journeys.journeys import NAMES, journey
from tests.samples import WEEK_AGO

NOT_LINES = {"complained"}
"""Frozen as codes, but used only inside the rules: no line has them."""
MESSAGES = json.loads((Path(handoff.__file__).parent / "panel" / "text" / "messages" / "en.json").read_text())
SECTIONS = ("why_now", "wants", "tried", "answered", "promised", "known", "feelings")


def places(template: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", template))


def params_of(entry: BriefCode) -> set[str]:
    return {*entry.params, *entry.optional}


def closed(code: str) -> dict[str, Any]:
    """The schema of a line that allows no params outside the table."""
    schema = json.loads(json.dumps(brief_schemas()[schema_name(code)]))
    schema["properties"]["params"]["additionalProperties"] = False
    return dict(schema)


def test_the_schema_has_every_frozen_brief_code_and_no_other() -> None:
    names = set(frozen()["brief codes"])
    assert set(BRIEF_CODES) == names - NOT_LINES


def test_the_schema_names_the_version_of_the_rules() -> None:
    lines = brief_schemas()["BriefLineByCode"]
    assert lines["x-rules"] == RULES
    assert [it["$ref"].rpartition("/")[2] for it in lines["oneOf"]] == [schema_name(it) for it in BRIEF_CODES]


@pytest.mark.parametrize("code", BRIEF_CODES)
def test_a_template_uses_params_of_its_line(code: str) -> None:
    entry = BRIEF_CODES[code]
    assert entry.section in SECTIONS
    assert places(entry.template) <= params_of(entry)
    Draft202012Validator.check_schema(closed(code))


def test_a_schema_refuses_lines_with_wrong_params() -> None:
    waiting = Draft202012Validator(closed("waiting"))
    good = {"code": "waiting", "params": {"since": "2026-01-15T09:30:00.000000Z", "minutes": 3}}
    assert waiting.is_valid(good)
    assert not waiting.is_valid({**good, "code": "said"})
    assert not waiting.is_valid({**good, "params": {"since": "2026-01-15T09:30:00.000000Z"}})
    assert not waiting.is_valid({**good, "params": {**good["params"], "mood": "calm"}})  # type: ignore[dict-item]


TOUCHPOINTS: list[dict[str, Any]] = [
    {"type": "article.viewed", "channel": "web", "data": {"title": "How refunds work"}},
    {"type": "search.performed", "channel": "web", "data": {"query": "refund", "results": 0}},
    {"type": "form.failed", "channel": "web", "data": {"form": "Returns", "error": "no such order"}},
    {
        "type": "form.submitted",
        "channel": "web",
        "data": {"form": "Returns", "fields": {"order": "A1", "pin": "1"}},
    },
    {"type": "message.sent", "direction": "outbound", "actor": "bot:helper", "text": "Try the form"},
    {"type": "call.ended", "channel": "phone", "direction": "inbound", "data": {"status": "no-answer"}},
    {"type": "message.failed", "direction": "outbound", "text": "Hello"},
    {"type": "handoff.declined", "data": {"state": "declined", "to": {"queue": "billing"}}},
    {
        "type": "callback.requested",
        "channel": "phone",
        "text": "About the refund",
        "data": {"callback": "c1"},
    },
    {"type": "callback.missed", "channel": "phone", "data": {"callback": "c1"}},
    {"type": "promise.made", "actor": "agent:ville", "text": "A refund by Friday", "data": {"due": "Friday"}},
    {"type": "survey.answered", "channel": "web", "text": "Slow", "data": {"score": 2, "out_of": 5}},
    {"type": "complaint.opened", "channel": "email", "text": "This takes too long"},
    {"type": "email.received", "channel": "email", "subject": "Refund", "text": "Where is my refund?"},
]


FROM_TOUCHPOINTS = {"handoff_requested", "ping_pong", "callback_missed", "form_failed", "survey", "complaint"}
"""Some of the codes of a brief about `TOUCHPOINTS`."""


async def test_the_lines_of_a_running_server_follow_the_schema(api: Api) -> None:
    for at, given in enumerate(TOUCHPOINTS):
        more = {"text": None, "occurred_at": f"{WEEK_AGO}T10:{at:02}:00Z", "thread": "t", **given}
        sent = {key: value for key, value in message(f"e{at}", **more).items() if value is not None}
        await api.ok("POST", "/v1/touchpoints", sent)
    asked = {"identity": "user:anna", "reason": "refund", "to": {"channel": "chat", "queue": "refunds"}}
    for agent in ("ann", "bob"):  # the third handoff for one reason is ping-pong
        made = await api.ok("POST", "/v1/handoffs", asked)
        await api.ok("POST", f"/v1/handoffs/{made['id']}/accept", {"version": 1, "agent": agent})
    made = await api.ok("POST", "/v1/handoffs", asked)
    brief = (await api.ok("GET", f"/v1/handoffs/{made['id']}/context"))["brief"]
    assert checked(brief) >= FROM_TOUCHPOINTS


def checked(brief: dict[str, Any]) -> set[str]:
    """The codes of a brief, whose lines follow the schema."""
    seen: set[str] = set()
    for section in SECTIONS:
        for line in brief[section]:
            code = line["code"]
            assert BRIEF_CODES[code].section == section, line
            problems = [it.message for it in Draft202012Validator(closed(code)).iter_errors(line)]
            assert not problems, (code, line["params"], problems)
            seen.add(code)
    return seen


def asked(minute: int, text: str, **more: Any) -> TimelineItem:
    return item("message.received", minute, text=text, **more)


def sent(minute: int, text: str, by: str = "agent", **more: Any) -> TimelineItem:
    return item("message.sent", minute, text=text, by=by, name="Mia", **more)


ASSIGNED = item("event.tracked", 5, data={"name": "conversation.assigned", "assignee": {"name": "Mia"}})
RESOLVED = item("conversation.resolved", 8, direction="internal")
TALK = item(
    "call.ended", 20, channel="phone", conversation="call", data={"status": "completed", "duration_s": 90}
)
TO = Party(channel="chat", queue="billing")
HOP = Hop(
    id="h1",
    sender=Party(agent="bot"),
    to=TO,
    reason="refund",
    requested_at=NOW - HOUR,
    ended_at=NOW - HOUR,
    waited_us=0,
    outcome=State.ACCEPTED,
)
PENDING = Pending(id="h2", reason="tax", sender="Mia", to="billing", requested_at=NOW, hops=(HOP,))
EARLIER = EarlierHandoff(
    id="h1",
    sender="bot",
    to="billing",
    reason="refund",
    state="accepted",
    requested_at=NOW,
    context={"pin": "1"},
)


def used(state: str, **mark: str) -> TimelineItem:
    """A message with a continuity code."""
    return asked(4, "Hello again", data={"continuity": {"state": state, **mark}})


WANTED = asked(1, "Where is my refund for A-17?")
AGAIN = asked(30, "Where is my refund for A-17?")
STORIES: dict[str, tuple[list[TimelineItem], dict[str, Any]]] = {
    "assigned": ([WANTED, ASSIGNED], {}),
    "bot_after_person": ([WANTED, ASSIGNED, sent(9, "Try the form", by="bot")], {}),
    "code_refused": ([WANTED, used("expired")], {}),
    "continues": ([WANTED, used("joined", since="2026-11-21T10:42:00Z", channel="chat")], {}),
    "complaint_candidate": ([asked(1, "This is unacceptable, I have been waiting for three weeks")], {}),
    "declined": ([WANTED, item("handoff.declined", 2, text="busy", data={"state": "requested"})], {}),
    "dormant": ([asked(1, "Where is my refund?", occurred_at=NOW - 40 * DAY)], {}),
    "given_back": ([WANTED, item("handoff.released", 3, text="not mine", data={"to": {"agent": "Mia"}})], {}),
    "handed_before": ([WANTED], {"pending": PENDING}),
    "handoff_ended": ([WANTED, item("handoff.completed", 3, text="Refunded", data={"reason": "refund"})], {}),
    "held": ([WANTED, sent(3, "One moment please")], {}),
    "noted": ([WANTED, item("note.added", 3, text="Paid twice", by="agent", name="Mia")], {}),
    "consent_withdrawn": (
        [item("consent.withdrawn", 3, channel="web", data={"purpose": "marketing"})],
        {},
    ),
    "passed_on": ([WANTED], {"handoffs": [EARLIER]}),
    "promise_candidate": ([WANTED, sent(3, "I will send the refund tomorrow.")], {}),
    "returned": (
        [WANTED, sent(5, "It is on its way."), RESOLVED, asked(30, "Where is my refund for A-17?")],
        {},
    ),
    "solved": ([WANTED, sent(5, "It is on its way."), RESOLVED], {}),
    "sent_files": ([item("message.received", 1, attachments=({"name": "receipt.pdf"},))], {}),
    "spoke": ([WANTED, TALK], {}),
    "callback_not_followed": ([WANTED, sent(3, "You will be called back shortly")], {}),
    "mail_not_followed": ([WANTED, sent(3, "I have sent you an e-mail with the form")], {}),
    "transfer_not_followed": ([WANTED, sent(3, "I will transfer you to a colleague")], {}),
    "unclear": (
        [WANTED, asked(2, "The invoice for B-22 is wrong", conversation="other"), TALK],
        {},
    ),
    "withdrawn": ([WANTED, item("handoff.withdrawn", 3, text="left")], {}),
}


@pytest.mark.parametrize("code", STORIES)
def test_the_lines_of_a_story_follow_the_schema(code: str) -> None:
    items, more = STORIES[code]
    assert code in checked(msgspec.to_builtins(brief_of(items, **more)))


def test_the_words_of_a_candidate_follow_the_schema() -> None:
    story, _state = read_story(
        [WANTED], now=NOW, rules=RULES_OF_TESTS, pending=None, handoffs=(), internal=True
    )
    story.candidates = [CandidateWords(item=asked(4, "A-17 is mine", assurance="claimed"), reference="A-17")]
    assert "candidate_words" in checked(msgspec.to_builtins(write_brief(story)))


def test_every_code_is_checked() -> None:
    seen = {"candidate_words"} | set(STORIES) | FROM_TOUCHPOINTS
    for name in NAMES:
        seen |= checked(msgspec.to_builtins(journey(name).brief()))
    assert seen == set(BRIEF_CODES)


@pytest.mark.parametrize("code", BRIEF_CODES)
def test_the_panel_renders_lines_from_the_same_params(code: str) -> None:
    added_by_the_panel = {"length", "time", "count", "state"}
    for name, text in MESSAGES.items():
        if name == f"line.{code}" or name.startswith(f"line.{code}."):
            for each in text.values() if isinstance(text, dict) else [text]:
                assert places(each) <= params_of(BRIEF_CODES[code]) | added_by_the_panel, (name, each)
