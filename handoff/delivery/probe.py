"""`handoff webhooks test URL`: send one signed test message and report the response. Needs no store."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from handoff.services.events.payloads import WebhookTest
from handoff.services.events.publishing import EVENT, StoredEvent
from handoff.services.webhooks.destinations import EgressPolicy, check_url, parse_networks
from handoff.services.webhooks.signing import check_key, make_key

from .messages import render
from .sender import Sender

_MEANINGS = {
    "timeout": "no response in time: respond first, then process the message",
    "refused_address": "the address is not public: allow its network for this subscription",
    "name": "the host name cannot be resolved",
    "tls": "the certificate is not trusted, or is for another name",
    "connect": "no server is listening at this address and port",
    "connection": "the connection closed before a response",
    "redirect": "redirects are not followed: subscribe with the final URL",
    "status_401": "the subscriber rejected the signature: check that it uses this secret",
    "status_403": "the subscriber rejected the signature: check that it uses this secret",
    "status_410": "410 disables the subscription immediately",
}


class Probe(Struct, frozen=True, kw_only=True):
    """The result. `secret` signed the message; `meaning` explains the result."""

    ok: bool
    status: int | None
    error: str | None
    latency_ms: float
    answer: str
    meaning: str
    secret: str
    message_id: str


async def probe(
    url: str,
    *,
    secret: str | None = None,
    allow_insecure: bool = False,
    allow_networks: Sequence[str] = (),
    sender: Sender | None = None,
) -> Probe:
    """Send one `webhook.test`. Raises Unprocessable if the URL, the secret or a network is invalid."""
    policy = EgressPolicy(networks=parse_networks(allow_networks), insecure=allow_insecure)
    target = check_url(url, policy)
    key = secret or make_key("v1")
    check_key(key)
    now = time.time_ns() // 1000
    event = StoredEvent(
        id=EVENT + secrets.token_urlsafe(16),
        type="webhook.test",
        subject="test",
        at=now,
        recorded_at=now,
        data=msgspec.json.encode(WebhookTest(message="This is a test.")),
        correlation="test",
    )
    async with sender or Sender() as client:
        outcome = await client.post(
            str(target),
            policy,
            message_id=event.id,
            body=render(event, "default"),
            keys=[key],
            headers={},
        )
    if outcome.ok:
        meaning = "delivered"
    else:
        meaning = _MEANINGS.get(outcome.reason, "the delivery would be retried on the retry schedule")
    return Probe(
        ok=outcome.ok,
        status=outcome.status,
        error=outcome.error,
        latency_ms=round(outcome.latency_s * 1000, 3),
        answer=outcome.answer.decode("utf-8", "replace"),
        meaning=meaning,
        secret=key,
        message_id=event.id,
    )
