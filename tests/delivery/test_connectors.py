"""The brief arrives where the agent works, once, with the guarantees of every delivery."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.chat.chatwoot import ChatwootAdapter, ChatwootOptions
from handoff.bootstrap.settings import load_settings
from handoff.delivery.connectors.shapes import whole_number
from handoff.delivery.connectors.text import note_text, plain
from handoff.delivery.delivery import Delivery
from handoff.delivery.settings import ConnectorSettings, subscriptions_of
from handoff.domain.brief import Brief, Line
from handoff.domain.clock import SECOND
from handoff.domain.errors import ConfigurationError
from handoff.domain.handoff import Action, Handoff
from handoff.domain.identity import Assurance, Handle, Identity, parse_identity
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.adapter import InboundRequest
from handoff.services.completeness import Monitor
from handoff.services.contexts import conversations_of
from handoff.services.customers import by_key
from handoff.services.deliveries import DeliveryView, page
from handoff.services.desktops import Desktop
from handoff.services.measures import Measures
from handoff.services.recording import record
from handoff.services.subscriptions import read_all
from handoff.services.views import public_conversation
from handoff.store.store import Store
from tests.briefs import brief_of
from tests.delivery.conftest import Way, hook
from tests.delivery.desktops import AGENT, TOKEN, Vendor, chatwoot, zendesk
from tests.delivery.subscribers import Subscriber, subscriber, until, until_async

ROOT = Path(__file__).parents[2]
LOOPBACK: dict[str, Any] = {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
WORDS = "My bike [here](http://evil.example/x.png) has not come"


def notes(it: Vendor, **more: Any) -> ConnectorSettings:
    given = {"name": "desk", "kind": "chatwoot.note", "url": it.url, "token": TOKEN, "source": "chat"}
    return ConnectorSettings(**{**given, "account": "3", **LOOPBACK, **more})


def comments(it: Vendor, **more: Any) -> ConnectorSettings:
    given = {"name": "desk", "kind": "zendesk.comment", "url": it.url, "token": TOKEN, "source": "zendesk"}
    return ConnectorSettings(**{**given, "user": AGENT, **LOOPBACK, **more})


@asynccontextmanager
async def way_to(store: Store, *connectors: ConnectorSettings, hooks: Any = ()) -> AsyncIterator[Way]:
    measures, monitor = Measures(), Monitor(store, [])
    delivery = Delivery(
        store, monitor, measures, hooks, ["default"], "https://handoff.example", connectors=connectors
    )
    async with delivery.running():
        assert not [it for it in delivery.made_secrets if it.url in {c.url for c in connectors}]
        yield Way(store, delivery, measures, monitor)


async def written_in_chatwoot(store: Store, account: int = 3, conversation: int = 41) -> Identity:
    """A message as Chatwoot's webhook tells it, through the real adapter; the contact."""
    contact = secrets.randbelow(10**6)
    body = {
        "event": "message_created",
        "id": secrets.randbelow(10**6),
        "message_type": "incoming",
        "content": WORDS,
        "created_at": "2026-05-04T10:00:00.000Z",
        "account": {"id": account, "name": "Shop"},
        "sender": {"id": contact, "name": "Aino"},
        "conversation": {
            "id": conversation,
            "channel": "Channel::WebWidget",
            "meta": {"sender": {"id": contact, "name": "Aino"}},
        },
    }
    raw = json.dumps(body).encode()
    adapter = ChatwootAdapter(ChatwootOptions(name="chat", adapter="chat.chatwoot", allow_unsigned=True))
    now = await store.control("default").clock()
    parsed = adapter.parse(request_of(raw, now))
    assert [it.ok for it in await record(store, "default", parsed.touchpoints)] == [True]
    return parse_identity(f"chatwoot.contact@{account}:{contact}")


def request_of(raw: bytes, now: int) -> InboundRequest:
    return InboundRequest(
        method="POST",
        path="",
        url="https://handoff.example/in/chat",
        query=(),
        headers={},
        raw=raw,
        body=raw,
        received_at=now,
    )


async def on_thread(store: Store, source: str, thread: str | None, who: Identity | None = None) -> Identity:
    who = who or parse_identity(f"user:{secrets.token_hex(6)}")
    now = await store.control("default").clock()
    it = Touchpoint(
        id_space="tests",
        event_id=secrets.token_hex(8),
        source=source,
        channel="chat",
        type="message.received",
        occurred_at=now - 60 * SECOND,
        identities=(Handle(who, Assurance.VERIFIED),),
        direction=Direction.INBOUND,
        visibility=Visibility.PUBLIC,
        text=WORDS,
        thread=thread,
    )
    assert [one.ok for one in await record(store, "default", [it])] == [True]
    return who


async def log_of(way: Way) -> list[DeliveryView]:
    (it,) = await read_all(way.store, "default")
    return (await page(way.store, it, dead=False, limit=10, below=None)).deliveries


async def settled(way: Way, state: str) -> DeliveryView:
    async def found() -> bool:
        return any(it.state == state for it in await log_of(way))

    await until_async(found)
    return next(it for it in await log_of(way) if it.state == state)


def check_text(text: str, handoff: Handoff) -> None:
    lines = text.split("\n")
    assert lines[0] == "Hand-off requested: bot to support"
    assert lines[1] == "Reason: help"
    assert lines[2].startswith("To be answered by 20")
    assert lines[-2] == f"All of it: https://handoff.example/panel/#handoff={handoff.id}"
    assert lines[-1].startswith("(ev_")
    assert "Why now:" in lines
    assert "has not come" in text
    assert "](" not in text


async def test_chatwoot_gets_a_private_note_with_the_brief(store: Store) -> None:
    async with chatwoot() as desk:
        who = await written_in_chatwoot(store)
        async with way_to(store, notes(desk)) as way:
            handoff = await way.ask(identity=who)
            done = await settled(way, "delivered")
    (note,) = desk.notes
    assert note["in"] == {"account": "3", "conversation": "41"}
    assert (note["message_type"], note["private"], note["content_type"]) == ("outgoing", True, "text")
    check_text(note["content"], handoff)
    (wrote,) = desk.seen("POST")
    assert wrote.headers["api_access_token"] == TOKEN
    assert "webhook-signature" not in wrote.headers
    assert done.attempts[0].answer.startswith("note 900\n")


async def test_zendesk_gets_an_internal_comment_with_the_brief(store: Store) -> None:
    async with zendesk() as desk:
        who = await on_thread(store, "zendesk", "35436")
        async with way_to(store, comments(desk)) as way:
            handoff = await way.ask(identity=who)
            done = await settled(way, "delivered")
    (note,) = desk.notes
    assert note["in"] == {"ticket": "35436"}
    assert note["public"] is False
    check_text(note["body"], handoff)
    assert done.attempts[0].answer.startswith("note 7000\n")


async def test_the_ticket_that_the_requester_names_goes_before_the_thread(store: Store) -> None:
    async with zendesk() as desk:
        who = await on_thread(store, "zendesk", "35436")
        async with way_to(store, comments(desk)) as way:
            await way.ask(identity=who, context={"zendesk_ticket": 99})
            await until(lambda: desk.notes)
    assert desk.notes[0]["in"] == {"ticket": "99"}


async def test_an_error_is_tried_again_and_a_success_is_not(store: Store) -> None:
    async with chatwoot() as desk:
        desk.failures = [500, 503]
        who = await written_in_chatwoot(store)
        async with way_to(store, notes(desk, retry_schedule_s=[0.1, 0.1, 0.1])) as way:
            await way.ask(identity=who)
            done = await settled(way, "delivered")
    assert [it.status for it in done.attempts] == [500, 503, 200]
    assert (len(desk.notes), len(desk.seen("POST"))) == (1, 3)


@pytest.mark.parametrize("vendor", ["chatwoot", "zendesk"])
async def test_a_note_whose_answer_was_lost_is_not_written_again(store: Store, vendor: str) -> None:
    async with chatwoot() if vendor == "chatwoot" else zendesk() as desk:
        desk.lost = 1
        connector = notes if vendor == "chatwoot" else comments
        context = {"zendesk_ticket": "7"}
        who = await written_in_chatwoot(store)
        async with way_to(store, connector(desk, retry_schedule_s=[0.1, 0.1])) as way:
            await way.ask(identity=who, context=context)
            done = await settled(way, "delivered")
    assert len(desk.notes) == 1
    assert len(desk.seen("POST") + desk.seen("PUT")) == 1
    assert done.attempts[-1].answer.endswith("stands there already")


@pytest.mark.parametrize(
    "looks",
    [
        b"<html>",
        b'{"payload": null}',
        b'{"payload": [{"content": "cut',
        b'{"payload": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"payload": [{"id": "\xff"}]}',
    ],
    ids=["html", "no_list", "cut", "nested", "no_utf8"],
)
async def test_who_cannot_look_does_not_write(store: Store, looks: bytes) -> None:
    async with chatwoot() as desk:
        desk.looks = looks
        who = await written_in_chatwoot(store)
        async with way_to(store, notes(desk, retry_schedule_s=[0.1])) as way:
            await way.ask(identity=who)
            done = await settled(way, "dead")
    assert (done.reason, desk.notes) == ("exhausted: answer", [])


async def test_a_wrong_token_is_a_dead_letter_that_says_so(store: Store) -> None:
    async with chatwoot() as desk, subscriber() as operators:
        who = await written_in_chatwoot(store)
        async with way_to(store, notes(desk, token="another"), hooks=[told(operators)]) as way:
            await way.ask(identity=who)
            await until(lambda: operators.accepted)
    assert len(desk.requests) == 1
    (dead,) = [it.event for it in operators.accepted]
    assert dead["type"] == "webhook.dead"
    assert dead["data"]["message"]["reason"] == "refused: status_401"
    assert "another" not in json.dumps(dead)


def told(it: Subscriber) -> Any:
    return hook(it, types=["webhook.*"])


@pytest.mark.parametrize(
    "thread", [None, "not-a-number", "41/../42"], ids=["no_thread", "no_number", "no_way_out"]
)
async def test_a_handoff_without_a_thread_there_is_skipped_and_counted(
    store: Store, thread: str | None
) -> None:
    async with zendesk() as desk, subscriber() as operators:
        who = await on_thread(store, "zendesk", thread)
        connector = comments(desk)
        async with way_to(store, connector) as way:
            await way.ask(identity=who)
            done = await settled(way, "dead")
            assert done.reason == "skipped: no_thread"
            counted = way.measures.registry.get_sample_value
            name = [
                it.labels["subscription"]
                for metric in way.measures.registry.collect()
                for it in metric.samples
                if it.name == "handoff_webhook_messages_total" and it.labels["outcome"] == "skipped"
            ]
            labels = {"subscription": name[0], "outcome": "skipped"}
            assert counted("handoff_webhook_messages_total", labels) == 1
            (it,) = await read_all(store, "default")
            (state,) = await way.queue.states([it.id])
    assert (desk.requests, operators.received) == ([], [])
    assert (state.failures, state.enabled) == (0, True)


async def test_a_conversation_of_another_account_or_source_is_not_written_to(store: Store) -> None:
    async with chatwoot() as desk:
        elsewhere = await written_in_chatwoot(store, account=13)
        other = await on_thread(store, "chat", "41")
        async with way_to(store, notes(desk)) as way:
            for who in (elsewhere, other):
                await way.ask(identity=who)

            async def both() -> bool:
                return [it.state for it in await log_of(way)] == ["dead", "dead"]

            await until_async(both)
    assert desk.requests == []


async def test_the_note_goes_into_the_chat_that_a_call_goes_on_with(store: Store) -> None:
    async with chatwoot() as desk:
        who = await written_in_chatwoot(store, conversation=77)
        async with way_to(store, notes(desk)) as way:
            chat = await way.ask(identity=who)
            await way.do(chat, Action.ACCEPT)
            await on_thread(store, "phone", "call-1", who)
            customer = await by_key(store, "default", chat.home)
            call = next(
                it for it in await conversations_of(store, "default", customer) if it.thread == "call-1"
            )
            number = public_conversation(store.hashes("default"), call.id)
            await way.ask(conversation_id=number, previous=chat.conversation)
            await until(lambda: len(desk.notes) == 2)
    assert [it["in"]["conversation"] for it in desk.notes] == ["77", "77"]


async def test_only_what_is_asked_for_brings_a_note(store: Store) -> None:
    async with chatwoot() as desk:
        who = await written_in_chatwoot(store)
        async with way_to(store, notes(desk, on=["handoff.accepted"], queues=["support"])) as way:
            handoff = await way.ask(identity=who)
            await way.do(handoff, Action.ACCEPT)
            await until(lambda: desk.notes)
    (note,) = desk.notes
    assert note["content"].startswith("Hand-off accepted: bot to erik\nReason: help\nOwner: erik\n")


async def test_an_address_that_is_not_allowed_is_not_called(store: Store) -> None:
    async with chatwoot() as desk:
        who = await written_in_chatwoot(store)
        named = desk.url.replace("127.0.0.1", "localhost")
        closed = notes(desk, url=named, allow_networks=[], retry_schedule_s=[])
        async with way_to(store, closed) as way:
            await way.ask(identity=who)
            done = await settled(way, "dead")
    assert (done.reason, desk.requests) == ("exhausted: refused_address", [])


def test_the_documented_configuration_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")
    shipped = (ROOT / "config" / "handoff.toml").read_text(encoding="utf-8")
    commented = shipped[shipped.index("# [[connectors]]") :].replace("# ", "")
    (tmp_path / "zendesk-token").write_text("zt\n", encoding="utf-8")
    for text in (page.split("```toml\n")[1].split("```")[0], commented):
        file = tmp_path / "handoff.toml"
        file.write_text(text, encoding="utf-8")
        settings = load_settings(file, {"CHATWOOT_ACCESS_TOKEN": "ct"})
        wishes = [it.configured().wishes for it in settings.connectors]
        assert wishes[0].headers == {"api_access_token": "ct"}
        assert wishes[0].desktop == Desktop(kind="chatwoot.note", source="shop-chat", account="3")
        assert len(wishes) == page.count("[[connectors]]") or text is commented


def test_zendesk_takes_an_oauth_token_too() -> None:
    wishes = comments(Vendor(url="https://desk.example"), user=None).configured().wishes
    assert wishes.headers == {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"on": ["message.received"]}, "hand-off events"),
        ({"on": []}, "hand-off events"),
        ({"account": None}, "account"),
        ({"account": "3/../4"}, "account"),
        ({"user": "somebody"}, "user"),
        ({"url": "http://desk.example", "allow_insecure": False}, "https"),
        ({"token": "two\nlines"}, "ASCII"),
        ({"source": ""}, "source"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        notes(Vendor(url="https://desk.example"), **changes).configured()


@pytest.mark.parametrize("value", [True, -1, 10**20, 10**30, "1" * 21, "²", "4/1", "", None, 4.0, [4]])
def test_what_is_no_number_of_a_vendor_gets_into_no_path(value: object) -> None:
    assert whole_number(value) is None


def test_check_config_counts_and_names_the_entry_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "handoff.toml"
    hook = '[[webhooks]]\nurl = "https://a.example/"\n'
    desk = (
        '[[connectors]]\nname = "desk"\nkind = "chatwoot.note"\nurl = "https://chat.example"\n'
        'token = "t"\nsource = "shop-chat"\n'
    )
    file.write_text(hook + 'name = "x"\n' + hook + desk + 'account = "3"\n', encoding="utf-8")
    assert "2 webhooks, 1 connectors" in checked(file)
    file.write_text(hook + desk, encoding="utf-8")
    assert "connector 'desk': account" in checked(file)
    for text, said in (
        (hook + 'types = ["?"]\n', "webhook 'https://a.example/': '?'"),
        (hook + hook, "webhook 'https://a.example/' stands twice"),
    ):
        file.write_text(text, encoding="utf-8")
        settings = load_settings(file, {})
        with pytest.raises(ConfigurationError, match=re.escape(said)):
            subscriptions_of(settings.webhooks, settings.connectors)


def checked(file: Path) -> str:
    command = [sys.executable, "-m", "handoff.cli", "check-config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == bool(done.stderr)
    return done.stdout + done.stderr


def test_a_note_keeps_within_its_limit_and_says_what_it_cut() -> None:
    brief = brief_of([], now=0)
    assert note_text(["head"], brief, ["tail"], 1000).startswith("head\n")
    text = note_text(["head"], long_brief(40), ["tail"], 300)
    assert len(text) <= 300
    assert text.startswith("head\n")
    assert text.endswith("tail")
    assert "more lines in the panel" in text


def long_brief(count: int) -> Brief:
    line = Line(code="said", params={}, count=1, touchpoints=(), assurance="claimed", text="words " * 5)
    return msgspec.structs.replace(brief_of([], now=0), wants=(line,) * count)


def test_a_customers_words_are_one_line_without_markup() -> None:
    assert plain("a\n\nb\u2028 ![x](http://e) [y]: z [y][1]") == "a b ![x] (http://e) [y] : z [y] [1]"
