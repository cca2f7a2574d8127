"""What platforms are told: the state of a hand-off or a touchpoint, thin, with links to the rest."""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.domain.clock import parse_time
from handoff.domain.handoff import Handoff
from handoff.services.events.payloads import HandoffLinks, TouchpointLinks
from handoff.services.events.publishing import Event
from handoff.services.handoffs.records import HandoffView
from handoff.services.timeline.views import TouchpointView

MAX_THIN = 18_000  # bytes of `data`: with its envelope below the 20 kB that Standard Webhooks asks for
_KEPT_STEPS = 5
_KEPT_TEXT = 2_000  # characters
_DYING = frozenset({"handoff.requested", "handoff.offered"})
"""Of no use after the deadline: somebody else has been asked by then, or nobody waits any more."""


def handoff_event(type_: str, it: Handoff, view: HandoffView, public_url: str) -> Event:
    """The event of one version of a hand-off: its full state after the change, as `HandoffData`."""
    data = msgspec.to_builtins(view)
    here = f"{public_url}/v1/handoffs/{it.id}"
    links = HandoffLinks(
        handoff=here,
        context=f"{here}/context",
        snapshot=f"{here}/snapshot",
        customer=f"{public_url}/v1/customers/{view.customer_id}/context",
    )
    data["links"] = msgspec.to_builtins(links)
    _thin(
        data, (("context", 0), ("hops", _KEPT_STEPS), ("history", _KEPT_STEPS), ("history", 0), ("hops", 0))
    )
    return Event(
        key=f"handoff/{it.id}/{it.version}/{type_}",
        type=type_,
        subject=it.id,
        at=it.history[-1].at,
        data=data,
        version=it.version,
        line=it.id,
        correlation=view.root,
        deadline=it.due if type_ in _DYING and it.pending else None,
        snapshot=it.snapshots[-1].sha256 if it.snapshots else None,
        channels=_names(it.sender.channel, it.to.channel),
        queues=_names(it.to.queue, *it.queues),
    )


def touchpoint_event(view: TouchpointView, public_url: str) -> Event:
    """The event of a touchpoint that was stored, as `TouchpointData`."""
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
    """Cut one field after the other until it is small enough; `left_out` says which, `links` where it is.

    A text keeps its beginning, a list its newest entries, anything else nothing.
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
