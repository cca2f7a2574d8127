"""What happens to a hand-off becomes a touchpoint of its customer, once per version.

Done by whoever made the change, and again from the outbox, so that a crash in between loses
nothing; the touchpoint's id is made of hand-off and version, so that doing it twice adds nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from handoff.domain.errors import HandoffError, NotFound
from handoff.domain.handoff import Handoff, Party
from handoff.domain.identity import Handle, default_assurance
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.timeline.recording import record
from handoff.store.repositories.components import read_records
from handoff.store.store import Store

ID_SPACE = "handoff"
Announce = Callable[[Sequence[tuple[str, Handoff]]], Awaitable[None]]
"""Make changes of hand-offs known: touchpoints at once, webhooks from the outbox."""


async def record_handoff_events(store: Store, changed: Sequence[tuple[str, Handoff]]) -> None:
    """The touchpoints of these changes; two round trips."""
    for type_, handoff in changed:
        records = await read_records(store.connection, store.keys, [handoff.home])
        known = records.get(handoff.home)
        if known is None:
            raise NotFound("the hand-off's customer is gone")
        assurance = known.own_assurance or default_assurance(known.identity.type)
        touchpoint = handoff_touchpoint(type_, handoff, Handle(known.identity, assurance))
        (result,) = await record(store, handoff.tenant, [touchpoint])
        if not result.ok:
            raise HandoffError(result.detail or "", code=result.code)


def handoff_touchpoint(type_: str, it: Handoff, home: Handle) -> Touchpoint:
    """The touchpoint of one version of a hand-off."""
    last = it.history[-1]
    data: dict[str, Any] = {
        "handoff": it.id,
        "state": it.state,
        "version": it.version,
        "from": _party(it.sender),
        "to": _party(it.to),
        "reason": it.reason,
    }
    if last.reason and last.reason != it.reason:
        data["answer"] = last.reason
    if it.owner:
        data["owner"] = it.owner
    return Touchpoint(
        id_space=ID_SPACE,
        event_id=f"{it.id}/{it.version}",
        source="handoff",
        channel=it.sender.channel or it.to.channel or "web",
        type=type_,
        occurred_at=last.at,
        identities=(home,),
        direction=Direction.INTERNAL,
        visibility=Visibility.INTERNAL,
        text=last.reason,
        conversation=it.conversation,
        actor={"name": last.by},
        data=data,
    )


def _party(it: Party) -> dict[str, str]:
    pairs = (("channel", it.channel), ("party", it.party), ("queue", it.queue), ("agent", it.agent))
    return {name: value for name, value in pairs if value}
