"""Card numbers and codes in deliveries as vendors send them: recorded, and masked in everything kept."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import smtplib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from handoff.codec.compression import KNOWN, decompress
from tests import serving
from tests.api.conftest import Api
from tests.conftest import fresh_tenant
from tests.delivery.subscribers import until
from tests.store.servers import Server

from .numbers import readable
from .test_canaries import (
    Canaries,
    Subscriber,
    configuration,
    everything_in,
    free_port,
    logged,
    read_back,
    running_store,
    subscriber,
)

__all__ = ["running_store", "subscriber"]

CODE = re.compile(rb"(?i)(?:cvv|cvc|security code|sicherheitscode)\W{0,3}[0-9]{3}")
"""A card code that can be read beside its name."""
SENT = "My card: {}, exp 11/29, CVV 837"
NUMBER, MAIL = "+358401234567", "anna@mail.example"


async def by_chatwoot(api: Api, canary: Canaries) -> None:
    """Messages of a visitor and an agent, a note, an edit, attachments, attributes, a mail of an inbox."""
    contact = {"id": 7, "name": f"Anna {canary.spaced()}", "email": MAIL, "type": "contact"}
    conversation = {
        "id": 41,
        "channel": "Channel::WebWidget",
        "status": "open",
        "meta": {"sender": contact},
        "additional_attributes": {
            "mail_subject": canary.spaced(),
            "referer": f"https://x/?pan={canary.solid()}",
        },
        "custom_attributes": {"card": canary.solid()},
    }

    async def send(id_: int, event: str = "message_created", **more: Any) -> None:
        body = {
            "event": event,
            "id": id_,
            "message_type": "incoming",
            "content": SENT.format(canary.spaced()),
            "created_at": f"2026-11-21T10:00:{id_:02d}.000Z",
            "account": {"id": 3, "name": "Shop"},
            "sender": contact,
            "conversation": conversation,
            **more,
        }
        raw, media = io.BytesIO(msgspec.json.encode(body)), {"Content-Type": "application/json"}
        assert (await api.post("/in/chat", data=raw, token=None, headers=media)).status == 200

    await send(1)
    await send(2, message_type="outgoing", sender={"id": 1, "name": "Mia", "type": "user"})
    await send(3, message_type="outgoing", private=True, sender={"id": 1, "name": "Mia", "type": "user"})
    await send(1, "message_updated", content=f"edited: {SENT.format(canary.spaced())}")
    file = {"id": 1, "file_type": "file", "data_url": f"https://x/{canary.solid()}.pdf"}
    await send(4, content=None, attachments=[file])
    split = canary.solid()
    await send(5, content=f"it is {split[:12]}")
    await send(6, content=f"{split[12:]} cvc 837")
    await send(7, content=f"<p>{canary.spaced().replace(' ', '</b>&nbsp;<b>')}</p> security code: 837")
    await send(8, content_attributes={"email": {"subject": canary.spaced(), "text_content": canary.spaced()}})


async def by_twilio(api: Api, canary: Canaries) -> None:
    """SMS, WhatsApp, and calls, with everything that a caller can type and say."""

    async def send(**form: str) -> None:
        raw = io.BytesIO(urlencode(form).encode())
        media = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await api.post("/in/phone", data=raw, token=None, headers=media)).status in (200, 204)

    ends = {"From": NUMBER, "To": "+358401230000", "AccountSid": "AC" + "1" * 32}
    await send(MessageSid="SM" + "1" * 32, Body=SENT.format(canary.spaced()), **ends)
    await send(
        MessageSid="SM" + "2" * 32, Body=f"{canary.solid()} cvv:837", ProfileName=canary.spaced(), **ends
    )
    media = {"NumMedia": "1", "MediaUrl0": f"https://x/{canary.solid()}", "MediaContentType0": "image/png"}
    await send(MessageSid="MM" + "3" * 32, Body="photo", **media, **ends)
    whatsapp = {name: f"whatsapp:{it}" if it.startswith("+") else it for name, it in ends.items()}
    await send(MessageSid="SM" + "4" * 32, Body=SENT.format(canary.spaced()), **whatsapp)
    call = {"CallSid": "CA" + "1" * 32, "Direction": "inbound", **ends}
    await send(CallStatus="ringing", CallerName=canary.spaced(), **call)
    await send(
        CallStatus="in-progress", Digits=canary.solid(), SpeechResult=SENT.format(canary.spaced()), **call
    )
    await send(CallStatus="in-progress", TranscriptionText=SENT.format(canary.spaced()), **call)
    await send(CallStatus="completed", CallDuration="7", RecordingUrl=f"https://x/{canary.solid()}", **call)


def by_mail(port: int, canary: Canaries) -> None:
    """Plain, HTML, quoted-printable, and base64 parts, an attachment, headers, and a quoted mail."""
    html = canary.spaced().replace(" ", "&nbsp;")
    quoted = canary.spaced().replace(" ", "=20")
    encoded = base64.encodebytes(SENT.format(canary.spaced()).encode()).decode()
    as_quoted = "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    parts = (
        f"Content-Type: text/plain\r\n\r\n{SENT.format(canary.spaced())}\r\n> then: {canary.spaced()}\r\n",
        f"Content-Type: text/html\r\n\r\n<p>{html}</p><p>CVV&nbsp;837</p>\r\n",
        f"{as_quoted}again {quoted}=\r\n.\r\n",
        f"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}",
        f'Content-Type: application/pdf; name="{canary.solid()}.pdf"\r\n\r\nx\r\n',
    )
    head = (
        f'From: "Anna {canary.spaced()}" <{MAIL}>\r\nTo: support@shop.example\r\n'
        f"Subject: {SENT.format(canary.spaced())}\r\nMessage-ID: <{canary.solid()}@mail.example>\r\n"
        "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    )
    for kind in ("mixed", "alternative"):
        body = "".join(f"--b\r\n{it}\r\n" for it in parts)
        raw = head.replace("Message-ID: <", f"Message-ID: <{kind}.")
        raw += f"Content-Type: multipart/{kind}; boundary=b\r\n\r\n{body}--b--\r\n"
        with smtplib.SMTP("127.0.0.1", port, local_hostname="sender.example", timeout=15) as sender:
            sender.sendmail(MAIL, ["support@shop.example"], raw.encode())


async def by_shared_identity(api: Api, canary: Canaries) -> None:
    """A mailbox of several people: its candidates' words are in the pinned context of a handoff."""
    mailbox = "email:desk@shop.example"
    for who in ("user:anna", "user:bert"):
        identities = [who, {"type": "email", "value": "desk@shop.example", "assurance": "verified"}]
        await api.record(f"with-{who}", identities=identities, text=SENT.format(canary.spaced()))
    await api.ok("POST", "/v1/identities/shared", {"identity": mailbox, "reason": canary.spaced()})
    await api.record(
        "shared", identities=[mailbox], text=SENT.format(canary.spaced()), subject=canary.spaced()
    )
    handoff = {"identity": mailbox, "to": {"queue": "sales"}, "reason": SENT.format(canary.spaced())}
    made = await api.ok("POST", "/v1/handoffs", {**handoff, "context": {"note": canary.solid()}})
    snapshot = (await api.get(f"/v1/handoffs/{made['id']}/snapshot")).raw
    assert b"CVV ***" in snapshot


def whole(raw: bytes) -> Iterator[bytes]:
    """A stored value, and what is compressed in it."""
    yield raw
    for at in range(min(len(raw), 96)):
        if raw[at] in KNOWN:
            try:
                yield decompress(raw[at], raw[at + 1 :])
            except Exception:
                continue


@pytest.mark.timeout(240)
async def test_no_vendor_delivery_leaves_a_card_number_or_code(
    running_store: Server, subscriber: tuple[str, Subscriber]
) -> None:
    canary, mail = Canaries(), free_port()
    hook, receiver = subscriber
    tenant, other = fresh_tenant(), fresh_tenant()
    with logged() as log:
        chosen = configuration(running_store.url, tenant, other, mail, hook)
        async with serving.in_process(chosen) as (running, session):
            api = Api(running, session, tenant, other)
            await api.record("first")
            await by_chatwoot(api, canary)
            await by_twilio(api, canary)
            await asyncio.to_thread(by_mail, mail, canary)
            await by_shared_identity(api, canary)
            await until(lambda: sum(b"message.received" in it for it in receiver.bodies) >= 6)
            who = ("chatwoot.contact@3:7", f"phone:{NUMBER}", f"email:{MAIL}")
            contexts = {it: await api.context(it, limit=200) for it in who}
            quarantined = (await api.ok("GET", "/v1/quarantine"))["items"]
            stored = (await everything_in(running_store, api)).values()
            seen = {"store": b"\n".join(it for raw in stored for it in whole(raw))}
            seen |= {"webhooks": b"\n".join(receiver.bodies), "answers": b"\n".join(await read_back(api))}
            seen["contexts"] = msgspec.json.encode(contexts)
    seen["log"] = log.getvalue().encode()
    assert quarantined == [], "the deliveries are the vendors' own"
    assert [len(it["timeline"]["touchpoints"]) >= 2 for it in contexts.values()] == [True] * 3
    assert seen["contexts"].count(b"CVV ***") >= 3
    assert len(canary.numbers) >= 40
    for place, content in seen.items():
        text = content.decode("latin-1")
        plain = readable(text)
        found = [it for it in canary.numbers if it in text or it in plain]
        assert found == [], (place, found, [canary.numbers.index(it) for it in found])
        assert CODE.findall(content) == [], place
