"""Call events from vendors that belong to callbacks: recorded for the right customer, and followed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from handoff.domain.errors import NotFound, StoreUnavailable
from handoff.domain.touchpoint import Participant, Touchpoint
from handoff.services.timeline.recording import Result, record
from handoff.store.repositories.control import Changed
from handoff.store.store import Store

from .callback import ATTEMPTS, OPEN, home_handle, read_callback, writing
from .lifecycle import ID_SPACE

_FOLLOWED = 64  # call events remembered per callback, so that a repetition moves it only once
_NEXT = {
    "callback.attempted": "attempted",
    "callback.missed": "missed",
    "callback.completed": "completed",
    "callback.given_up": "given_up",
}


def names_callback(touchpoint: Touchpoint) -> bool:
    """Whether this is a vendor's event of a call that may be one of our callbacks."""
    named = isinstance(touchpoint.data.get("callback"), str)
    return touchpoint.channel == "phone" and named and touchpoint.id_space != ID_SPACE


async def record_call_events(
    store: Store, tenant: str, touchpoints: Sequence[Touchpoint]
) -> tuple[Sequence[Touchpoint], list[Result]]:
    """Record a vendor's touchpoints and move the callbacks that they name; returns them as recorded.

    The vendor gets its answer afterwards: if a crash interrupts this, the vendor's retry completes it.
    """
    filed = [await _file_under_callback(store, tenant, touchpoint) for touchpoint in touchpoints]
    results = await record(store, tenant, filed)
    for touchpoint, result in zip(filed, results, strict=True):
        public_id = touchpoint.data.get("callback")
        if touchpoint.type in _NEXT and result.ok and isinstance(public_id, str):
            await _follow(store, tenant, public_id, touchpoint)
    return filed, results


async def _file_under_callback(store: Store, tenant: str, touchpoint: Touchpoint) -> Touchpoint:
    """The call event under the home of the callback that its signed status URL names.

    The dialled number becomes a participant: a number that somebody typed links no identities.
    """
    if not names_callback(touchpoint):
        return touchpoint
    try:
        callback = await read_callback(store, tenant, touchpoint.data["callback"])
        handle = await home_handle(store, callback)
    except NotFound:
        return touchpoint
    number = Participant(touchpoint.home.identity, "called")
    return msgspec.structs.replace(
        touchpoint, identities=(handle,), participants=(*touchpoint.participants, number)
    )


async def _follow(store: Store, tenant: str, public_id: str, touchpoint: Touchpoint) -> None:
    """Move a callback along with its call. Each event counts once; a closed callback stays closed."""
    part, hashes = store.of(tenant), store.hashes(tenant)
    event = hashes.event(touchpoint.id_space, touchpoint.event_id)
    for _attempt in range(ATTEMPTS):
        try:
            before = await read_callback(store, tenant, public_id)
        except NotFound:
            return
        if event in before.followed or before.state not in OPEN:
            return
        after = msgspec.structs.replace(
            before,
            state=_NEXT[touchpoint.type],
            version=before.version + 1,
            attempts=before.attempts + (touchpoint.type == "callback.missed"),
            followed=(*before.followed, event)[-_FOLLOWED:],
        )
        try:
            await part.commit(writing(part, before, after))
        except Changed:
            continue
        return
    raise StoreUnavailable("the callback changes too fast")
