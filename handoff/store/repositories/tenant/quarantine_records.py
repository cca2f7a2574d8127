"""The quarantine of one tenant's sources: bounded by count, bytes, and age, the oldest items going first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.store.functions.library import Functions
from handoff.store.repositories.control import ControlReads

from .listed import RecordList

AT_ONCE = 500  # items that one call deletes: some milliseconds of the store's time


class QuarantineBounds(Struct, frozen=True, kw_only=True):
    """The limits of one source. `since` is the earliest arrival that is kept."""

    items: int
    bytes: int
    since: Micros = 0


class QuarantineItem(Struct, frozen=True):
    """An item to keep: its id, its arrival, and its record with the version in front."""

    id: bytes
    at: Micros
    record: bytes


class QuarantineRecords:
    """The quarantine of one tenant. Deleting works in a full store too."""

    def __init__(self, functions: Functions, control: ControlReads) -> None:
        self._functions = functions
        self._control = control
        self._keys = control.keys
        self._tag = control.keys.tag

    async def read(self, ids: Iterable[bytes]) -> list[bytes | None]:
        """The records with these ids; one round trip."""
        return await self._control.read([self._keys.record("q", id_) for id_ in ids])

    @property
    def listed(self) -> RecordList:
        """All items, in order of arrival."""
        return RecordList(self._control, self._keys.set("quarantine"))

    def listed_of(self, source: str) -> RecordList:
        """The items of one source, in order of arrival."""
        return RecordList(self._control, self._keys.set(f"quarantine:{source}"))

    async def keep(self, source: str, items: Sequence[QuarantineItem], bounds: QuarantineBounds) -> int:
        """Keep items, and delete the source's oldest ones beyond its bounds; how many were deleted."""
        arguments: list[bytes | int | str] = [source, bounds.items, bounds.bytes, bounds.since]
        for item in items:
            record = self._control.seal.seal_record(self._keys.record("q", item.id), item.record)
            arguments += (item.id, item.at, record)
        return int(await self._functions.call("quarantine_keep", [self._tag], arguments))

    async def drop(self, source: str, ids: Sequence[bytes]) -> int:
        """Delete items; how many there were."""
        return int(await self._functions.call("quarantine_drop", [self._tag], [source, *ids]))

    async def trim(self, source: str, bounds: QuarantineBounds) -> int:
        """Delete the source's oldest items beyond its bounds; how many were deleted."""
        arguments: list[bytes | int | str] = [source, bounds.items, bounds.bytes, bounds.since, AT_ONCE]
        gone = total = int(await self._functions.call("quarantine_trim", [self._tag], arguments))
        while gone == AT_ONCE:
            gone = int(await self._functions.call("quarantine_trim", [self._tag], arguments))
            total += gone
        return total
