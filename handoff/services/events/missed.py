"""The events that several topics of one stream have missed, from one read of their tenant's outbox."""

from __future__ import annotations

from collections.abc import Iterable

from .feed import EventFrame, HandoffFrame, Hub, entry_number, is_entry_id


class MissedFrames:
    """The frames after the oldest of several positions, read once. Call `forget` when all have them."""

    def __init__(self, hub: Hub, tenant: str, positions: Iterable[str]) -> None:
        self._hub = hub
        self._tenant = tenant
        self._oldest = min(filter(is_entry_id, positions), key=entry_number, default=None)
        self._frames: list[HandoffFrame | EventFrame] | None = None
        self._read = False

    async def after(self, last_id: str) -> list[HandoffFrame | EventFrame] | None:
        """The frames after one of the positions, as from `Hub.missed`."""
        if self._oldest is None or not is_entry_id(last_id):
            return None
        if not self._read:
            self._frames = await self._hub.missed(self._tenant, self._oldest)
            self._read = True
        if last_id == self._oldest:
            return self._frames
        if not self._frames or entry_number(self._frames[-1].id) < entry_number(last_id):
            # Too much for the oldest may be little for this one; and only the store knows a later position.
            return await self._hub.missed(self._tenant, last_id)
        return [frame for frame in self._frames if entry_number(frame.id) > entry_number(last_id)]

    def forget(self) -> None:
        """Free the frames: a stream stays open for hours."""
        self._frames, self._read = None, False
