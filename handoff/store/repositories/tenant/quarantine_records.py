"""The quarantine of one tenant's sources: bounded by count, bytes, and age, the oldest items going first.

An index states whom each item may concern: the identities and conversations that its bytes name, as the first
bytes of their keyed hashes, or else anyone who uses its source. `quarantine.lua` describes its entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.store.functions.library import Functions
from handoff.store.repositories.control import ControlReads, read_scored
from handoff.store.resp.commands import Command

from .listed import RecordList

AT_ONCE = 500  # items that one call deletes: some milliseconds of the store's time
MAX_NAMED = 16  # hints of one item
READ_NAMED = 1000  # items of one hint that are counted
_HINT = 8  # bytes of a hash: enough that no customer meets another's item by chance
_ARRIVAL = 16  # digits
_ID = 16
_AFTER_HINT = 1 + _HINT


class QuarantineBounds(Struct, frozen=True, kw_only=True):
    """The limits of one source. `since` is the earliest arrival that is kept."""

    items: int
    bytes: int
    since: Micros = 0


class QuarantineItem(Struct, frozen=True):
    """An item to keep: its id, its arrival, and its record with the version in front.

    `named` has the hashes of the identities and conversations that it names, `others` is true if it may
    concern further people.
    """

    id: bytes
    at: Micros
    record: bytes
    named: Sequence[bytes] = ()
    others: bool = True


class ConcerningItems(Struct, frozen=True, kw_only=True):
    """The items of a source that may concern a customer.

    `named` counts those that name them, up to READ_NAMED for each identity and conversation. `possible`
    counts further ones, which may concern anyone active then, and `newest` is the arrival of the last one.
    """

    named: int = 0
    possible: int = 0
    newest: Micros | None = None

    @property
    def count(self) -> int:
        return self.named + self.possible


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
            entries = _entries(item)
            arguments += (item.id, item.at, record, len(entries), *entries)
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

    async def drop_naming(self, identities: Sequence[bytes]) -> int:
        """Delete the items that name one of these identities; how many there were.

        One round trip if nothing is in quarantine.
        """
        total = 0
        for source in await self._sources() if identities else ():
            hints = _hints(identities)
            found = await self._control.reads.answers([self._naming(source, it, 0) for it in hints])
            ids = list({_item(entry)[0] for entries in found for entry in entries})
            total += await self.drop(source, ids) if ids else 0
        return total

    async def forget_conversations(self, conversations: Sequence[bytes]) -> None:
        """Forget that items name these conversations. One round trip if nothing is in quarantine."""
        for source in await self._sources() if conversations else ():
            arguments: list[bytes | int | str] = [source, *_hints(conversations)]
            await self._functions.call("quarantine_unname", [self._tag], arguments)

    async def _sources(self) -> list[str]:
        """The sources that have something in quarantine."""
        (names,) = await self._control.reads.answers([(b"HKEYS", self._keys.quarantine())])
        return [it.decode() for it in names]

    def concerning(
        self, source: str, hashes: Sequence[bytes], since: Micros, until: Micros | None
    ) -> tuple[Command, ...]:
        """The commands that `decode_concerning` takes the answers of.

        `hashes` are the identities and conversations of a customer. Items that name nobody count if they
        arrived up to `until`; None leaves them out.
        """
        own, index = self._keys.set(f"quarantine:{source}"), self._index(source)
        size: Command = (b"HGET", self._keys.quarantine(), source.encode())
        named = [self._naming(source, it, since) for it in _hints(hashes)]
        if until is None:
            return (size, *named)
        low, high = b"[s%016d" % since, b"[s%016d:" % until  # a colon follows the digits
        return (
            size,
            (b"ZLEXCOUNT", index, low, high),
            (b"ZRANGE", index, high, low, b"BYLEX", b"REV", b"LIMIT", 0, 1),
            (b"ZCOUNT", own, since, until),
            (b"ZRANGE", own, until, since, b"BYSCORE", b"REV", b"LIMIT", 0, 1, b"WITHSCORES"),
            *named,
        )

    @staticmethod
    def decode_concerning(answers: Sequence[Any], until: Micros | None) -> ConcerningItems:
        """The items that may concern a customer.

        Until `trim` has completed the index after an update of the server, all items count as possible.
        """
        indexed = (answers[0] or b"").endswith(b" i")
        if not indexed:
            possible = answers[3] if until is not None else 0
            newest = read_scored(answers[4])[0][1] if possible and answers[4] else None
            return ConcerningItems(possible=possible, newest=newest)
        named = dict(_item(entry) for entries in answers[1 if until is None else 5 :] for entry in entries)
        if until is None:
            return ConcerningItems(named=len(named))
        both = sum(others and at <= until for at, others in named.values())
        possible = max(answers[1] - both, 0)
        newest = int(answers[2][0][1 : 1 + _ARRIVAL]) if possible and answers[2] else None
        return ConcerningItems(named=len(named), possible=possible, newest=newest)

    def _naming(self, source: str, hint: bytes, since: Micros) -> Command:
        low, high = b"[h" + hint + b"%016d" % since, b"(h" + hint + b":"  # a colon follows the digits
        return (b"ZRANGE", self._index(source), low, high, b"BYLEX", b"LIMIT", 0, READ_NAMED)

    def _index(self, source: str) -> bytes:
        return self._keys.set(f"quarantine_index:{source}")


def _hints(hashes: Iterable[bytes]) -> list[bytes]:
    return list(dict.fromkeys(it[:_HINT] for it in hashes))


def _entries(item: QuarantineItem) -> list[bytes]:
    """The entries of an item in the index. One that names too many people may concern others, too."""
    named = _hints(item.named)
    others = item.others or not named or len(named) > MAX_NAMED
    place = b"%016d" % item.at + item.id
    found = [b"h" + hint + place + (b"1" if others else b"0") for hint in named[:MAX_NAMED]]
    return [*found, b"s" + place] if others else found


def _item(entry: bytes) -> tuple[bytes, tuple[Micros, bool]]:
    """The id of an item by its entry, its arrival, and whether it may concern others, too."""
    at = _AFTER_HINT + _ARRIVAL
    return entry[at : at + _ID], (int(entry[_AFTER_HINT:at]), entry[-1:] == b"1")
