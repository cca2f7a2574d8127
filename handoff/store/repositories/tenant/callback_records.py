"""Callbacks and their lists, as one tenant's control partition stores them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handoff.store.repositories.control import Change, ControlReads

from .listed import RecordList


class CallbackRecords:
    """The callbacks of one tenant."""

    def __init__(self, control: ControlReads) -> None:
        self._control = control
        self._keys = control.keys

    async def read(self, ids: Iterable[bytes]) -> list[bytes | None]:
        """The records with these ids; one round trip."""
        return await self._control.read([self._keys.record("b", id_) for id_ in ids])

    def listed(self, state: str | None = None) -> RecordList:
        """All callbacks, or those in one state."""
        return RecordList(self._control, self._keys.set(f"callbacks:{state}" if state else "callbacks"))

    def put(self, change: Change, id_: bytes, before: int, version: int, callback: Any) -> None:
        """Write a callback in place of version `before` (0: there is none)."""
        key = self._keys.record("b", id_)
        change.expect(key, before).put(key, version, callback)

    def forget(self, change: Change, id_: bytes, version: int, state: str) -> None:
        """Delete a callback of this version, from its lists too."""
        key = self._keys.record("b", id_)
        change.expect(key, version).drop(key)
        change.remove(self.listed().key, id_).remove(self.listed(state).key, id_)

    def relist(self, change: Change, id_: bytes, at: int, before: str | None, after: str) -> None:
        """List a callback, requested `at`, under its state `after`, and no longer under `before`."""
        change.add(self.listed().key, at, id_).add(self.listed(after).key, at, id_)
        if before and before != after:
            change.remove(self.listed(before).key, id_)
