"""What `/v1/webhooks` takes and answers."""

from __future__ import annotations

from handoff.api.description.operation import (
    CURSOR,
    LIMIT,
    LOCATION,
    ORDER,
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.api.handlers.webhooks import (
    SCOPE,
    TEST_WAIT_S,
    DeliveriesView,
    ReplayInput,
    WebhookInput,
    WebhookPatch,
    WebhooksView,
    WebhookView,
)
from handoff.services.webhooks.deliveries import MAX_REPLAYED, DeliveryView, Replayed
from handoff.services.webhooks.spec import RETRY_SCHEDULE_S
from handoff.services.webhooks.subscriptions import DEFAULT_OVERLAP_S, MAX_OVERLAP_S, MAX_SUBSCRIPTIONS
from handoff.store.repositories.deliveries import KEEP_S

TAG = "Webhooks"
ID = path_parameter("id", "The subscription's id.")
_DAYS = KEEP_S // 86400
_DISABLED = "The subscription is disabled"

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/webhooks",
        id="subscribe",
        tag=TAG,
        summary="Subscribe to webhooks",
        text="Messages are Standard Webhooks 1.0 with a CloudEvents 1.0 body. `types` may hold `*` for any "
        "characters; `channels` and `queues` narrow them. `secret` is `whsec_` and base64 of 24 to 64 bytes; "
        "without one, one is made. `signatures` with `v1a` adds ed25519, verified with `public_key`. "
        '`include`: `"context"` adds the pinned context. `retry_schedule_s` are the waits between attempts, '
        f"by default {', '.join(f'{it:g}' for it in RETRY_SCHEDULE_S)}.\n\n`allow_insecure` (http) "
        "and `allow_networks` (subnets that are not public) need the scope `admin`; contexts and touchpoint "
        f"types need `context:read`. A tenant has at most {MAX_SUBSCRIPTIONS} subscriptions.",
        scopes=(SCOPE,),
        body=WebhookInput,
        replies=(ResponseSpec(201, "Subscribed; `secret` is shown this once.", WebhookView, (LOCATION,)),),
        creating=True,
        conflicts="There are too many subscriptions",
    ),
    Operation(
        method="GET",
        path="/v1/webhooks",
        id="listWebhooks",
        tag=TAG,
        summary="List subscriptions",
        scopes=(SCOPE,),
        parameters=(LIMIT, CURSOR, ORDER),
        replies=(ResponseSpec(200, "A page.", WebhooksView),),
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/{id}",
        id="readWebhook",
        tag=TAG,
        summary="Read a subscription",
        text="`status` says how it does: what was delivered, what waits, since when it fails.",
        scopes=(SCOPE,),
        parameters=(ID,),
        replies=(ResponseSpec(200, "The subscription.", WebhookView),),
    ),
    Operation(
        method="PATCH",
        path="/v1/webhooks/{id}",
        id="changeWebhook",
        tag=TAG,
        summary="Change a subscription, or rotate its secret",
        text="What is given replaces what was; null is the default. With `rotate_secret`, or a `secret`, the "
        f"old one signs beside the new one for `overlap_s`, {DEFAULT_OVERLAP_S} by default and "
        f"{MAX_OVERLAP_S} at most. `enabled`: true sends what has waited.",
        scopes=(SCOPE,),
        parameters=(ID,),
        body=WebhookPatch,
        replies=(ResponseSpec(200, "The subscription; with `secret` where it was rotated.", WebhookView),),
        conflicts="It stands in the configuration, or others change it at the same time",
    ),
    Operation(
        method="DELETE",
        path="/v1/webhooks/{id}",
        id="unsubscribe",
        tag=TAG,
        summary="End a subscription",
        text="What waits for it goes with it.",
        scopes=(SCOPE,),
        parameters=(ID,),
        replies=(ResponseSpec(204, "It is gone."),),
        conflicts="It stands in the configuration",
    ),
    Operation(
        method="POST",
        path="/v1/webhooks/{id}/test",
        id="testWebhook",
        tag=TAG,
        summary="Send a test message",
        text=f"A `webhook.test`, signed like any other. Waits {TEST_WAIT_S:g} seconds for the answer.",
        scopes=(SCOPE,),
        parameters=(ID,),
        replies=(
            ResponseSpec(200, "What the subscriber said.", DeliveryView),
            ResponseSpec(202, "It has not answered yet.", DeliveryView),
        ),
        conflicts=_DISABLED,
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/{id}/deliveries",
        id="listDeliveries",
        tag=TAG,
        summary="List a subscription's messages",
        text=f"Newest first, with every attempt: status, latency and the first 1 KB of the answer. Kept "
        f"{_DAYS} days.",
        scopes=(SCOPE,),
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
        id="replayWebhook",
        tag=TAG,
        summary="Send messages again",
        text="One by `id`, or all `since` a time, `until` another (default: now); `only_failed` leaves out "
        f"what was delivered. They keep their ids. At most {MAX_REPLAYED} a call: `next` is the `since` to "
        f"go on from. Events are kept {_DAYS} days.",
        scopes=(SCOPE,),
        parameters=(ID,),
        body=ReplayInput,
        replies=(ResponseSpec(202, "Queued.", Replayed),),
        conflicts=_DISABLED,
    ),
)
