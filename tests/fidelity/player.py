"""Plays journeys against a running server, through the real adapters."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp

from . import wire
from .journey import Journey, Played

Step = dict[str, Any]


class Player:
    """Plays one journey. Ids and addresses are made of the journey's name, so that a server can take many."""

    def __init__(self, http: aiohttp.ClientSession, url: str, mail_port: int, journey: Journey) -> None:
        self._http, self._url, self._mail_port = http, url, mail_port
        self.journey = journey
        digest = hashlib.sha256(journey.id.encode()).hexdigest()
        self.user = f"c-{digest[:12]}"
        self.email = f"{self.user}@example.com"
        self.phone = f"+35840{1_000_000 + int(digest, 16) % 8_999_999}"
        self._numbers = 10_000 + int(digest[:7], 16) * 100
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._mails: list[str] = []
        self._callback: dict[str, Any] | None = None
        self._calls = 0
        self._message_numbers: dict[str, int] = {}

    async def play(self) -> Played:
        """The context that the next agent gets at the journey's handoff."""
        for number, step in enumerate(self.journey.steps):
            act = STEPS[step["do"]]
            for _time in range(2 if step.get("again") else 1):
                await act(self, number, step)
        stated = self.journey.handoff
        handoff = await self._request(stated)
        path = f"/v1/handoffs/{handoff['id']}/context?limit=500"
        headers = {"Authorization": f"Bearer {wire.AGENT_TOKEN}"}
        async with self._http.get(self._url + path, headers=headers) as response:
            assert response.status == 200, await response.text()
            context = await response.json()
        return Played(journey=self.journey, context=context, handoff=handoff["id"])

    def _at(self, step: Step) -> datetime:
        return self._now - timedelta(minutes=float(step["at"]))

    async def _send(self, delivery: wire.Delivery) -> Any:
        async with self._http.post(
            self._url + delivery.path, data=delivery.body, headers=delivery.headers
        ) as response:
            body = await response.read()
            assert response.status < 300, (delivery.path, response.status, body)
            return await response.json() if response.content_type == "application/json" and body else None

    # --- web ---

    async def web(self, number: int, step: Step) -> None:
        anonymous = step.get("visitor", f"an-{self.user}")
        item: dict[str, Any] = {
            "messageId": f"{self.user}-{number}",
            "anonymousId": anonymous,
            "timestamp": wire.iso(self._at(step)),
        }
        if step["do"] == "web.identify":
            user = step.get("user", self.user)
            traits = {"name": self.journey.name, "email": self.email, "phone": self.phone}
            item |= {"type": "identify", "userId": user, "traits": step.get("traits", traits)}
        elif step["do"] == "web.page":
            item |= {"type": "page", "category": "Help", "properties": {"title": step["title"]}}
        else:
            if not step.get("before_login"):
                item["userId"] = self.user
            event, keys = WEB_EVENTS[step["do"]]
            item |= {"type": "track", "event": event}
            item["properties"] = {key: step[key] for key in keys if key in step}
        await self._send(wire.segment(item))

    # --- chat ---

    async def chat(self, number: int, step: Step) -> None:
        await self._send(wire.chatwoot(self._chat_payload(number, step)))

    def _chat_payload(self, number: int, step: Step) -> dict[str, Any]:
        contact = {"id": self._numbers, "name": self.journey.name, "identifier": self.user, "type": "contact"}
        kind = step["do"].partition(".")[2]
        thread = self._numbers + int(step.get("thread", 0))
        at = self._at(step)
        conversation = {
            "id": thread,
            "inbox_id": 2,
            "status": step.get("status", "open"),
            "channel": step.get("inbox", "Channel::WebWidget"),
            "contact_inbox": {"id": thread, "source_id": "x", "hmac_verified": True},
            "meta": {"sender": contact, "hmac_verified": True},
        }
        account = {"account": {"id": 1, "name": "Shop"}}
        if kind in ("status", "assign"):
            changed = (
                {"status": {"previous_value": "open", "current_value": step["to"]}}
                if kind == "status"
                else {"assignee_id": {"previous_value": None, "current_value": 5}}
            )
            if kind == "status":
                conversation["status"] = step["to"]
            else:
                conversation["meta"]["assignee"] = {"id": 5, "name": step["to"], "type": "user"}
            event = "conversation_status_changed" if kind == "status" else "conversation_updated"
            return {
                "event": event,
                **account,
                **conversation,
                "changed_attributes": [changed],
                "updated_at": at.timestamp(),
                "timestamp": int(at.timestamp()),
            }
        return {
            "event": "message_updated" if kind in ("edit", "delete") else "message_created",
            **account,
            **self._message(number, step, kind, contact),
            "inbox": {"id": 2, "name": "Shop chat"},
            "conversation": conversation,
        }

    def _message(self, number: int, step: Step, kind: str, contact: dict[str, Any]) -> dict[str, Any]:
        senders: dict[str, Any] = {
            "in": contact,
            "bot": {"id": 3, "name": step.get("by", "Shop bot"), "type": "agent_bot"},
            "agent": {"id": 5, "name": step.get("by", "Mia"), "type": "user"},
            "note": {"id": 5, "name": step.get("by", "Mia"), "type": "user"},
            "edit": contact,
            "delete": contact,
        }
        types = {"in": "incoming", "edit": "incoming", "delete": "incoming", "template": "template"}
        attributes: dict[str, Any] = {}
        text = step.get("text", "")
        if kind in ("edit", "delete"):
            attributes = {"edited": True} if kind == "edit" else {"deleted": True}
            text = text or "This message was deleted"
        mail: dict[str, Any] = {}
        if "mail" in step:  # what an email step sent, from the inbox of the chat platform
            id_ = self._mail_id(int(step["mail"]))
            email = {"message_id": id_, "subject": step.get("subject", ""), "from": [self.email]}
            mail = {"content_type": "incoming_email", "source_id": id_}
            attributes = {"email": email}
        original = number if kind not in ("edit", "delete") else int(step["of"])
        return {
            "id": self._numbers + original,
            "message_type": types.get(kind, "outgoing"),
            "content": text,
            "content_type": "text",
            "private": kind == "note",
            "created_at": wire.iso(self._at(self.journey.steps[original])),
            "updated_at": wire.iso(self._at(step)),
            "sender": senders.get(kind),
            "content_attributes": attributes,
            **mail,
            "attachments": [
                {"id": at, "file_type": "image", "data_url": f"https://files.example/{name}"}
                for at, name in enumerate(step.get("files", ()))
            ],
        }

    # --- phone ---

    async def call(self, number: int, step: Step) -> None:
        outbound = step["do"] == "phone.callback_call"
        query = self._callback["status_query"] if outbound and self._callback else ""
        ends = {"From": wire.OUR_NUMBER, "To": self.phone}
        if not outbound:
            far = step.get("number", self.phone)
            ends = {"From": far, "To": wire.OUR_NUMBER}
        at, seconds = self._at(step), int(step.get("seconds", 0))
        statuses = ["initiated", "ringing"] + (["in-progress"] if step["status"] == "completed" else [])
        for place, status in enumerate([*statuses, step["status"]]):
            fields = {
                "CallSid": f"CA{self.user}-{number}",
                "CallStatus": status,
                "Direction": "outbound-api" if outbound else "inbound",
                "SequenceNumber": str(place),
                "CallbackSource": "call-progress-events",
                "Timestamp": format_datetime(
                    at + timedelta(seconds=seconds if status == step["status"] else 0)
                ),
                **ends,
            }
            if status == "completed":
                fields["CallDuration"] = str(seconds)
                if "answered_by" in step:
                    fields["AnsweredBy"] = step["answered_by"]
            await self._send(wire.twilio(self._url, fields, query))

    async def transcript(self, number: int, step: Step) -> None:
        """Twilio's transcript of the message that the caller of step `of` left on the machine."""
        fields = {
            "CallSid": f"CA{self.user}-{step['of']}",
            "CallStatus": "completed",
            "Direction": "inbound",
            "From": self.phone,
            "To": wire.OUR_NUMBER,
            "RecordingSid": f"RE{self.user}-{step['of']}",
            "TranscriptionSid": f"TR{self.user}-{number}",
            "TranscriptionStatus": "completed",
            "TranscriptionText": step["text"],
        }
        await self._send(wire.twilio(self._url, fields))

    async def sentence(self, number: int, step: Step) -> None:
        """A sentence of the call in step `of`, transcribed while it lasts. It names no telephone number."""
        fields = {
            "CallSid": f"CA{self.user}-{step['of']}",
            "TranscriptionSid": f"GT{self.user}-{step['of']}",
            "TranscriptionEvent": "transcription-content",
            "TranscriptionData": json.dumps({"transcript": step["text"], "confidence": step["sure"]}),
            "Track": "inbound_track" if step["by"] == "customer" else "outbound_track",
            "Final": "true",
            "SequenceId": str(number),
            "LanguageCode": self.journey.language,
            "Timestamp": wire.iso(self._at(step)),
        }
        await self._send(wire.twilio(self._url, fields))

    async def derived(self, number: int, step: Step) -> None:
        """A transcript of the customer's newest message with a file, by a program of ours."""
        context = await self._send(wire.api("/v1/context", {"identities": [f"user:{self.user}"]}))
        touchpoints = context["timeline"]["touchpoints"]
        original = next(it["id"] for it in touchpoints if it["attachments"])
        body = {
            "id": f"{self.user}-{number}",
            "channel": "chat",
            "type": "text.derived",
            "occurred_at": wire.iso(self._at(step)),
            "identities": [f"user:{self.user}"],
            "text": step["text"],
            "language": self.journey.language,
            "data": {"of": original, "kind": "transcript", "by": step["by"], "confidence": step["sure"]},
        }
        await self._send(wire.api("/v1/touchpoints", body))

    async def sms(self, number: int, step: Step) -> None:
        sid = f"SM{self.user}-{number}"
        far = step.get("number", self.phone)
        await self._send(
            wire.twilio(
                self._url,
                {
                    "MessageSid": sid,
                    "SmsSid": sid,
                    "From": far,
                    "To": wire.OUR_NUMBER,
                    "Body": step["text"],
                    "NumMedia": "0",
                },
            )
        )

    async def callback(self, _number: int, step: Step) -> None:
        due = self._now - timedelta(minutes=float(step["due"]))
        body = {
            "identity": f"user:{self.user}",
            "phone": self.phone,
            "reason": step["reason"],
            "requested_at": wire.iso(self._at(step)),
            "due": wire.iso(due),
        }
        self._callback = await self._send(wire.api("/v1/callbacks", body))

    # --- mail ---

    async def mail(self, number: int, step: Step) -> None:
        outbound, headers = step["do"] == "email.out", dict(step.get("headers", {}))
        sender, to = f"{self.journey.name} <{step.get('sender', self.email)}>", wire.OUR_MAILBOX
        if outbound:
            sender, to = f"{step.get('by', 'Mia')} <mia@staff.example>", self.email
            if step.get("auto"):
                headers["Auto-Submitted"] = "auto-replied"
        else:
            passed = step.get("dmarc", "pass")
            headers["Authentication-Results"] = f"mx.shop.example; dmarc={passed} header.from=example.com"
        if step.get("reply") and self._mails:
            headers["In-Reply-To"] = headers["References"] = f"<{self._mails[-1]}>"
        mail = wire.Mail(
            sender=sender,
            to=to,
            subject=step.get("subject", ""),
            text=step["text"],
            at=self._at(step),
            message_id=self._mail_id(number),
            headers=headers,
            files=tuple(step.get("files", ())),
        )
        await asyncio.to_thread(wire.send_mail, self._mail_port, mail)
        self._mails.append(mail.message_id)

    def _mail_id(self, number: int) -> str:
        return f"{self.user}-{number}@mail.example"

    # --- our own API ---

    async def touchpoint(self, number: int, step: Step) -> None:
        body: dict[str, Any] = {
            "id": f"{self.user}-{number}",
            "channel": step.get("channel", "phone"),
            "type": step["type"],
            "occurred_at": wire.iso(self._at(step)),
            "identities": [f"user:{self.user}"],
            "text": step["text"],
            "data": dict(step.get("data", {})),
        }
        if "due" in step:
            body["data"]["due"] = wire.iso(self._now - timedelta(minutes=float(step["due"])))
        if "by" in step:
            body["actor"] = {"type": "agent", "name": step["by"]}
        await self._send(wire.api("/v1/touchpoints", body))

    async def handoff(self, _number: int, step: Step) -> None:
        handoff = await self._request(step)
        for action in ("accept", "decline", "complete", "release"):
            if action in step:
                stated = step[action]
                body = {"version": handoff["version"], **(stated if isinstance(stated, dict) else {})}
                handoff = await self._send(wire.api(f"/v1/handoffs/{handoff['id']}/{action}", body))

    async def _request(self, stated: Step) -> Any:
        channel = stated.get("channel", "chat")
        body: dict[str, Any] = {
            "identity": f"user:{self.user}",
            "from": {"channel": channel, "party": stated["from"]},
            "to": {"channel": stated.get("to_channel", channel), "queue": stated["to"]},
            "reason": stated["reason"],
        }
        if "context" in stated:
            body["context"] = stated["context"]
        return await self._send(wire.api("/v1/handoffs", body))


WEB_EVENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "web.search": ("Search", ("query", "results")),
    "web.form": ("Form Submitted", ("form", "fields")),
    "web.form_failed": ("Form Failed", ("form", "error", "fields")),
    "web.complaint": ("Complaint Submitted", ("text",)),
    "web.survey": ("Survey Answered", ("score", "out_of", "text")),
}

STEPS: dict[str, Callable[[Player, int, Step], Awaitable[None]]] = {
    "web.page": Player.web,
    "web.identify": Player.web,
    **dict.fromkeys(WEB_EVENTS, Player.web),
    **dict.fromkeys(
        (
            *("chat.in", "chat.bot", "chat.agent", "chat.note", "chat.template"),
            *("chat.edit", "chat.delete", "chat.status", "chat.assign"),
        ),
        Player.chat,
    ),
    "phone.call": Player.call,
    "phone.callback_call": Player.call,
    "phone.transcript": Player.transcript,
    "phone.sentence": Player.sentence,
    "phone.sms": Player.sms,
    "phone.callback": Player.callback,
    "email.in": Player.mail,
    "email.out": Player.mail,
    "api.touchpoint": Player.touchpoint,
    "api.derived": Player.derived,
    "api.handoff": Player.handoff,
}
"""The action of a journey's step -> how the player sends it."""


async def play_all(
    url: str,
    mail_port: int,
    journeys: list[Journey],
    at_once: int = 4,
    then: Callable[[Played], Awaitable[None]] | None = None,
) -> list[Played]:
    """Every journey, in an order that is always the same. `then` gets each one as soon as it was played."""
    slots = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession() as http:

        async def one(journey: Journey) -> Played:
            async with slots:
                played = await Player(http, url, mail_port, journey).play()
                if then:
                    await then(played)
                return played

        order = sorted(journeys, key=lambda it: random.Random(it.id).random())
        return list(await asyncio.gather(*(one(it) for it in order)))
