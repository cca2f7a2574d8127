"""When a tracked event happened: the client's clock, corrected by what it shows when sending.

Segment: the client's `timestamp` plus (received - `sentAt`). RudderStack, told by
`originalTimestamp`: a `timestamp` beside it was set on purpose and stands, else `originalTimestamp`
is corrected in the same way (rudder-server processor, enhanceWithTimeFields).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.domain.clock import Micros
from handoff_adapters.shared.fields import moment, plausible


def occurred_at(item: Mapping[str, Any], batch_sent: Micros | None, received_at: Micros) -> Micros:
    """The event's time. One that cannot be read or lies in the future is `received_at`.

    The event's own `sentAt` goes before the batch's; without either nothing is corrected.
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
