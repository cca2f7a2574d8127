"""Deliveries in the wire formats of the vendors, signed as the vendors sign them."""

from __future__ import annotations

import base64
import hmac
import json
import smtplib
import time
import urllib.parse
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from msgspec import Struct

WEB_KEY = "fidelity-web-key-000000"
CHAT_SECRET = "fidelity-chat-secret-000"
PHONE_TOKEN = "fidelity-phone-token-000"
AGENT_TOKEN = "fidelity-desk-token-0000"
OUR_NUMBER = "+358942454000"
OUR_MAILBOX = "support@shop.example"

CONFIG = f"""
[store]
durability = "everysec"

[[sources]]
name = "web"
adapter = "web.segment"
secrets = ["{WEB_KEY}"]
trust = "server"
verified_traits = ["email", "phone"]
default_region = "FI"

[[sources]]
name = "chat"
adapter = "chat.chatwoot"
secrets = ["{CHAT_SECRET}"]
default_region = "FI"

[[sources]]
name = "phone"
adapter = "phone.twilio"
secrets = ["{PHONE_TOKEN}"]
own = ["{OUR_NUMBER}"]
default_region = "FI"

[[sources]]
name = "mail"
adapter = "email.smtp"
listen = "127.0.0.1:MAIL_PORT"
recipients = ["@shop.example"]
trusted_authserv_ids = ["mx.shop.example"]
own = ["@staff.example"]

[[tokens]]
name = "desk"
scopes = ["context:read", "handoffs:write", "callbacks:write", "touchpoints:write", "links:write"]
secret = "{AGENT_TOKEN}"
"""


class Delivery(Struct, frozen=True, kw_only=True):
    """One HTTP request as a vendor or a desktop makes it. `path` includes the query."""

    path: str
    body: bytes
    headers: dict[str, str]


def iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def segment(item: dict[str, Any]) -> Delivery:
    key = base64.b64encode(f"{WEB_KEY}:".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {key}"}
    return Delivery(path="/in/web/v1/batch", body=_json({"batch": [item]}), headers=headers)


def chatwoot(payload: dict[str, Any]) -> Delivery:
    body, stamp = _json(payload), str(int(time.time()))
    signature = hmac.new(CHAT_SECRET.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Chatwoot-Timestamp": stamp,
        "X-Chatwoot-Signature": f"sha256={signature}",
    }
    return Delivery(path="/in/chat", body=body, headers=headers)


def twilio(url: str, fields: dict[str, str], query: str = "") -> Delivery:
    """`url` is the server's own, which Twilio signs with the path and the query."""
    path = "/in/phone" + (f"?{query}" if query else "")
    stated = {"AccountSid": "AC" + "0" * 31 + "1", **fields}
    signed = url + path + "".join(key + stated[key] for key in sorted(stated))
    signature = base64.b64encode(hmac.new(PHONE_TOKEN.encode(), signed.encode(), "sha1").digest()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
    return Delivery(path=path, body=urllib.parse.urlencode(stated).encode(), headers=headers)


def api(path: str, body: dict[str, Any]) -> Delivery:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {AGENT_TOKEN}"}
    return Delivery(path=path, body=_json(body), headers=headers)


class Mail(Struct, frozen=True, kw_only=True):
    """One mail as its sender's server hands it over."""

    sender: str
    to: str
    subject: str
    text: str
    at: datetime
    message_id: str
    headers: dict[str, str]
    files: tuple[str, ...] = ()


def send_mail(port: int, mail: Mail) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = mail.sender, mail.to, mail.subject
    message["Date"], message["Message-ID"] = format_datetime(mail.at), f"<{mail.message_id}>"
    for name, value in mail.headers.items():
        message[name] = value
    message.set_content(mail.text)
    for name in mail.files:
        message.add_attachment(b"the file", maintype="application", subtype="octet-stream", filename=name)
    envelope = mail.sender.rpartition("<")[2].rstrip(">")
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as session:
        session.sendmail(envelope, [OUR_MAILBOX], message.as_bytes(policy=SMTP))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
