"""A real vendor's webhook: a signed message from Chatwoot, against a native touchpoint and against bare."""

from __future__ import annotations

import functools
import hashlib
import hmac
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from bench.contenders import Started, bare, ours
from bench.load import EACH, Target, request, write_templates
from bench.rounds import (
    FIGURES,
    Fresh,
    Lane,
    Settings,
    check_total,
    figures,
    how,
    interleaved,
    no_refusals,
    together,
    touchpoints,
)
from bench.table import Table

SECRET = "benchmark-webhook-secret"
ACCOUNT = 3
PATH = "/in/desk"
SOURCE = f"""
[[sources]]
name = "desk"
adapter = "chat.chatwoot"
secrets = ["{SECRET}"]
"""
LIKELY = 15_000.0  # requests per second that a server of one core does not reach
CHECKED = 5  # customers of each run that are counted
MESSAGE, CONTACT, EPOCH = 700_000_001, 500_000_001, 1_790_000_001
"""Numbers of the sample that each request has its own of."""


def measure(settings: Settings, directory: Path) -> Table:
    """Bare, native and vendor's requests in turn; the vendor's touchpoints are counted afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    templates = directory / "templates.jsonl"
    write_templates(templates)
    with together(
        {"bare": bare, "handoff": ours, "chatwoot": functools.partial(ours, more=SOURCE)}, directory
    ) as started:
        target = Target(port=started["chatwoot"].target.port, path=PATH)
        fire = Fresh(target, directory / "requests", functools.partial(signed_messages, target), 64, LIKELY)
        lanes = [
            Lane(key=key, name=name, started=started[key], fire=touchpoints(started[key], templates))
            for key, name in (("bare", "bare aiohttp, answers 204"), ("handoff", "handoff, native"))
        ]
        lanes.append(
            Lane(key="chatwoot", name="handoff, Chatwoot, signed", started=started["chatwoot"], fire=fire)
        )
        found = interleaved(lanes, settings)
        no_refusals("chatwoot", found["chatwoot"])
        for made in found["chatwoot"]:
            _check(started["chatwoot"], made.run, made.shot.requests)
    return Table(
        title="A vendor's webhook: one signed message per request, 64 connections",
        columns=("server", *FIGURES),
        rows=tuple((it.name, *figures(found[it.key], found["bare"])) for it in lanes),
        notes=(
            how(settings),
            f"a `message_created` of {len(_sample())} bytes with its conversation, contact and inbox; "
            f"HMAC-SHA256 over its time and body; {EACH} messages a contact, who states an email address "
            "and a phone number; fsync before every acknowledgement",
        ),
    )


def signed_messages(target: Target, run: int, numbers: Iterable[int]) -> Iterator[bytes]:
    """Signed messages with ids of their own, EACH of one contact."""
    stamp = str(int(time.time()))
    sample = _sample()
    head, _, _ = request(target, b"", _headers(stamp, b"0" * 64)).partition(b"Content-Length: 0")
    start, end = head.split(b"0" * 64)
    key = hmac.new(SECRET.encode(), stamp.encode() + b".", hashlib.sha256)
    message, contact = str(MESSAGE).encode(), str(CONTACT).encode()
    for number in numbers:
        body = sample.replace(message, b"%d" % (run * 10_000_000 + number))
        body = body.replace(contact, b"%d" % _contact(run, number))
        signed = key.copy()
        signed.update(body)
        signature = signed.hexdigest().encode()
        yield b"%s%s%sContent-Length: %d\r\n\r\n%s" % (start, signature, end, len(body), body)


def _headers(stamp: str, signature: bytes) -> list[tuple[str, str]]:
    return [
        ("X-Chatwoot-Timestamp", stamp),
        ("X-Chatwoot-Signature", f"sha256={signature.decode()}"),
        ("X-Chatwoot-Delivery", "5d0e6f0c-3c62-4a76-8f0a-3a1d4f0f8f55"),
        ("User-Agent", "rest-client/2.1.0"),
    ]


def _contact(run: int, number: int) -> int:
    return run * 10_000_000 + number // EACH


def _check(started: Started, run: int, requests: int) -> None:
    """Some contacts of a run have all their messages."""
    # The first request is made and not sent, and the last contacts' may be under way at the end.
    for place in range(1, min(CHECKED, requests // EACH - 64)):
        check_total(started, f"chatwoot.contact@{ACCOUNT}:{_contact(run, place * EACH)}", EACH)


def _sample() -> bytes:
    """A `message_created` as Chatwoot sends it for a message in its web widget."""
    contact = {
        "additional_attributes": {"city": "Turku", "country": "Finland", "country_code": "FI"},
        "custom_attributes": {"plan": "yearly"},
        "email": f"aino.{CONTACT}@mail.example",
        "id": CONTACT,
        "identifier": None,
        "name": "Aino Lehtonen",
        "phone_number": f"+358{CONTACT}",
        "thumbnail": "",
        "blocked": False,
    }
    source_id = f"8f9c2f34-6a5e-4be1-9d0c-{CONTACT}"
    text = "Where is my order? It was promised for Tuesday and the tracking page has not moved since."
    nested = {
        "id": MESSAGE,
        "content": text,
        "account_id": ACCOUNT,
        "inbox_id": 8,
        "conversation_id": CONTACT,
        "message_type": 0,
        "created_at": EPOCH,
        "updated_at": "2026-09-21T14:13:21.418Z",
        "private": False,
        "status": "sent",
        "source_id": None,
        "content_type": "text",
        "content_attributes": {},
        "sender_type": "Contact",
        "sender_id": CONTACT,
        "external_source_ids": {},
        "additional_attributes": {},
        "processed_message_content": text,
        "sentiment": {},
        "conversation": {
            "assignee_id": None,
            "unread_count": 2,
            "last_activity_at": EPOCH,
            "contact_inbox": {"source_id": source_id},
        },
        "sender": {**contact, "type": "contact"},
    }
    inbox = {
        "id": CONTACT,
        "contact_id": CONTACT,
        "inbox_id": 8,
        "source_id": source_id,
        "hmac_verified": False,
    }
    conversation = {
        "additional_attributes": {
            "browser": {"device_name": "Unknown", "browser_name": "Firefox", "platform_name": "Linux"},
            "referer": "https://shop.example/orders",
            "browser_language": "fi",
        },
        "can_reply": True,
        "channel": "Channel::WebWidget",
        "contact_inbox": {**inbox, "hmac_verified": False},
        "id": CONTACT,
        "inbox_id": 8,
        "messages": [nested],
        "labels": ["delivery"],
        "meta": {"sender": contact, "assignee": None, "team": None, "hmac_verified": False},
        "status": "open",
        "custom_attributes": {},
        "snoozed_until": None,
        "unread_count": 2,
        "first_reply_created_at": None,
        "priority": None,
        "waiting_since": EPOCH,
        "agent_last_seen_at": 0,
        "contact_last_seen_at": EPOCH,
        "timestamp": EPOCH,
        "created_at": EPOCH,
    }
    event = {
        "account": {"id": ACCOUNT, "name": "Shop"},
        "additional_attributes": {},
        "content_attributes": {},
        "content_type": "text",
        "content": text,
        "conversation": conversation,
        "created_at": "2026-09-21T14:13:21.418Z",
        "id": MESSAGE,
        "inbox": {"id": 8, "name": "Shop"},
        "message_type": "incoming",
        "private": False,
        "sender": {**contact, "account": {"id": ACCOUNT, "name": "Shop"}, "avatar": ""},
        "source_id": None,
        "event": "message_created",
    }
    return msgspec.json.encode(event)
