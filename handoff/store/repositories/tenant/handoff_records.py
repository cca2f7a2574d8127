"""Handoffs, their chains, lists, timers, and pinned snapshots, in one tenant's control partition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from handoff.store.repositories.control import Change, ControlReads, decode_record, read_versioned
from handoff.store.resp.commands import Reads

from .listed import RecordList

DEADLINE_TIMER, VIEW_TIMER = b"h", b"v"
"""The first byte of a timer, before the id of its handoff."""


class HandoffPlace(Struct, frozen=True):
    """The fields of a handoff that decide which lists it is in."""

    home: bytes
    state: str
    queue: str | None
    agent: str | None


class StoredChain(Struct, frozen=True):
    """The root of a conversation's chain, with the chain's version and record; version 0 if there is none."""

    root: bytes
    version: int
    blob: bytes


class DueTimers(Struct, frozen=True):
    """The timers that are due. `passed_over` counts due timers of kinds that only a newer release knows."""

    timers: Sequence[bytes]
    passed_over: int


class HandoffRecords:
    """The handoffs of one tenant. Methods that take a change add to it; the tenant's store commits it."""

    def __init__(self, control: ControlReads) -> None:
        self._control = control
        self._keys = control.keys
        self.tenant = control.tenant

    def through(self, reads: Reads | None) -> HandoffRecords:
        """The same handoffs, read through `reads` if there are any."""
        return self if reads is None else HandoffRecords(self._control.through(reads))

    async def read(self, ids: Iterable[bytes]) -> list[bytes | None]:
        """The records with these ids; one round trip."""
        return await self._control.read([self._keys.record("h", id_) for id_ in ids])

    def put(self, change: Change, id_: bytes, before: int, version: int, handoff: Any) -> None:
        """Write a handoff in place of version `before` (0: there is none)."""
        key = self._keys.record("h", id_)
        change.expect(key, before).put(key, version, handoff)

    def forget(self, change: Change, id_: bytes, version: int, place: HandoffPlace) -> None:
        """Delete a handoff of this version, with its timers, from all its lists."""
        key = self._keys.record("h", id_)
        change.expect(key, version).drop(key)
        for listed in self._lists(place):
            change.remove(listed, id_)
        self.clear_deadline(change, id_)
        self.end_viewing(change, id_)

    # Lists

    @property
    def everything(self) -> RecordList:
        return self._list(self._keys.set("all"))

    @property
    def unviewed(self) -> RecordList:
        """The accepted handoffs whose owner has not opened the context."""
        return self._list(self._keys.set("unviewed"))

    @property
    def accepted(self) -> RecordList:
        return self._list(self._keys.set("state:accepted"))

    def in_state(self, state: str) -> RecordList:
        return self._list(self._keys.set(f"state:{state}"))

    def of_queue(self, queue: str) -> RecordList:
        return self._list(self._keys.set(f"queue:{queue}"))

    def of_agent(self, agent: str) -> RecordList:
        return self._list(self._keys.set(f"agent:{agent}"))

    def _list(self, key: bytes) -> RecordList:
        return RecordList(self._control, key)

    async def of_homes(self, homes: Sequence[bytes], limit: int | None) -> list[bytes]:
        """The ids of the newest handoffs of each home, home by home; one round trip."""
        return await self._control.newest([self._keys.set("home:", home) for home in homes], limit)

    def relist(
        self, change: Change, id_: bytes, at: int, before: HandoffPlace | None, after: HandoffPlace
    ) -> None:
        """Move a handoff, requested `at`, from the lists of one place to those of the next."""
        old, new = self._lists(before) if before else set(), self._lists(after)
        for key in new - old:
            change.add(key, at, id_)
        for key in old - new:
            change.remove(key, id_)

    def _lists(self, place: HandoffPlace) -> set[bytes]:
        lists = {self.everything.key, self.in_state(place.state).key, self._keys.set("home:", place.home)}
        if place.queue:
            lists.add(self.of_queue(place.queue).key)
        if place.agent:
            lists.add(self.of_agent(place.agent).key)
        return lists

    # Timers

    def set_deadline(self, change: Change, id_: bytes, due: int) -> None:
        change.add(self._keys.timers(), due, DEADLINE_TIMER + id_)

    def clear_deadline(self, change: Change, id_: bytes) -> None:
        self.drop_timer(change, DEADLINE_TIMER + id_)

    def expect_viewing(self, change: Change, id_: bytes, since: int, due: int) -> None:
        """List a handoff as not yet viewed, with a timer that reports it when it is `due`."""
        change.add(self.unviewed.key, since, id_).add(self._keys.timers(), due, VIEW_TIMER + id_)

    def end_viewing(self, change: Change, id_: bytes) -> None:
        """Take back `expect_viewing`."""
        change.remove(self.unviewed.key, id_)
        self.drop_timer(change, VIEW_TIMER + id_)

    def drop_timer(self, change: Change, timer: bytes) -> None:
        change.remove(self._keys.timers(), timer)

    async def due_timers(self, now: int, limit: int = 100) -> DueTimers:
        """The timers that are due at `now` by the store's clock, except kinds that only a newer release
        knows."""
        found: list[bytes] = []
        start = 0
        while True:
            reply = await self._control.up_to(self._keys.timers(), now, start=start, limit=limit)
            found += [timer for timer in reply if timer[:1] in (DEADLINE_TIMER, VIEW_TIMER)]
            start += len(reply)
            if len(found) >= limit or len(reply) < limit:
                return DueTimers(found, start - len(found))

    # Chains

    async def read_roots(self, conversations: Sequence[bytes]) -> list[bytes]:
        """The root of each conversation's chain: itself, unless it joined another; one round trip."""
        raws = await self._control.read([self._keys.record("m", it) for it in conversations])
        return [decode_record(raw, bytes) if raw else it for raw, it in zip(raws, conversations, strict=True)]

    async def read_chains(self, roots: Sequence[bytes]) -> list[bytes | None]:
        """The records of the chains with these roots; one round trip."""
        return await self._control.read([self._keys.record("r", root) for root in roots])

    async def chain_of(self, conversation: bytes) -> StoredChain:
        """The chain of a conversation; two round trips."""
        (root,) = await self.read_roots([conversation])
        (raw,) = await self.read_chains([root])
        found = read_versioned(raw)
        return StoredChain(root, found.version, found.blob)

    def expect_chain(self, change: Change, root: bytes, version: int) -> None:
        """Refuse the change unless the chain has this version (0: does not exist)."""
        change.expect(self._keys.record("r", root), version)

    def put_chain(self, change: Change, root: bytes, version: int, chain: Any) -> None:
        change.put(self._keys.record("r", root), version, chain)

    def forget_chain(self, change: Change, root: bytes, version: int, conversations: Iterable[bytes]) -> None:
        """Delete a chain of this version: its conversations have none then."""
        key = self._keys.record("r", root)
        change.expect(key, version).drop(key)
        for conversation in conversations:
            change.drop(self._keys.record("m", conversation))

    def join(self, change: Change, conversation: bytes, root: bytes) -> None:
        """Add a conversation to the chain of `root`. It must not have joined one before."""
        key = self._keys.record("m", conversation)
        change.expect(key, 0).put(key, 1, root)

    def leave(self, change: Change, conversation: bytes) -> None:
        """Take a conversation out of the chain that it joined. It has none then."""
        change.drop(self._keys.record("m", conversation))

    def drop_chain(self, change: Change, root: bytes, version: int, members: Iterable[bytes]) -> None:
        """Delete a chain of this version. Its conversations get a new one."""
        key = self._keys.record("r", root)
        change.expect(key, version).drop(key)
        for conversation in members:
            change.drop(self._keys.record("m", conversation))

    def unlist(self, change: Change, id_: bytes, home: bytes) -> None:
        """Take a handoff out of the list of its home. It stays in all other lists."""
        change.remove(self._keys.set("home:", home), id_)

    # Snapshots

    def keep_snapshot(self, change: Change, sha256: bytes, content: bytes) -> None:
        """Store a snapshot under its hash, unless it is there."""
        change.keep(self._keys.snapshot(sha256), content)

    def drop_snapshot(self, change: Change, sha256: bytes) -> None:
        change.drop(self._keys.snapshot(sha256))

    async def read_snapshot(self, sha256: bytes) -> bytes | None:
        """The snapshot with this hash; one round trip."""
        return await self._control.kept(self._keys.snapshot(sha256))
