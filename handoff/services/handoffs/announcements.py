"""Every change of a handoff becomes a touchpoint on the customer's timeline, once per version.

The use-case that makes the change records it, and the relay repeats it from the outbox, so that a crash in
between loses nothing. The touchpoint's id consists of the handoff and its version: repeating adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handoff.domain.errors import HandoffError, NotFound
from handoff.domain.handoff import Handoff, Party
from handoff.domain.identity import Handle, default_assurance
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.timeline.recording import record
from handoff.store.repositories.components import read_records
from handoff.store.store import Store

ID_SPACE = "handoff"


async def record_handoff_events(store: Store, changed: Sequence[tuple[str, Handoff]]) -> None:
    """Record the touchpoints of these changes, in two round trips each.

    Raises NotFound if the customer was erased.
    """
    for type_, handoff in changed:
        records = await read_records(store.connection, store.keys, [handoff.home])
        known = records.get(handoff.home)
        if known is None:
            raise NotFound("the handoff's customer was erased")
        assurance = known.own_assurance or default_assurance(known.identity.type)
        touchpoint = handoff_touchpoint(type_, handoff, Handle(known.identity, assurance))
        (result,) = await record(store, handoff.tenant, [touchpoint])
        if not result.ok:
            raise HandoffError(result.detail or "", code=result.code)


def handoff_touchpoint(type_: str, handoff: Handoff, home: Handle) -> Touchpoint:
    """The touchpoint of one version of a handoff."""
    last = handoff.history[-1]
    data: dict[str, Any] = {
        "handoff": handoff.id,
        "state": handoff.state,
        "version": handoff.version,
        "from": _party(handoff.sender),
        "to": _party(handoff.to),
        "reason": handoff.reason,
    }
    if last.reason and last.reason != handoff.reason:
        data["answer"] = last.reason
    if handoff.owner:
        data["owner"] = handoff.owner
    return Touchpoint(
        id_space=ID_SPACE,
        event_id=f"{handoff.id}/{handoff.version}",
        source="handoff",
        channel=handoff.sender.channel or handoff.to.channel or "web",
        type=type_,
        occurred_at=last.at,
        identities=(home,),
        direction=Direction.INTERNAL,
        visibility=Visibility.INTERNAL,
        text=last.reason,
        conversation=handoff.conversation,
        actor={"name": last.by},
        data=data,
    )


def _party(side: Party) -> dict[str, str]:
    pairs = (("channel", side.channel), ("party", side.party), ("queue", side.queue), ("agent", side.agent))
    return {name: value for name, value in pairs if value}
