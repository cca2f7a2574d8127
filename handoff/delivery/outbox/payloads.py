"""The data of events: a handoff's or touchpoint's state, kept small, with links to the rest."""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.domain.clock import parse_time
from handoff.domain.handoff import Handoff
from handoff.services.events.payloads import HandoffLinks, TouchpointLinks
from handoff.services.events.publishing import Event
from handoff.services.handoffs.records import HandoffView
from handoff.services.timeline.views import TouchpointView

MAX_THIN = 18_000  # bytes of `data`: with its envelope below the 20 kB that Standard Webhooks recommends
_KEPT_STEPS = 5
_KEPT_TEXT = 2_000  # characters
_EXPIRING = frozenset({"handoff.requested", "handoff.offered"})
"""Not delivered after the handoff's deadline: it has moved on by then."""


def handoff_event(type_: str, handoff: Handoff, view: HandoffView, public_url: str) -> Event:
    """The event of one version of a handoff: its full state after the change, as `HandoffData`."""
    data = msgspec.to_builtins(view)
    url = f"{public_url}/v1/handoffs/{handoff.id}"
    links = HandoffLinks(
        handoff=url,
        context=f"{url}/context",
        snapshot=f"{url}/snapshot",
        customer=f"{public_url}/v1/customers/{view.customer_id}/context",
    )
    data["links"] = msgspec.to_builtins(links)
    _thin(
        data, (("context", 0), ("hops", _KEPT_STEPS), ("history", _KEPT_STEPS), ("history", 0), ("hops", 0))
    )
    return Event(
        key=f"handoff/{handoff.id}/{handoff.version}/{type_}",
        type=type_,
        subject=handoff.id,
        at=handoff.history[-1].at,
        data=data,
        version=handoff.version,
        line=handoff.id,
        correlation=view.root,
        deadline=handoff.due if type_ in _EXPIRING and handoff.pending else None,
        snapshot=handoff.snapshots[-1].sha256 if handoff.snapshots else None,
        channels=_names(handoff.sender.channel, handoff.to.channel),
        queues=_names(handoff.to.queue, *handoff.queues),
    )


def touchpoint_event(view: TouchpointView, public_url: str) -> Event:
    """The event of a stored touchpoint, as `TouchpointData`."""
    data = msgspec.to_builtins(view)
    links = TouchpointLinks(touchpoint=f"{public_url}/v1/touchpoints/{view.id}")
    data["links"] = msgspec.to_builtins(links)
    names = ("text", "data", "traits", "attachments", "participants", "subject")
    _thin(data, tuple((name, _KEPT_TEXT if name in ("text", "subject") else 0) for name in names))
    return Event(
        key=f"touchpoint/{view.id}",
        type=view.type,
        subject=view.id,
        at=parse_time(view.occurred_at),
        data=data,
        correlation=view.conversation_id,
        channels=(view.channel,),
    )


def _names(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _thin(data: dict[str, Any], cuts: tuple[tuple[str, int], ...]) -> None:
    """Cut one field after another until `data` is small enough. `left_out` lists the cut fields.

    A text keeps its beginning and a list its newest entries; other values are removed.
    """
    left_out: dict[str, str] = {}
    for name, kept in cuts:
        if len(msgspec.json.encode(data)) <= MAX_THIN:
            break
        value = data.get(name)
        if not value:
            continue
        if isinstance(value, str):
            data[name] = value[:kept]
        elif isinstance(value, list):
            data[name] = value[len(value) - kept :] if kept else []
        else:
            data[name] = {} if isinstance(value, dict) and name != "context" else None
        left_out[name] = f"{kept} kept" if kept else "all"
    if left_out:
        data["left_out"] = left_out
