"""`/v1/webhooks`."""

from __future__ import annotations

from handoff.api.handlers.webhooks import deliveries as messages
from handoff.api.handlers.webhooks import subscriptions as handlers
from handoff.api.handlers.webhooks.deliveries import TEST_WAIT_S, DeliveriesView, ReplayInput
from handoff.api.handlers.webhooks.subscriptions import (
    WebhookInput,
    WebhookPatch,
    WebhooksView,
    WebhookView,
)
from handoff.api.operations.operation import (
    CURSOR,
    LIMIT,
    LOCATION,
    ORDER,
    Audited,
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.services.webhooks.deliveries import MAX_REPLAYED, DeliveryView, Replayed
from handoff.services.webhooks.spec import RETRY_SCHEDULE_S
from handoff.services.webhooks.subscriptions import (
    DEFAULT_OVERLAP_S,
    MAX_OVERLAP_S,
    MAX_SUBSCRIPTIONS,
)
from handoff.store.repositories.deliveries import KEEP_S

TAG = "Webhooks"
SCOPES = ("webhooks:write",)
ID = path_parameter("id", "The subscription's id.")
_DAYS = KEEP_S // 86400
_DISABLED = "The subscription is disabled"
_CONFIGURED = "The subscription is part of the configuration"

_SUBSCRIPTIONS = (
    Operation(
        method="POST",
        path="/v1/webhooks",
        handler=handlers.create,
        id="subscribe",
        audit=Audited("webhook"),
        tag=TAG,
        summary="Subscribe to webhooks",
        text="Messages are Standard Webhooks 1.0 with a CloudEvents 1.0 body. In `types`, `*` matches any "
        "characters; `channels` and `queues` narrow them down. `secret` is `whsec_` and base64 of 24 to 64 "
        "bytes; if it is missing, the server creates one. `signatures` with `v1a` adds ed25519, verified "
        'with `public_key`. `include`: `"context"` adds the pinned context. `retry_schedule_s` lists the '
        f"waits between attempts, by default {', '.join(f'{it:g}' for it in RETRY_SCHEDULE_S)}.\n\n"
        "`allow_insecure` (http) and `allow_networks` (subnets that are not public) need the scope `admin`; "
        f"contexts and touchpoint types need `context:read`. A tenant has at most {MAX_SUBSCRIPTIONS} "
        "subscriptions.",
        scopes=SCOPES,
        body=WebhookInput,
        example={
            "url": "https://desk.example.com/webhooks/handoff",
            "name": "Desk",
            "types": ["handoff.*"],
            "queues": ["refunds"],
        },
        replies=(ResponseSpec(201, "Subscribed. `secret` is shown only once.", WebhookView, (LOCATION,)),),
        creating=True,
        duplicates=True,
        conflicts="The tenant has too many subscriptions",
    ),
    Operation(
        method="GET",
        path="/v1/webhooks",
        handler=handlers.list_,
        id="listWebhooks",
        audit=Audited("webhook"),
        tag=TAG,
        summary="List subscriptions",
        scopes=SCOPES,
        parameters=(LIMIT, CURSOR, ORDER),
        replies=(ResponseSpec(200, "A page.", WebhooksView),),
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/{id}",
        handler=handlers.read,
        id="readWebhook",
        audit=Audited("webhook"),
        tag=TAG,
        summary="Read a subscription",
        text="`status` counts delivered and waiting messages and gives the time since which deliveries fail.",
        scopes=SCOPES,
        parameters=(ID,),
        replies=(ResponseSpec(200, "The subscription.", WebhookView),),
    ),
    Operation(
        method="PATCH",
        path="/v1/webhooks/{id}",
        handler=handlers.change,
        id="changeWebhook",
        audit=Audited("webhook"),
        tag=TAG,
        summary="Change a subscription, or rotate its secret",
        text="Given members replace the current ones; null restores the default. With `rotate_secret` or "
        f"`secret`, the old secret keeps signing beside the new one for `overlap_s` seconds (default "
        f"{DEFAULT_OVERLAP_S}, maximum {MAX_OVERLAP_S}). `enabled`: true sends the waiting messages.",
        scopes=SCOPES,
        parameters=(ID,),
        body=WebhookPatch,
        example={"types": ["handoff.*", "webhook.*"], "rate_per_s": 10},
        replies=(ResponseSpec(200, "The subscription, with `secret` if it was rotated.", WebhookView),),
        conflicts=f"{_CONFIGURED}, or another request is changing it",
    ),
    Operation(
        method="DELETE",
        path="/v1/webhooks/{id}",
        handler=handlers.delete,
        id="unsubscribe",
        audit=Audited("webhook"),
        tag=TAG,
        summary="Delete a subscription",
        text="Its waiting messages are deleted too.",
        scopes=SCOPES,
        parameters=(ID,),
        replies=(ResponseSpec(204, "Deleted."),),
        conflicts=_CONFIGURED,
    ),
)

_DELIVERIES = (
    Operation(
        method="POST",
        path="/v1/webhooks/{id}/test",
        handler=messages.test,
        id="testWebhook",
        audit=Audited("webhook"),
        tag=TAG,
        summary="Send a test message",
        text="Sends a signed `webhook.test` and waits "
        f"{TEST_WAIT_S:g} seconds for the subscriber's response.",
        scopes=SCOPES,
        parameters=(ID,),
        replies=(
            ResponseSpec(200, "The subscriber's response.", DeliveryView),
            ResponseSpec(202, "The subscriber has not responded yet.", DeliveryView),
        ),
        conflicts=_DISABLED,
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/{id}/deliveries",
        handler=messages.list_deliveries,
        id="listDeliveries",
        audit=Audited("webhook"),
        tag=TAG,
        summary="List a subscription's messages",
        text="Newest first, with every attempt: status, latency, and the first 1 KB of the response. "
        f"Kept for {_DAYS} days.",
        scopes=SCOPES,
        parameters=(
            ID,
            Parameter(name="state", text="Only dead letters.", schema=choice("dead")),
            Parameter(name="id", text="Only the message with this `webhook-id`."),
            LIMIT,
            CURSOR,
        ),
        replies=(ResponseSpec(200, "A page.", DeliveriesView),),
    ),
    Operation(
        method="POST",
        path="/v1/webhooks/{id}/replay",
        handler=messages.replay,
        id="replayWebhook",
        audit=Audited("webhook"),
        tag=TAG,
        summary="Send messages again",
        text="Names one message by `id`, or all messages from `since` to `until` (default: now). "
        "`only_failed` skips delivered messages. Messages keep their ids. One call replays at most "
        f"{MAX_REPLAYED}; `next` is the `since` of the next call. Events are kept for {_DAYS} days.",
        scopes=SCOPES,
        parameters=(ID,),
        body=ReplayInput,
        example={"since": "2026-01-15T00:00:00Z", "only_failed": True},
        replies=(ResponseSpec(202, "Queued.", Replayed),),
        conflicts=_DISABLED,
    ),
)

OPERATIONS = (*_SUBSCRIPTIONS, *_DELIVERIES)
