"""What operators and originators are told when messages cannot be delivered; never about such news itself."""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.domain.clock import SECOND, format_time
from handoff.domain.errors import Unprocessable
from handoff.services.events.payloads import (
    DeadMessage,
    SubscriptionRef,
    WebhookDead,
    WebhookDisabled,
    WebhookFailing,
)
from handoff.services.events.publishing import Event, StoredEvent, encode_event
from handoff.services.webhooks.destinations import parse_url
from handoff.services.webhooks.subscriptions import Subscription
from handoff.store.repositories.deliveries import Claimed

from .schedule import DISABLE_AFTER_S

_ASKING = frozenset({"handoff.requested", "handoff.offered"})


def dead_letter_notice(
    claimed: Claimed, event: StoredEvent | None, it: Subscription, name: str, why: str
) -> list[bytes]:
    """`webhook.dead` for operators, and `handoff.undelivered` where somebody waits for an answer."""
    if claimed.type.startswith("webhook."):
        return []
    id_ = event.id if event else ""
    at = claimed.now * 1000
    message = DeadMessage(id=id_, type=claimed.type, attempts=claimed.attempts, reason=why)
    data = WebhookDead(subscription=_described(it, name), message=message)
    once = f"{name}/{id_}/{claimed.born}"
    dead = Event(key=f"dead/{once}", type="webhook.dead", subject=name, at=at, data=data, untold=it.id)
    notices = [encode_event(dead)]
    if event is not None and event.type in _ASKING:
        state: dict[str, Any] = msgspec.json.decode(event.data)
        undelivered = Event(
            key=f"undelivered/{once}",
            type="handoff.undelivered",
            subject=event.subject,
            at=at,
            data=state | {"undelivered": data},
            version=event.version,
            correlation=event.correlation,
            channels=event.channels,
            queues=event.queues,
            untold=it.id,
        )
        notices.append(encode_event(undelivered))
    return notices


def failing_notice(claimed: Claimed, it: Subscription, name: str) -> bytes:
    """`webhook.failing`: nothing but failures for a day; says when it will be disabled."""
    since = claimed.failing_since * 1000
    data = WebhookFailing(
        subscription=_described(it, name),
        failing_since=format_time(since),
        disabled_at=format_time(since + round(DISABLE_AFTER_S * SECOND)),
    )
    key = f"failing/{name}/{claimed.failing_since}"
    return encode_event(
        Event(key=key, type="webhook.failing", subject=name, at=claimed.now * 1000, data=data, untold=it.id)
    )


def disabled_notice(claimed: Claimed, it: Subscription, name: str, why: str) -> bytes:
    """`webhook.disabled`: nothing is sent any more until somebody enables it."""
    data = WebhookDisabled(subscription=_described(it, name), reason=why)
    key = f"disabled/{name}/{claimed.now}"
    return encode_event(
        Event(key=key, type="webhook.disabled", subject=name, at=claimed.now * 1000, data=data, untold=it.id)
    )


def _described(it: Subscription, name: str) -> SubscriptionRef:
    return SubscriptionRef(id=name, name=it.wishes.name, url=_origin(it.wishes.url))


def _origin(url: str) -> str:
    """A URL without what may be secret in it; empty where an earlier release kept one that is none."""
    try:
        return str(parse_url(url).origin())
    except (Unprocessable, ValueError):
        return ""
