"""The time of a tracked event: the client's clock, corrected by its error at sending.

For Segment it is the client's `timestamp` plus (received - `sentAt`). RudderStack events have an
`originalTimestamp`: a `timestamp` beside it was set on purpose and is used as it is, otherwise
`originalTimestamp` is corrected in the same way (rudder-server processor, enhanceWithTimeFields).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.domain.clock import Micros
from handoff_adapters.shared.fields import moment, plausible


def occurred_at(item: Mapping[str, Any], batch_sent: Micros | None, received_at: Micros) -> Micros:
    """The event's time, or `received_at` when it is unreadable or in the future.

    The event's own `sentAt` takes precedence over the batch's. Without either, there is no correction.
    """
    original = moment(item.get("originalTimestamp"))
    stated = moment(item.get("timestamp"))
    if original is not None and stated is not None:
        return plausible(stated, received_at)
    client = original if original is not None else stated
    if client is None:
        return received_at
    sent_at = moment(item.get("sentAt"))
    if sent_at is None:
        sent_at = batch_sent
    return plausible(client if sent_at is None else client + received_at - sent_at, received_at)
