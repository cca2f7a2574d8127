"""A delivery's body: a structured CloudEvent (CloudEvents 1.0, JSON format §3)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from handoff.domain.clock import format_time
from handoff.services.events.payloads import EventEnvelope
from handoff.services.events.publishing import StoredEvent

SEQUENCE_DIGITS = 20  # sorts as text in numerical order


def render(
    event: StoredEvent, tenant: str, supersedes: Sequence[str] = (), context: bytes | None = None
) -> bytes:
    """The body of every attempt. The same arguments give the same bytes.

    `context` is a JSON document that becomes `data.included.context`.
    """
    data = event.data
    if context is not None:
        data = data[:-1] + b',"included":{"context":' + context + b"}}"
    return msgspec.json.encode(
        EventEnvelope(
            specversion="1.0",
            id=event.id,
            source=f"urn:handoff:{tenant}",
            type=event.type,
            subject=event.subject,
            time=format_time(event.at),
            datacontenttype="application/json",
            sequence=f"{event.version or event.recorded_at:0{SEQUENCE_DIGITS}d}",
            partitionkey=event.line or event.correlation,
            correlationid=event.correlation,
            recordedtime=format_time(event.recorded_at),
            data=msgspec.Raw(data),
            supersedes=",".join(supersedes) if supersedes else UNSET,
        )
    )
