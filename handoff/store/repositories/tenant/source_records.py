"""The activity of a tenant's sources: when each was last heard, its counts, its refusals, its quarantine.

Counts are in hashes of COUNT_S seconds each, which expire. Refusals are in a bounded list of each source.
Both are the sums of all workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from handoff.codec.records import decode_as, encode_record
from handoff.domain.clock import SECOND, Micros
from handoff.store.connection import Connection
from handoff.store.keys import ControlKeys
from handoff.store.repositories.identities import as_mapping
from handoff.store.resp.commands import Command

COUNT_S = 300  # of one hash of counts
COUNTED_S = 3600  # counts are read this far back
KEEP_COUNTS_S = COUNTED_S + 2 * COUNT_S
KEEP_REFUSALS = 50  # entries of one source
KEEP_REFUSALS_S = 7 * 86400
_UNREACHABLE = "\0unreachable:"
"""Before a source's name: a field of the same hash with the time since when it is out of reach. Workers of
earlier releases read it as a source that nobody asks about."""
_SEPARATOR = b"\0"  # between a source's name and what is counted: no name has it


class RefusedDeliveries(Struct, frozen=True, kw_only=True):
    """Deliveries of a source that were refused for one reason, from `first_at` to `at`.

    `detail` and `signed_url` are those of a refused signature. None of it is personal data.
    """

    code: str
    first_at: Micros
    at: Micros
    count: int
    detail: str = ""
    signed_url: str | None = None


class SourceActivity(Struct, frozen=True):
    """`last_heard` by source, the number of quarantined items of each source that was asked about, and since
    when fetched sources are `unreachable`."""

    last_heard: Mapping[str, Micros]
    quarantined: Sequence[int]
    unreachable: Mapping[str, Micros]


class SourceRecords:
    """The activity of one tenant's sources."""

    def __init__(self, connection: Connection, keys: ControlKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def save(self, last_heard: Mapping[str, Micros]) -> None:
        """Store when sources were last heard; one round trip."""
        pairs = [part for name, at in last_heard.items() for part in (name.encode(), b"%d" % at)]
        await self._connection.call(b"HSET", self._keys.sources(), *pairs)

    async def mark_unreachable(self, source: str, since: Micros | None) -> None:
        """Store since when a fetched source is out of reach, None: it is not; one round trip."""
        key, field = self._keys.sources(), f"{_UNREACHABLE}{source}".encode()
        command = (b"HDEL", key, field) if since is None else (b"HSET", key, field, b"%d" % since)
        await self._connection.call(*command, key=key)

    async def save_activity(
        self,
        counts: Mapping[tuple[str, str], int],
        refusals: Mapping[str, Sequence[RefusedDeliveries]],
        now: Micros,
    ) -> None:
        """Add counts by (source, what is counted), and refusals by source; one round trip.

        A lost answer may add counts twice.
        """
        commands: list[Command] = []
        if counts:
            key = self._counts(now // SECOND // COUNT_S)
            for (source, what), count in counts.items():
                commands.append((b"HINCRBY", key, _SEPARATOR.join((source.encode(), what.encode())), count))
            commands.append((b"EXPIRE", key, KEEP_COUNTS_S))
        for source, found in refusals.items():
            key = self._keys.named(f"refusals.{source}")
            commands.append((b"LPUSH", key, *map(encode_record, found)))
            commands.append((b"LTRIM", key, 0, KEEP_REFUSALS - 1))
            commands.append((b"EXPIRE", key, KEEP_REFUSALS_S))
        await self._connection.answers(commands)

    async def counts(self, now: Micros) -> dict[str, dict[str, int]]:
        """The counts of each source in the last COUNTED_S; one round trip."""
        last = now // SECOND // COUNT_S
        buckets = range(last - COUNTED_S // COUNT_S + 1, last + 1)
        answers = await self._connection.answers([(b"HGETALL", self._counts(it)) for it in buckets])
        found: dict[str, dict[str, int]] = {}
        for answer in answers:
            for field, count in as_mapping(answer).items():
                source, _, what = field.partition(_SEPARATOR)
                counted = found.setdefault(source.decode(), {})
                counted[what.decode()] = counted.get(what.decode(), 0) + int(count)
        return found

    async def refusals(self, sources: Sequence[str]) -> list[list[RefusedDeliveries]]:
        """The refusals of each source, those saved last first; one round trip."""
        keys = [self._keys.named(f"refusals.{it}") for it in sources]
        answers = await self._connection.answers([(b"LRANGE", key, 0, -1) for key in keys])
        return [[decode_as(raw, RefusedDeliveries) for raw in answer] for answer in answers]

    def _counts(self, bucket: int) -> bytes:
        return self._keys.named(f"source_counts.{bucket}")

    def commands(self, names: Sequence[str], *, since: Micros | None) -> tuple[Command, ...]:
        """The commands that read the activity of sources; `decode` takes their answers.

        `since` is the time from which quarantined items count; None counts all.
        """
        low: bytes | int = since if since is not None else b"-inf"
        counts = ((b"ZCOUNT", self._keys.set(f"quarantine:{name}"), low, b"+inf") for name in names)
        return ((b"HGETALL", self._keys.sources()), *counts)

    @staticmethod
    def decode(answers: Sequence[Any]) -> SourceActivity:
        times = {name.decode(): int(at) for name, at in as_mapping(answers[0]).items()}
        unreachable = {
            name.removeprefix(_UNREACHABLE): at for name, at in times.items() if name.startswith(_UNREACHABLE)
        }
        return SourceActivity(times, answers[1:], unreachable)
