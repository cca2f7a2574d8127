"""Connectors write the brief into the agents' desktop once, with the guarantees of every delivery."""

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

from handoff.adapter.contract import InboundRequest
from handoff.bootstrap.settings import load_settings
from handoff.delivery.connectors.shapes import whole_number
from handoff.delivery.connectors.text import note_text, plain
from handoff.delivery.delivery import DeliveryService
from handoff.delivery.settings import ConnectorSettings, subscriptions_of
from handoff.domain.brief import Brief, BriefLine
from handoff.domain.clock import SECOND
from handoff.domain.errors import ConfigurationError
from handoff.domain.handoff import Action, Handoff
from handoff.domain.identity import Assurance, Handle, Identity, parse_identity
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.context.completeness import Monitor
from handoff.services.context.history import conversations_of
from handoff.services.conversations.vendor_threads import Desktop
from handoff.services.customers.customer import by_key
from handoff.services.metrics import Measures
from handoff.services.timeline.recording import record
from handoff.services.timeline.views import public_conversation
from handoff.services.webhooks.deliveries import DeliveryView, page
from handoff.services.webhooks.subscriptions import read_all
from handoff.store.store import Store
from handoff_adapters.chat.chatwoot import ChatwootAdapter, ChatwootOptions
from tests.briefs import brief_of
from tests.delivery.conftest import Harness, webhook_for
from tests.delivery.subscribers import Subscriber, subscriber, until, until_async
from tests.delivery.vendors import AGENT, TOKEN, Vendor, chatwoot, zendesk

ROOT = Path(__file__).parents[2]
LOOPBACK: dict[str, Any] = {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
WORDS = "My bike [here](http://evil.example/x.png) has not come"


def chatwoot_notes(vendor: Vendor, **more: Any) -> ConnectorSettings:
    given = {"name": "agents", "kind": "chatwoot.note", "url": vendor.url, "token": TOKEN, "source": "chat"}
    return ConnectorSettings(**{**given, "account": "3", **LOOPBACK, **more})


def zendesk_comments(vendor: Vendor, **more: Any) -> ConnectorSettings:
    given = {
        "name": "agents",
        "kind": "zendesk.comment",
        "url": vendor.url,
        "token": TOKEN,
        "source": "zendesk",
    }
    return ConnectorSettings(**{**given, "user": AGENT, **LOOPBACK, **more})


@asynccontextmanager
async def delivering_to(
    store: Store, *connectors: ConnectorSettings, hooks: Any = ()
) -> AsyncIterator[Harness]:
    measures, monitor = Measures(), Monitor(store, [])
    delivery = DeliveryService(
        store, monitor, measures, hooks, ["default"], "https://handoff.example", connectors=connectors
    )
    async with delivery.running():
        assert not [it for it in delivery.made_secrets if it.url in {c.url for c in connectors}]
        yield Harness(store, delivery, measures, monitor)


async def written_in_chatwoot(store: Store, account: int = 3, conversation: int = 41) -> Identity:
    """Record a message through the real Chatwoot adapter; returns the contact."""
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
    touchpoint = Touchpoint(
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
    assert [one.ok for one in await record(store, "default", [touchpoint])] == [True]
    return who


async def log_of(harness: Harness) -> list[DeliveryView]:
    (subscription,) = await read_all(harness.store, "default")
    return (await page(harness.store, subscription, dead=False, limit=10, below=None)).deliveries


async def settled(harness: Harness, state: str) -> DeliveryView:
    async def found() -> bool:
        return any(it.state == state for it in await log_of(harness))

    await until_async(found)
    return next(it for it in await log_of(harness) if it.state == state)


def check_text(text: str, handoff: Handoff) -> None:
    lines = text.split("\n")
    assert lines[0] == "Handoff requested: bot to support"
    assert lines[1] == "Reason: help"
    assert lines[2].startswith("Answer by 20")
    assert lines[-2] == f"Full history: https://handoff.example/panel/#handoff={handoff.id}"
    assert lines[-1].startswith("(ev_")
    assert "Why now:" in lines
    assert "has not come" in text
    assert "](" not in text


async def test_chatwoot_gets_a_private_note_with_the_brief(store: Store) -> None:
    async with chatwoot() as vendor:
        who = await written_in_chatwoot(store)
        async with delivering_to(store, chatwoot_notes(vendor)) as harness:
            handoff = await harness.request(identity=who)
            done = await settled(harness, "delivered")
    (note,) = vendor.notes
    assert note["in"] == {"account": "3", "conversation": "41"}
    assert (note["message_type"], note["private"], note["content_type"]) == ("outgoing", True, "text")
    check_text(note["content"], handoff)
    (wrote,) = vendor.seen("POST")
    assert wrote.headers["api_access_token"] == TOKEN
    assert "webhook-signature" not in wrote.headers
    assert done.attempts[0].answer.startswith("note 900\n")


async def test_zendesk_gets_an_internal_comment_with_the_brief(store: Store) -> None:
    async with zendesk() as vendor:
        who = await on_thread(store, "zendesk", "35436")
        async with delivering_to(store, zendesk_comments(vendor)) as harness:
            handoff = await harness.request(identity=who)
            done = await settled(harness, "delivered")
    (note,) = vendor.notes
    assert note["in"] == {"ticket": "35436"}
    assert note["public"] is False
    check_text(note["body"], handoff)
    assert done.attempts[0].answer.startswith("note 7000\n")


async def test_the_requesters_ticket_takes_precedence_over_the_thread(store: Store) -> None:
    async with zendesk() as vendor:
        who = await on_thread(store, "zendesk", "35436")
        async with delivering_to(store, zendesk_comments(vendor)) as harness:
            await harness.request(identity=who, context={"zendesk_ticket": 99})
            await until(lambda: vendor.notes)
    assert vendor.notes[0]["in"] == {"ticket": "99"}


async def test_an_error_is_retried_and_a_success_is_not(store: Store) -> None:
    async with chatwoot() as vendor:
        vendor.failures = [500, 503]
        who = await written_in_chatwoot(store)
        async with delivering_to(store, chatwoot_notes(vendor, retry_schedule_s=[0.1, 0.1, 0.1])) as harness:
            await harness.request(identity=who)
            done = await settled(harness, "delivered")
    assert [it.status for it in done.attempts] == [500, 503, 200]
    assert (len(vendor.notes), len(vendor.seen("POST"))) == (1, 3)


@pytest.mark.parametrize("kind", ["chatwoot", "zendesk"])
async def test_a_note_whose_response_was_lost_is_not_written_again(store: Store, kind: str) -> None:
    async with chatwoot() if kind == "chatwoot" else zendesk() as vendor:
        vendor.lost = 1
        connector = chatwoot_notes if kind == "chatwoot" else zendesk_comments
        context = {"zendesk_ticket": "7"}
        who = await written_in_chatwoot(store)
        async with delivering_to(store, connector(vendor, retry_schedule_s=[0.1, 0.1])) as harness:
            await harness.request(identity=who, context=context)
            done = await settled(harness, "delivered")
    assert len(vendor.notes) == 1
    assert len(vendor.seen("POST") + vendor.seen("PUT")) == 1
    assert done.attempts[-1].answer.endswith("already exists")


@pytest.mark.parametrize(
    "listing",
    [
        b"<html>",
        b'{"payload": null}',
        b'{"payload": [{"content": "cut',
        b'{"payload": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"payload": [{"id": "\xff"}]}',
    ],
    ids=["html", "no_list", "cut", "nested", "not_utf8"],
)
async def test_an_unreadable_list_of_notes_prevents_writing(store: Store, listing: bytes) -> None:
    async with chatwoot() as vendor:
        vendor.listing = listing
        who = await written_in_chatwoot(store)
        async with delivering_to(store, chatwoot_notes(vendor, retry_schedule_s=[0.1])) as harness:
            await harness.request(identity=who)
            done = await settled(harness, "dead")
    assert (done.reason, vendor.notes) == ("exhausted: answer", [])


async def test_a_rejected_token_ends_dead_with_its_reason(store: Store) -> None:
    async with chatwoot() as vendor, subscriber() as operators:
        who = await written_in_chatwoot(store)
        async with delivering_to(
            store, chatwoot_notes(vendor, token="another"), hooks=[operator_webhook(operators)]
        ) as harness:
            await harness.request(identity=who)
            await until(lambda: operators.accepted)
    assert len(vendor.requests) == 1
    (dead,) = [it.event for it in operators.accepted]
    assert dead["type"] == "webhook.dead"
    assert dead["data"]["message"]["reason"] == "refused: status_401"
    assert "another" not in json.dumps(dead)


def operator_webhook(operators: Subscriber) -> Any:
    return webhook_for(operators, types=["webhook.*"])


@pytest.mark.parametrize("thread", [None, "not-a-number", "41/../42"], ids=["no_thread", "no_number", "path"])
async def test_a_handoff_without_a_thread_at_the_vendor_is_skipped_and_counted(
    store: Store, thread: str | None
) -> None:
    async with zendesk() as vendor, subscriber() as operators:
        who = await on_thread(store, "zendesk", thread)
        connector = zendesk_comments(vendor)
        async with delivering_to(store, connector) as harness:
            await harness.request(identity=who)
            done = await settled(harness, "dead")
            assert done.reason == "skipped: no_thread"
            counted = harness.measures.registry.get_sample_value
            name = [
                it.labels["subscription"]
                for metric in harness.measures.registry.collect()
                for it in metric.samples
                if it.name == "handoff_webhook_messages_total" and it.labels["outcome"] == "skipped"
            ]
            labels = {"subscription": name[0], "outcome": "skipped"}
            assert counted("handoff_webhook_messages_total", labels) == 1
            (subscription,) = await read_all(store, "default")
            (state,) = await harness.queue.states([subscription.id])
    assert (vendor.requests, operators.received) == ([], [])
    assert (state.failures, state.enabled) == (0, True)


async def test_conversations_of_other_accounts_or_sources_get_no_note(store: Store) -> None:
    async with chatwoot() as vendor:
        elsewhere = await written_in_chatwoot(store, account=13)
        other = await on_thread(store, "chat", "41")
        async with delivering_to(store, chatwoot_notes(vendor)) as harness:
            for who in (elsewhere, other):
                await harness.request(identity=who)

            async def both() -> bool:
                return [it.state for it in await log_of(harness)] == ["dead", "dead"]

            await until_async(both)
    assert vendor.requests == []


async def test_a_call_that_continues_a_chat_writes_into_that_chat(store: Store) -> None:
    async with chatwoot() as vendor:
        who = await written_in_chatwoot(store, conversation=77)
        async with delivering_to(store, chatwoot_notes(vendor)) as harness:
            chat = await harness.request(identity=who)
            await harness.move(chat, Action.ACCEPT)
            await on_thread(store, "phone", "call-1", who)
            customer = await by_key(store, "default", chat.home)
            call = next(
                it for it in await conversations_of(store, "default", customer) if it.thread == "call-1"
            )
            number = public_conversation(store.hashes("default"), call.id)
            await harness.request(conversation_id=number, previous=chat.conversation)
            await until(lambda: len(vendor.notes) == 2)
    assert [it["in"]["conversation"] for it in vendor.notes] == ["77", "77"]


async def test_only_configured_events_write_a_note(store: Store) -> None:
    async with chatwoot() as vendor:
        who = await written_in_chatwoot(store)
        async with delivering_to(
            store, chatwoot_notes(vendor, on=["handoff.accepted"], queues=["support"])
        ) as harness:
            handoff = await harness.request(identity=who)
            await harness.move(handoff, Action.ACCEPT)
            await until(lambda: vendor.notes)
    (note,) = vendor.notes
    assert note["content"].startswith("Handoff accepted: bot to erik\nReason: help\nOwner: erik\n")


async def test_an_address_outside_the_policy_is_not_called(store: Store) -> None:
    async with chatwoot() as vendor:
        who = await written_in_chatwoot(store)
        named = vendor.url.replace("127.0.0.1", "localhost")
        closed = chatwoot_notes(vendor, url=named, allow_networks=[], retry_schedule_s=[])
        async with delivering_to(store, closed) as harness:
            await harness.request(identity=who)
            done = await settled(harness, "dead")
    assert (done.reason, vendor.requests) == ("exhausted: refused_address", [])


def test_the_documented_configuration_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")
    shipped = (ROOT / "config" / "handoff.toml").read_text(encoding="utf-8")
    commented = shipped[shipped.index("# [[connectors]]") :].split("\n\n")[0].replace("# ", "")
    (tmp_path / "zendesk-token").write_text("zt\n", encoding="utf-8")
    (tmp_path / "zendesk-token").chmod(0o600)
    for text in (page.split("```toml\n")[1].split("```")[0], commented):
        file = tmp_path / "handoff.toml"
        file.write_text(text, encoding="utf-8")
        settings = load_settings(file, {"CHATWOOT_ACCESS_TOKEN": "ct"})
        specs = [it.configured().wishes for it in settings.connectors]
        assert specs[0].headers == {"api_access_token": "ct"}
        assert specs[0].desktop == Desktop(kind="chatwoot.note", source="shop-chat", account="3")
        assert len(specs) == page.count("[[connectors]]") or text is commented


def test_zendesk_accepts_an_oauth_token() -> None:
    spec = zendesk_comments(Vendor(url="https://vendor.example"), user=None).configured().wishes
    assert spec.headers == {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"on": ["message.received"]}, "on must list"),
        ({"on": []}, "on must list"),
        ({"account": None}, "account"),
        ({"account": "3/../4"}, "account"),
        ({"user": "somebody"}, "user"),
        ({"url": "http://vendor.example", "allow_insecure": False}, "https"),
        ({"token": "two\nlines"}, "ASCII"),
        ({"source": ""}, "source"),
    ],
)
def test_an_invalid_configuration_names_the_problem(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        chatwoot_notes(Vendor(url="https://vendor.example"), **changes).configured()


@pytest.mark.parametrize("value", [True, -1, 10**20, 10**30, "1" * 21, "²", "4/1", "", None, 4.0, [4]])
def test_an_invalid_vendor_id_never_reaches_a_path(value: object) -> None:
    assert whole_number(value) is None


def test_check_config_counts_entries_and_names_the_invalid_one(tmp_path: Path) -> None:
    file = tmp_path / "handoff.toml"
    hook = '[[webhooks]]\nurl = "https://a.example/"\n'
    connector = (
        '[[connectors]]\nname = "notes"\nkind = "chatwoot.note"\nurl = "https://chat.example"\n'
        'token = "t"\nsource = "shop-chat"\n'
    )
    file.write_text(hook + 'name = "x"\n' + hook + connector + 'account = "3"\n', encoding="utf-8")
    assert "2 webhooks, 1 connectors" in checked(file)
    file.write_text(hook + connector, encoding="utf-8")
    assert "handoff.toml:3: connectors[0].account: account is required" in checked(file)
    for text, message in (
        (hook + 'types = ["?"]\n', "webhook 'https://a.example/': '?'"),
        (hook + hook, "webhook 'https://a.example/': duplicate URL"),
    ):
        file.write_text(text, encoding="utf-8")
        settings = load_settings(file, {})
        with pytest.raises(ConfigurationError, match=re.escape(message)):
            subscriptions_of(settings.webhooks, settings.connectors)


def checked(file: Path) -> str:
    command = [sys.executable, "-m", "handoff.cli", "check-config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == bool(done.stderr)
    return done.stdout + done.stderr


def test_a_note_keeps_its_limit_and_counts_what_it_cut() -> None:
    brief = brief_of([], now=0)
    assert note_text(["head"], brief, ["tail"], 1000).startswith("head\n")
    text = note_text(["head"], long_brief(40), ["tail"], 300)
    assert len(text) <= 300
    assert text.startswith("head\n")
    assert text.endswith("tail")
    assert "more lines in the panel" in text


def long_brief(count: int) -> Brief:
    line = BriefLine(code="said", params={}, count=1, touchpoints=(), assurance="claimed", text="words " * 5)
    return msgspec.structs.replace(brief_of([], now=0), wants=(line,) * count)


def test_a_customers_text_becomes_one_line_without_markup() -> None:
    assert plain("a\n\nb\u2028 ![x](http://e) [y]: z [y][1]") == "a b ![x] (http://e) [y] : z [y] [1]"
