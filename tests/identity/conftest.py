"""A shop with every kind of source and its senders, over signed HTTP and SMTP."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import smtplib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from aiohttp import ClientSession

from handoff.bootstrap.server import Server
from handoff.store.store import Store
from tests import serving
from tests.api.conftest import Api, message
from tests.conftest import fresh_tenant, opened
from tests.samples import WEEK_AGO
from tests.store.servers import valkey_server

__all__ = ["Shop", "message"]

KEY = "a secret that every sender here knows"
SOURCES: list[dict[str, Any]] = [
    {"name": "web", "adapter": "web.segment", "trust": "server", "verified_traits": ["email", "phone"]},
    {"name": "forms", "adapter": "web.segment", "trust": "server", "default_region": "FI"},
    {"name": "browser", "adapter": "web.segment"},
    {"name": "web-fi", "adapter": "web.segment", "trust": "server", "user_space": "fi", "id_space": "fi"},
    {"name": "web-se", "adapter": "web.segment", "trust": "server", "user_space": "se", "id_space": "se"},
    {"name": "chat", "adapter": "chat.chatwoot"},
    {"name": "chat-b2b", "adapter": "chat.chatwoot", "id_space": "b2b"},
    {"name": "calls", "adapter": "phone.twilio", "default_region": "FI", "own": ["+358942454000"]},
    {
        "name": "mail",
        "adapter": "email.smtp",
        "listen": "127.0.0.1:0",
        "recipients": ["support@shop.example"],
        "trusted_authserv_ids": ["mx.shop.example"],
    },
]
SCOPES = ["touchpoints:write", "context:read", "handoffs:write", "links:write", "operate"]


class Shop(Api):
    """The running server, its senders, and an agent's desktop."""

    def __init__(self, server: Server, session: ClientSession, tenant: str, other: str) -> None:
        super().__init__(server, session, tenant, other)
        self._mail = server.listeners["mail"]
        self.events = 0

    def event(self) -> str:
        self.events += 1
        return f"event-{self.events}"

    async def web(self, type_: str, source: str = "web", **fields: Any) -> None:
        """A Segment call: `track`, `identify`, `page`, `alias`."""
        item = {"type": type_, "messageId": self.event(), "timestamp": f"{WEEK_AGO}T10:00:00Z", **fields}
        if type_ == "track":
            item.setdefault("event", "Looked around")
        token = base64.b64encode(f"{KEY}:".encode()).decode()
        await self._sent(
            f"/in/{source}/v1/{type_}", json.dumps(item).encode(), {"Authorization": f"Basic {token}"}
        )

    async def chat(
        self, contact: int, text: str, source: str = "chat", account: int = 1, **known: Any
    ) -> None:
        """A message of a Chatwoot contact."""
        person = {
            "id": contact,
            "identifier": None,
            "name": "Anna",
            "email": None,
            "type": "contact",
            **known,
        }
        event = self.event()
        body = {
            "event": "message_created",
            "id": int(event.partition("-")[2]),
            "account": {"id": account, "name": "Shop"},
            "inbox": {"id": 2, "name": "Chat"},
            "message_type": "incoming",
            "content": text,
            "content_type": "text",
            "private": False,
            "created_at": f"{WEEK_AGO}T10:05:00Z",
            "sender": person,
            "conversation": {
                "id": contact,
                "inbox_id": 2,
                "status": "open",
                "channel": "Channel::WebWidget",
                "contact_inbox": {"id": 5, "contact_id": contact, "source_id": "x", "hmac_verified": False},
                "meta": {"sender": person, "hmac_verified": False, "assignee": None},
            },
        }
        await self.chat_event(body, source)

    async def chat_event(self, body: Any, source: str = "chat") -> None:
        """A webhook of Chatwoot, signed."""
        raw, stamp = json.dumps(body).encode(), str(int(time.time()))
        signature = hmac.new(KEY.encode(), stamp.encode() + b"." + raw, "sha256").hexdigest()
        headers = {"X-Chatwoot-Timestamp": stamp, "X-Chatwoot-Signature": f"sha256={signature}"}
        await self._sent(f"/in/{source}", raw, headers)

    async def call_in(self, number: str, **fields: str) -> None:
        """A call from this number, as Twilio reports it."""
        form = {
            "AccountSid": "AC1",
            "CallSid": f"CA{self.event()}",
            "CallStatus": "ringing",
            "Direction": "inbound",
            "From": number,
            "To": "+358942454000",
            **fields,
        }
        await self._twilio(form)

    async def message_in(self, sender: str, text: str, **fields: str) -> None:
        """A text message, or with `whatsapp:` in the sender one on WhatsApp."""
        form = {"AccountSid": "AC1", "MessageSid": f"SM{self.event()}", "From": sender, "Body": text}
        await self._twilio({**form, "To": "+358942454000", **fields})

    async def gather(self, number: str, call: str, digits: str, query: str = "gather=continuity") -> None:
        """Digits that a caller entered."""
        form = {
            "AccountSid": "AC1",
            "CallSid": call,
            "CallStatus": "in-progress",
            "Direction": "inbound",
            "From": number,
            "To": "+358942454000",
            "Digits": digits,
        }
        await self._twilio(form, f"?{query}" if query else "")

    async def _twilio(self, form: dict[str, str], query: str = "") -> None:
        signed = f"{self.url}/in/calls{query}" + "".join(name + form[name] for name in sorted(form))
        digest = base64.b64encode(hmac.new(KEY.encode(), signed.encode(), "sha1").digest()).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": digest}
        await self._sent(f"/in/calls{query}", urlencode(form).encode(), headers)

    async def mail(
        self, sender: str, text: str, *above: str, to: str = "support@shop.example", **fields: str
    ) -> None:
        """A mail to support; `above` are fields that a mail server put on top."""
        named = {"From": sender, "To": "support@shop.example", "Subject": "Hello", **fields}
        named |= {"Message-ID": f"<{self.event()}.{self.tenant}@example.com>"}
        named |= {"Date": "Sat, 21 Nov 2026 12:10:00 +0200"}
        lines = [*above, *(f"{name}: {value}" for name, value in named.items()), "", text, ""]
        address = urlsplit(self._mail)

        def send() -> None:
            with smtplib.SMTP(address.hostname or "", address.port or 0, timeout=20) as smtp:
                smtp.sendmail("bounces@example.com", to, "\r\n".join(lines))

        await asyncio.to_thread(send)

    async def _sent(self, path: str, raw: bytes, headers: dict[str, str]) -> None:
        given = {"Content-Type": "application/json", **headers}
        answer = await self.call("POST", path, token=None, data=raw, headers=given)
        assert answer.status < 300, (answer.status, answer.raw)

    # --- The desktop --------------------------------------------------------------------------

    async def look_up(self, *identities: str | dict[str, str], **given: Any) -> Any:
        """`POST /v1/context`."""
        token = given.pop("token", "desk")
        return await self.ok("POST", "/v1/context", {"identities": list(identities), **given}, token=token)

    async def customer(self, identity: str) -> str:
        """The current id of the customer with this identity."""
        return str((await self.look_up(identity))["customer"]["id"])

    async def change(self, identity: str, path: str, body: Any, *, dry_run: bool = False) -> Any:
        query = "?dry_run=true" if dry_run else ""
        id_ = await self.customer(identity)
        return await self.ok(
            "POST", f"/v1/customers/{id_}/{path}{query}", {"reason": "confirmed by phone", **body}
        )

    async def link(self, identity: str, other: str, **given: Any) -> Any:
        return await self.change(identity, "links", {"identity": other}, **given)

    async def withdraw(self, identity: str, link: str, **given: Any) -> Any:
        return await self.change(identity, f"links/{link}/withdraw", {}, **given)

    async def split(self, identity: str, *out: str, **given: Any) -> Any:
        return await self.change(identity, "split", {"identities": list(out)}, **given)

    async def links(self, identity: str) -> Any:
        return (await self.ok("GET", f"/v1/customers/{await self.customer(identity)}/links"))["links"]


def texts_of(context: Any) -> list[str]:
    """The texts on a context's timeline, or types without a text; our own bookkeeping is left out."""
    return [
        it["text"] or it["type"]
        for it in context["timeline"]["touchpoints"]
        if not it["type"].startswith(("identity.", "handoff."))
    ]


def identities(context: Any) -> set[str]:
    """The customer's identities, written `type@space:value`."""
    return {written(it) for it in context["customer"]["identities"]}


def written(identity: Any) -> str:
    head = f"{identity['type']}@{identity['space']}" if identity["space"] else identity["type"]
    return f"{head}:{identity['value']}"


@asynccontextmanager
async def shop_on(url: str, **store: Any) -> AsyncIterator[Shop]:
    tenant, other = fresh_tenant(), fresh_tenant()
    tokens = [
        serving.token("desk", tenant, *SCOPES),
        {**serving.token("elsewhere", tenant, *SCOPES), "tenant": other},
        serving.token("bot", tenant, "context:read", audience="customer"),
        serving.token("officer", tenant, "privacy:write", "context:read"),
    ]
    sources = [
        {**source, "tenant": tenant} | ({} if source["adapter"] == "email.smtp" else {"secrets": [KEY]})
        for source in SOURCES
    ]
    chosen = serving.settings_for(url, tokens, sources=sources, store=store)
    async with serving.in_process(chosen) as (server, session):
        yield Shop(server, session, tenant, other)


@pytest.fixture(scope="session")
def quick() -> Any:
    """The URL of a Valkey without persistence, for tests that do not depend on it."""
    with valkey_server(appendonly="no") as url:
        yield url


@pytest.fixture
async def quick_store(quick: str) -> AsyncIterator[Store]:
    async with opened(quick) as store:
        yield store


@pytest.fixture
async def shop(valkey: str) -> AsyncIterator[Shop]:
    async with shop_on(valkey) as running_shop:
        yield running_shop
