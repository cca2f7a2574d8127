"""Events about failing deliveries, for operators and originators; never about these events themselves."""

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

_AWAITING_ANSWER = frozenset({"handoff.requested", "handoff.offered"})


def dead_notice(
    claimed: Claimed, event: StoredEvent | None, subscription: Subscription, name: str, why: str
) -> list[bytes]:
    """`webhook.dead` for operators, and `handoff.undelivered` if the handoff awaits an answer."""
    if claimed.type.startswith("webhook."):
        return []
    id_ = event.id if event else ""
    at = claimed.now * 1000
    message = DeadMessage(id=id_, type=claimed.type, attempts=claimed.attempts, reason=why)
    data = WebhookDead(subscription=_reference(subscription, name), message=message)
    once = f"{name}/{id_}/{claimed.born}"
    dead = Event(
        key=f"dead/{once}", type="webhook.dead", subject=name, at=at, data=data, untold=subscription.id
    )
    notices = [encode_event(dead)]
    if event is not None and event.type in _AWAITING_ANSWER:
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
            untold=subscription.id,
        )
        notices.append(encode_event(undelivered))
    return notices


def failing_notice(claimed: Claimed, subscription: Subscription, name: str) -> bytes:
    """`webhook.failing`: only failures for a day. States when the subscription will be disabled."""
    since = claimed.failing_since * 1000
    data = WebhookFailing(
        subscription=_reference(subscription, name),
        failing_since=format_time(since),
        disabled_at=format_time(since + round(DISABLE_AFTER_S * SECOND)),
    )
    key = f"failing/{name}/{claimed.failing_since}"
    return encode_event(
        Event(
            key=key,
            type="webhook.failing",
            subject=name,
            at=claimed.now * 1000,
            data=data,
            untold=subscription.id,
        )
    )


def disabled_notice(claimed: Claimed, subscription: Subscription, name: str, why: str) -> bytes:
    """`webhook.disabled`: nothing is sent until the subscription is enabled again."""
    data = WebhookDisabled(subscription=_reference(subscription, name), reason=why)
    key = f"disabled/{name}/{claimed.now}"
    return encode_event(
        Event(
            key=key,
            type="webhook.disabled",
            subject=name,
            at=claimed.now * 1000,
            data=data,
            untold=subscription.id,
        )
    )


def _reference(subscription: Subscription, name: str) -> SubscriptionRef:
    return SubscriptionRef(id=name, name=subscription.wishes.name, url=_origin(subscription.wishes.url))


def _origin(url: str) -> str:
    """The URL's origin, which holds no secret. Empty for an invalid URL stored by an earlier release."""
    try:
        return str(parse_url(url).origin())
    except (Unprocessable, ValueError):
        return ""
