"""A handoff by identity means the conversation in which the customer last asked for something."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.samples import WEEK_AGO

ANNA = "user:anna"
CHAT = "chatwoot.contact@1:7"


async def write(api: Api, event: str, minute: int, *who: str, **more: Any) -> str:
    """Record a touchpoint; the id of its conversation."""
    given = {"identities": list(who) or [ANNA], "occurred_at": f"{WEEK_AGO}T10:{minute:02}:00Z", **more}
    answer = await api.record(event, **given)
    read = await api.ok("GET", f"/v1/touchpoints/{answer['ids'][0]}")
    return str(read["conversation_id"])


async def hand_over(api: Api, identity: str = ANNA, channel: str = "phone") -> str:
    made = await api.ok(
        "POST",
        "/v1/handoffs",
        {
            "identity": identity,
            "from": {"channel": channel, "party": "bot"},
            "to": {"channel": "phone", "queue": "q"},
            "reason": "needs a person",
        },
    )
    return str(made["conversation_id"])


MAIL = {"channel": "email", "type": "email.received"}
OURS = {"channel": "email", "type": "email.sent", "direction": "outbound"}


@pytest.mark.parametrize("channel", ["phone", "email", "chat"])
async def test_our_own_outbound_message_is_not_what_the_customer_asked(api: Api, channel: str) -> None:
    asked = await write(api, "question", 0, thread="chat-1")
    await write(api, "newsletter", 10, thread="newsletter", **OURS)
    await write(api, "campaign", 20, thread="sms", channel="chat", type="message.sent", direction="outbound")
    assert await hand_over(api, channel=channel) == asked


async def test_only_our_own_messages_are_no_conversation_to_hand_over(api: Api) -> None:
    newsletter = await write(api, "newsletter", 10, thread="newsletter", **OURS)
    assert await hand_over(api, channel="email") != newsletter


async def test_pages_of_today_do_not_hide_the_question_of_yesterday(api: Api) -> None:
    asked = await write(api, "question", 0, thread="chat-1")
    await write(api, "page", 30, channel="web", type="page.viewed", thread="session-1")
    assert await hand_over(api, channel="web") == asked


async def test_an_automatic_reply_is_no_question(api: Api) -> None:
    asked = await write(api, "question", 0, thread="mail-1", **MAIL)
    await write(api, "newsletter", 5, thread="newsletter", **OURS)
    await write(api, "holiday", 10, thread="newsletter", channel="email", type="email.auto_replied")
    assert await hand_over(api, channel="email") == asked


async def test_a_note_and_a_system_entry_are_no_question(api: Api) -> None:
    asked = await write(api, "question", 0, thread="mail-1", **MAIL)
    note = {"type": "note.added", "visibility": "internal", "direction": "internal"}
    await write(api, "note", 10, thread="ticket-2", channel="chat", **note)
    assert await hand_over(api, channel="chat") == asked


async def test_what_waits_comes_before_what_was_answered_later(api: Api) -> None:
    waiting = await write(api, "question", 0, thread="chat-1", text="Where is my refund for order A-1001?")
    await write(api, "other", 10, thread="chat-2", text="Is order A-2002 paid?")
    answer = {"type": "message.sent", "direction": "outbound", "actor": {"type": "agent", "name": "Mia"}}
    await write(api, "answer", 12, thread="chat-2", text="Yes, A-2002 is paid.", **answer)
    assert await hand_over(api, channel="chat") == waiting


async def test_a_linked_handle_means_its_own_conversation(api: Api) -> None:
    """The bot in the widget knows only the contact; the customer also wrote from another window."""
    widget = await write(api, "in the widget", 0, CHAT, ANNA, thread="widget")
    app = await write(api, "in the app", 20, ANNA, thread="app")
    assert await hand_over(api, CHAT, channel="chat") == widget
    assert await hand_over(api, ANNA, channel="chat") == app


async def test_a_handle_without_a_question_means_the_customers(api: Api) -> None:
    asked = await write(api, "question", 0, ANNA, CHAT, thread="mail-1", **MAIL)
    assert await hand_over(api, CHAT, channel="chat") == asked


async def test_a_strangers_thread_is_passed_over(api: Api) -> None:
    """The newest mail names somebody else's thread: the customer's own question is meant."""
    asked = await write(api, "question", 0, ANNA, thread="mine", **MAIL)
    await write(api, "carl's", 5, "user:carl", thread="carls", **MAIL)
    theirs = await write(api, "in carl's thread", 10, ANNA, thread="carls", **MAIL)
    found = await hand_over(api, channel="email")
    assert found == asked
    assert found != theirs


async def test_a_resolved_conversation_is_not_handed_over_again(api: Api) -> None:
    asked = await write(api, "question", 0, thread="mail-1", **MAIL)
    done = await write(api, "done question", 5, thread="chat-1")
    await write(api, "resolved", 6, thread="chat-1", type="conversation.resolved", direction="internal")
    assert await hand_over(api, channel="chat") == asked
    assert asked != done
