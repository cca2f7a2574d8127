"""Entries of a timeline that are decoded when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import overload

from handoff.codec.member import Member, occurred_at, read_member, type_of
from handoff.domain.clock import Micros
from handoff.store.repositories.timelines import Row

from .reading import TimelineEntry

Slot = TimelineEntry | Row


class Entries(Sequence[TimelineEntry]):
    """Entries in the order of a timeline. One that was decoded stays so."""

    def __init__(self, slots: list[Slot], decode: Callable[[Row], TimelineEntry]) -> None:
        self._slots = slots
        self._decode = decode

    def __len__(self) -> int:
        return len(self._slots)

    @overload
    def __getitem__(self, at: int) -> TimelineEntry: ...

    @overload
    def __getitem__(self, at: slice) -> list[TimelineEntry]: ...

    def __getitem__(self, at: int | slice) -> TimelineEntry | list[TimelineEntry]:
        if isinstance(at, slice):
            return [self._at(it) for it in range(*at.indices(len(self._slots)))]
        return self._at(at if at >= 0 else at + len(self._slots))

    def _at(self, at: int) -> TimelineEntry:
        slot = self._slots[at]
        if isinstance(slot, tuple):
            slot = self._slots[at] = self._decode(slot)
        return slot

    def spliced(self, at: int, slots: Sequence[Slot]) -> Entries:
        """These entries with others put in at a place."""
        return Entries([*self._slots[:at], *slots, *self._slots[at:]], self._decode)

    def slots(self, count: int) -> list[Slot]:
        """The first entries as they are."""
        return self._slots[:count]

    def occurred_at(self, at: int) -> Micros:
        """When the touchpoint at a place happened."""
        slot = self._slots[at]
        return occurred_at(slot[0]) if isinstance(slot, tuple) else slot.stored.occurred_at

    def places_of(self, types: Set[str]) -> list[int]:
        """The places of the entries that may have these types. None is decoded."""
        return [
            at
            for at, slot in enumerate(self._slots)
            if (type_of(slot[0]) if isinstance(slot, tuple) else slot.stored.type) in types
        ]

    def member(self, at: int) -> Member:
        """The touchpoint at a place as it is stored, without its body."""
        slot = self._slots[at]
        return read_member(*slot) if isinstance(slot, tuple) else slot.stored
