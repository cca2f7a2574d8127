"""Webhook subscriptions, as one tenant's control partition stores them: sealed as a whole."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from handoff.store.repositories.control import Change, ControlReads, decode_record

from .listed import RecordList


class SubscriptionRecords:
    """The webhook subscriptions of one tenant."""

    def __init__(self, control: ControlReads) -> None:
        self._control = control
        self._keys = control.keys
        self._listed = RecordList(control, self._keys.set("webhooks"))
        self._generation = self._keys.named("webhooks")
        self.tenant = control.tenant

    async def ids(self) -> list[bytes]:
        """The ids of all subscriptions, oldest first; one round trip."""
        return await self._listed.oldest_first()

    async def read(self, ids: Iterable[bytes]) -> list[bytes | None]:
        """The subscriptions, sealed as a whole: URLs and headers may hold secrets too. One round trip."""
        raws = await self._control.read([self._keys.record("w", id_) for id_ in ids])
        return [decode_record(raw, bytes) if raw else None for raw in raws]

    def put(
        self, change: Change, id_: bytes, before: int, version: int, sealed: bytes, *, created_at: int
    ) -> None:
        """Write a subscription in place of version `before` (0: there is none), and list it."""
        key = self._keys.record("w", id_)
        change.expect(key, before).put(key, version, sealed)
        change.add(self._listed.key, created_at, id_)

    def drop(self, change: Change, id_: bytes) -> None:
        change.drop(self._keys.record("w", id_)).remove(self._listed.key, id_)

    async def generation(self) -> bytes | None:
        """A value that changes whenever a subscription does; one round trip."""
        return await self._control.value(self._generation)

    def touch(self, change: Change) -> Change:
        """Add the mark that makes every worker read the tenant's subscriptions again."""
        return change.put(self._generation, secrets.randbits(62), None)
