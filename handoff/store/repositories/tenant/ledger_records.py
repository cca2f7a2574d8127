"""The ledger of promises and complaints, its lists and timers, in one tenant's control partition."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct

from handoff.store.connection import Connection
from handoff.store.repositories.control import Change, ControlReads, decode_record

from .listed import RecordList

PROMISE, ANNOUNCEMENT = "promise", "announcement"
OWED_LIST = "owed"
"""The name, beside those of states, of the list of what is still owed, whether or not its time has passed."""


class LedgerPlace(Struct, frozen=True):
    """The fields of an entry that decide which lists it is in. `until` is how long it is watched, `alarm` the
    time of its timer; None: not. `owed`: it is still to be done."""

    kind: str
    state: str
    home: bytes
    made_at: int
    until: int | None
    alarm: int | None
    owed: bool


class LedgerRecords:
    """The ledger of one tenant. Methods that take a change add to it; the tenant's store commits it."""

    def __init__(self, control: ControlReads) -> None:
        self._control = control
        self._keys = control.keys

    async def read(self, ids: Iterable[bytes]) -> list[bytes | None]:
        """The records with these ids; one round trip."""
        return await self._control.read([self._keys.record("p", id_) for id_ in ids])

    def listed(self, kind: str, state: str | None = None) -> RecordList:
        """All entries of a kind, or those in one state, by the time of the promise or the complaint."""
        name = f"ledger:{kind}:{state}" if state else f"ledger:{kind}"
        return RecordList(self._control, self._keys.set(name))

    @property
    def timers(self) -> RecordList:
        """The promises with an alarm ahead, by its time."""
        return self.timers_of(PROMISE)

    def timers_of(self, kind: str) -> RecordList:
        """The entries of a kind that are due to be looked at, by the time. Announcements have a list of their
        own: earlier releases do not know them."""
        if kind == ANNOUNCEMENT:
            return RecordList(self._control, self._keys.set("announcement-timers"))
        return RecordList(self._control, self._keys.set("ledger-timers"))

    @property
    def watched(self) -> RecordList:
        """The entries that touchpoints may still change, by the time until which they may."""
        return RecordList(self._control, self._keys.set("ledger-watched"))

    async def of_homes(self, homes: Sequence[bytes]) -> list[bytes]:
        """The ids of the entries of these homes; one round trip."""
        return await self._control.newest([self._keys.set("ledger-home:", home) for home in homes], None)

    async def any_of_homes(self, groups: Sequence[Collection[bytes]]) -> list[bool]:
        """Whether there is an entry of one of the homes of each group; one round trip."""
        lists = ([self._keys.set("ledger-home:", home) for home in homes] for homes in groups)
        found = await self._control.reads.answers([(b"EXISTS", *it) for it in lists])
        return [count > 0 for count in found]

    def put(
        self,
        change: Change,
        id_: bytes,
        versions: tuple[int, int],
        entry: Any,
        places: tuple[LedgerPlace | None, LedgerPlace],
    ) -> None:
        """Write an entry with its lists and its timer. `versions` and `places` are those before and after;
        version 0: there is none."""
        key = self._keys.record("p", id_)
        change.expect(key, versions[0]).put(key, versions[1], entry)
        before, after = places
        old, new = (self._scores(before) if before else {}), self._scores(after)
        for name in old.keys() - new.keys():
            change.remove(name, id_)
        for name, score in new.items():
            if old.get(name) != score:
                change.add(name, score, id_)

    def forget(self, change: Change, id_: bytes, version: int, place: LedgerPlace) -> None:
        """Delete an entry of this version, with its timer, from all its lists."""
        key = self._keys.record("p", id_)
        change.expect(key, version).drop(key)
        for name in self._scores(place):
            change.remove(name, id_)

    def move_timer(
        self, change: Change, id_: bytes, version: int, at: int | None, kind: str = PROMISE
    ) -> None:
        """Move the timer of an entry of this version (0: there is none), or remove it."""
        change.expect(self._keys.record("p", id_), version)
        if at is None:
            change.remove(self.timers_of(kind).key, id_)
        else:
            change.add(self.timers_of(kind).key, at, id_)

    async def read_progress(self) -> bytes | None:
        """How far a rebuild is, None if none was interrupted; one round trip."""
        (found,) = await self._control.read([self._keys.named("ledger-rebuild")])
        return decode_record(found, bytes) if found is not None else None

    def keep_progress(self, change: Change, state: bytes | None) -> None:
        """Keep how far a rebuild is, or that it has ended."""
        key = self._keys.named("ledger-rebuild")
        if state is None:
            change.drop(key)
        else:
            change.put(key, 1, state)

    def _scores(self, place: LedgerPlace) -> dict[bytes, int]:
        """The lists of an entry, with its score in each."""
        scores = {
            self.listed(place.kind).key: place.made_at,
            self.listed(place.kind, place.state).key: place.made_at,
            self._keys.set("ledger-home:", place.home): place.made_at,
        }
        if place.owed:
            scores[self.listed(place.kind, OWED_LIST).key] = place.made_at
        if place.until is not None:
            scores[self.watched.key] = place.until
        if place.alarm is not None:
            scores[self.timers_of(place.kind).key] = place.alarm
        return scores


async def due_timers(
    connection: Connection, lists: Sequence[RecordList], now: int, limit: int
) -> list[list[bytes]]:
    """The entries of each list of timers that are due, of any tenants, at most `limit` of each. None where a
    list could not be read: its turn comes again. One round trip."""
    found = await connection.pipeline(
        [(b"ZRANGE", it.key, b"-inf", now, b"BYSCORE", b"LIMIT", 0, limit) for it in lists]
    )
    return [list(ids) if isinstance(ids, list) else [] for ids in found]


async def count_watched(connection: Connection, lists: Sequence[RecordList], now: int) -> list[int | None]:
    """How many entries of each list are watched after `now`, of any tenants; None where one could not be
    read. One round trip."""
    counts = await connection.pipeline([(b"ZCOUNT", it.key, now, b"+inf") for it in lists])
    return [count if isinstance(count, int) else None for count in counts]
