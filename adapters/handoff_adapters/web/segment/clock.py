"""The time of a tracked event: the client's clock, corrected where it is provably wrong.

The client states when it sent the events (`sentAt`). If that is later than their receipt, its clock is
ahead, and every event of the request is moved back by the difference. If it is earlier, the request waited
in a queue or was sent again, and the events' times are right. Only a difference of more than `LONGEST_WAIT`
is a clock that was never set.

RudderStack events have an `originalTimestamp`: a `timestamp` beside it was set on purpose, or corrected by
the gateway, and is used as it is (rudder-server processor, enhanceWithTimeFields).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from handoff.domain.clock import DAY, Micros
from handoff_adapters.shared.fields import moment, plausible

LONGEST_WAIT: Micros = 30 * DAY
"""SDKs and gateways drop or deliver what they hold within days."""


class EventTiming(Struct, frozen=True):
    """When a request was received, and by how much its sender's clock is ahead (negative: behind)."""

    received_at: Micros
    clock_error: Micros


def timing_of(items: Sequence[object], batch_sent: Micros | None, received_at: Micros) -> EventTiming:
    """The timing of a request: one error of the clock for all its events.

    The batch's `sentAt` decides, else the latest one of its events. Without any, the clock is ahead if
    all the events are later than their receipt.
    """
    events = [item for item in items if isinstance(item, dict)]
    sent = batch_sent
    if sent is None:
        sent = max((at for item in events if (at := moment(item.get("sentAt"))) is not None), default=None)
    if sent is None:
        times = [at for item in events if (at := _client_time(item)) is not None]
        all_ahead = times and min(times) > received_at
        return EventTiming(received_at, max(times) - received_at if all_ahead else 0)
    ahead = sent - received_at
    return EventTiming(received_at, ahead if ahead > 0 or ahead < -LONGEST_WAIT else 0)


def occurred_at(item: Mapping[str, Any], timing: EventTiming) -> Micros:
    """The event's time, or that of its receipt when it is unreadable or in the future."""
    client = _client_time(item)
    if client is None:
        return plausible(moment(item.get("timestamp")), timing.received_at)
    return plausible(client - timing.clock_error, timing.received_at)


def _client_time(item: Mapping[str, Any]) -> Micros | None:
    """The time by the client's clock; None if the event has none, or one that is not the client's."""
    original, stated = moment(item.get("originalTimestamp")), moment(item.get("timestamp"))
    if original is not None and stated is not None:
        return None
    return original if original is not None else stated
