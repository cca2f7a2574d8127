"""One customer's journey through all four channels, sent in the vendors' own formats.

Event ids are fixed and times are relative to now. When you play the journey again, every event is a
duplicate and keeps its first time.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import smtplib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
from msgspec import Struct

from handoff.domain.errors import ConfigurationError
from handoff.domain.text.urls import split_url

ACCOUNT = "AC00000000000000000000000000000001"
ANONYMOUS = "7c0a1c9e-3f0b-4c35-9a3e-0f6d6f1f2a11"
CUSTOMER = {"name": "Anna Virtanen", "email": "anna.virtanen@example.com", "phone": "+358401234567"}
OUR_NUMBER = "+358942454000"


class DemoTargets(Struct, frozen=True, kw_only=True):
    """The addresses and secrets of the demo's sources."""

    url: str
    web_key: str
    chat_secret: str
    phone_token: str
    mail: str
    bot_token: str


class JourneyStep(Struct, frozen=True):
    """One line of the demo's output."""

    channel: str
    text: str


async def play(targets: DemoTargets) -> AsyncIterator[JourneyStep]:
    """Play the journey. Yields each step once the server has accepted it."""
    now = datetime.now(UTC)
    async with aiohttp.ClientSession() as session:
        yield await asyncio.to_thread(_on_the_web, targets, now)
        yield await _in_the_chat(session, targets, now)
        yield await _on_the_phone(session, targets, now)
        yield await asyncio.to_thread(_by_mail, targets, now)
        yield await _handed_over(session, targets)


def _on_the_web(targets: DemoTargets, now: datetime) -> JourneyStep:
    """Two help articles, a failing refund form and a login, sent with the Segment SDK."""
    try:
        from segment.analytics.client import Client
    except ImportError as error:
        raise ConfigurationError(
            "the demo needs the Segment SDK: pip install 'conversation-handoff[demo]'"
        ) from error

    failures: list[Exception] = []
    client = Client(
        targets.web_key,
        host=f"{targets.url}/in/shop-web",
        sync_mode=True,
        on_error=lambda error, _items: failures.append(error),
    )
    who: dict[str, Any] = {"anonymous_id": ANONYMOUS}

    def at(minutes: int) -> datetime:
        return now - timedelta(minutes=minutes)

    articles = (("Returns and refunds", "returns", 52), ("How long does a refund take?", "refund-time", 49))
    for number, (title, slug, minutes) in enumerate(articles):
        properties = {"title": title, "url": f"https://shop.example/help/{slug}", "path": f"/help/{slug}"}
        client.page(
            category="Help",
            name=title,
            properties=properties,
            timestamp=at(minutes),
            message_id=f"demo-article-{number}",
            **who,
        )
    client.track(
        event="Form Failed",
        properties={"form": "Refund request", "error": "Order A-1042 was not found"},
        timestamp=at(46),
        message_id="demo-form",
        **who,
    )
    client.identify("anna", traits=CUSTOMER, timestamp=at(44), message_id="demo-login", **who)
    if failures:
        raise ConfigurationError(f"the server rejected a web event: {failures[0]}")
    return JourneyStep(
        "web", "read two help articles, failed the refund form, logged in (segment-analytics-python)"
    )


async def _in_the_chat(session: aiohttp.ClientSession, targets: DemoTargets, now: datetime) -> JourneyStep:
    """A Chatwoot conversation with a bot, with Chatwoot signatures."""
    messages = (
        ("incoming", "My refund form can't find order A-1042. Where is my money?", 41),
        ("outgoing", "I can look up orders by number. Which order is it?", 41),
        ("incoming", "A-1042, I just gave you that. Please call me back instead.", 38),
    )
    for number, (kind, text, minutes) in enumerate(messages):
        created = now - timedelta(minutes=minutes, seconds=-number)
        await _chatwoot(session, targets, _message(number, kind, text, created))
    return JourneyStep("chat", "request a bot about order A-1042, then for a callback (Chatwoot, signed)")


def _message(number: int, kind: str, text: str, created: datetime) -> dict[str, Any]:
    person = {
        "id": 14,
        "identifier": "anna",
        "name": CUSTOMER["name"],
        "email": CUSTOMER["email"],
        "phone_number": None,
        "type": "contact",
    }
    bot = {"id": 3, "name": "Refund bot", "type": "agent_bot"}
    return {
        "event": "message_created",
        "id": 9000 + number,
        "account": {"id": 1, "name": "Shop"},
        "inbox": {"id": 2, "name": "Shop chat"},
        "message_type": kind,
        "content": text,
        "content_type": "text",
        "private": False,
        "created_at": _rfc3339(created),
        "sender": person if kind == "incoming" else bot,
        "conversation": {
            "id": 77,
            "inbox_id": 2,
            "status": "pending",
            "channel": "Channel::WebWidget",
            "contact_inbox": {"id": 5, "contact_id": 14, "source_id": "demo", "hmac_verified": True},
            "meta": {"sender": person, "hmac_verified": True, "assignee": None},
        },
    }


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def _chatwoot(session: aiohttp.ClientSession, targets: DemoTargets, payload: Mapping[str, Any]) -> None:
    body = json.dumps(payload, separators=(",", ":")).encode()
    stamp = str(int(datetime.now(UTC).timestamp()))
    signature = hmac.new(targets.chat_secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Chatwoot-Delivery": f"demo-{payload['id']}",
        "X-Chatwoot-Timestamp": stamp,
        "X-Chatwoot-Signature": f"sha256={signature}",
    }
    async with session.post(f"{targets.url}/in/shop-chat", data=body, headers=headers) as response:
        await _expect(response, "sending the chat message")


async def _expect(response: aiohttp.ClientResponse, what: str) -> Any:
    body = await response.read()
    if response.status >= 300:
        raise ConfigurationError(
            f"{what} failed with {response.status}: {body[:300].decode(errors='replace')}"
        )
    return json.loads(body) if body and response.content_type == "application/json" else None


async def _on_the_phone(session: aiohttp.ClientSession, targets: DemoTargets, now: datetime) -> JourneyStep:
    """A callback that the customer misses, with signed Twilio voice status callbacks."""
    requested_at, due = (_rfc3339(now - timedelta(minutes=minutes)) for minutes in (37, 20))
    request = {
        "identity": "user:anna",
        "phone": CUSTOMER["phone"],
        "reason": "Refund of order A-1042",
        "requested_at": requested_at,
        "due": due,
    }
    headers = {"Authorization": f"Bearer {targets.bot_token}"}
    callback = await _callback(session, targets, request, headers)
    statuses = (("initiated", 20), ("ringing", 20), ("no-answer", 19))
    for number, (status, minutes) in enumerate(statuses):
        at = now - timedelta(minutes=minutes, seconds=-number)
        await _twilio(session, targets, callback["status_query"], number, status, at)
    return JourneyStep("phone", "was promised a callback and missed it (Twilio voice status, signed)")


async def _callback(
    session: aiohttp.ClientSession,
    targets: DemoTargets,
    request: Mapping[str, Any],
    headers: Mapping[str, str],
) -> Any:
    """The journey's callback: created once, found when the demo runs again."""
    async with session.get(f"{targets.url}/v1/callbacks", headers=headers) as response:
        known = await _expect(response, "listing callbacks")
    for callback in known["callbacks"]:
        if callback["reason"] == request["reason"]:
            return callback
    async with session.post(f"{targets.url}/v1/callbacks", json=request, headers=headers) as response:
        return await _expect(response, "creating the callback")


async def _twilio(
    session: aiohttp.ClientSession, targets: DemoTargets, query: str, number: int, status: str, at: datetime
) -> None:
    url = f"{targets.url}/in/shop-phone?{query}"
    fields = {
        "AccountSid": ACCOUNT,
        "CallSid": "CA00000000000000000000000000000001",
        "CallStatus": status,
        "CallbackSource": "call-progress-events",
        "Direction": "outbound-api",
        "From": OUR_NUMBER,
        "To": CUSTOMER["phone"],
        "SequenceNumber": str(number),
        "Timestamp": format_datetime(at),
    }
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.new(targets.phone_token.encode(), signed.encode(), "sha1").digest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": base64.b64encode(digest).decode(),
    }
    async with session.post(url, data=urlencode(fields).encode(), headers=headers) as response:
        await _expect(response, "sending the call status")


def _by_mail(targets: DemoTargets, now: datetime) -> JourneyStep:
    """An email, sent over SMTP."""
    mail = EmailMessage()
    mail["From"] = f"{CUSTOMER['name']} <{CUSTOMER['email']}>"
    mail["To"] = "support@shop.example"
    mail["Subject"] = "Refund for order A-1042"
    mail["Date"] = format_datetime(now - timedelta(minutes=8))
    mail["Message-ID"] = "<demo-refund-a1042@example.com>"
    mail.set_content(
        "Hello,\n\nI have tried your web form and your chat, and I missed your call while I was\n"
        "driving. I returned order A-1042 three weeks ago and still wait for my 89 euros.\n\nAnna\n"
    )
    address = split_url(targets.mail)
    host, port = (address.host, address.port) if address else ("", None)
    with smtplib.SMTP(host or "127.0.0.1", port or 25, timeout=20) as smtp:
        smtp.send_message(mail)
    return JourneyStep("email", "wrote that she is still waiting for her money (SMTP)")


async def _handed_over(session: aiohttp.ClientSession, targets: DemoTargets) -> JourneyStep:
    """The bot hands the conversation over to a human."""
    body = {
        "identity": "user:anna",
        "from": {"channel": "chat", "party": "Refund bot"},
        "to": {"channel": "chat", "queue": "refunds"},
        "reason": "Refund missing for three weeks; the bot cannot find the order",
    }
    headers = {"Authorization": f"Bearer {targets.bot_token}"}
    async with session.post(f"{targets.url}/v1/handoffs", json=body, headers=headers) as response:
        handoff = await _expect(response, "requesting the handoff")
    return JourneyStep("chat", f"was handed over by the bot to the queue “refunds”: {handoff['id']}")
