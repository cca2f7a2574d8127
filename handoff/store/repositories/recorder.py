"""Group commit: writes of concurrent requests share one call and one fsync.

A few calls are in flight, so that the server has work while the store makes one durable. Items that arrive
meanwhile are collected; the next call takes them all, at most MAX_BATCH. There is no timer, so that nothing
waits while the store is idle. An item is acknowledged by the store's answer, once it is durable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import Context
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import HandoffError, Overloaded, StoreUnavailable
from handoff.store.errors import unavailable
from handoff.store.functions.library import Functions
from handoff.store.keys import Keys
from handoff.store.sealing.batch_seal import BatchSeal

MAX_BATCH = 100  # items a call: the server is single-threaded, 100 items hold it for about 1 ms
IN_FLIGHT = 4  # calls: with one alone server and store take turns, more make smaller groups and gain nothing
MAX_WAITING = 20_000  # items: half a second of work; more would only outlast their senders' timeouts
MAX_WAITING_BYTES = 64 * 1024 * 1024
IDENTITY = b"v"  # the first field of a pointer to an identity
OVERLOADED = "too many touchpoints are waiting to be stored"

log = structlog.get_logger(__name__)


class Pointer(Struct, frozen=True, cache_hash=True):
    """Fields to set where they are absent, before the items; an empty value is the store's clock.

    `tenant` is set where the first field is the plain value of an identity, which may have to be sealed.
    """

    hash: bytes
    key: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    tenant: bytes = b""


NO_TIMES: Mapping[Pointer, bytes] = MappingProxyType({})


class Item(Struct, frozen=True, kw_only=True):
    """One touchpoint ready to be stored: everything `timeline_record.lua` takes.

    `timeline` is its key, `fixed` occurred_at to the id that it amends in one piece.
    """

    home: bytes
    timeline: bytes
    id: bytes
    digest: bytes
    fixed: bytes
    body: bytes
    plain: bytes
    tenant: bytes
    resolves: bytes = b""
    evidence: tuple[tuple[bytes, bytes], ...] = ()
    pointers: tuple[Pointer, ...] = ()

    @property
    def size(self) -> int:
        return len(self.body) + 200


class Recorded(Struct, frozen=True):
    """The outcome of an item. `place` is occurred_at and order key; `arrival` 0 unless stored now."""

    status: int
    place: bytes
    arrival: Micros


STORED, DUPLICATE, REUSED, ERASED, EXPIRED = 0, 1, 2, 3, 4
RESEAL = 5  # not stored: sealed with a key that is not the home's, whose key is in the place
CROWDED = 6  # not stored: so many texts were derived from the same original that no more are taken
REFUSED = frozenset({ERASED, EXPIRED, CROWDED})
RESEALS = 5  # tries: each fails because somebody else has just given the home a key, or taken it


class Awaited(Protocol):
    """Receives the outcome of an item: a future, or something cheaper. It must not raise."""

    def done(self) -> bool: ...

    def set_result(self, recorded: Recorded, /) -> None: ...

    def set_exception(self, error: Exception, /) -> None: ...


Entry = tuple[Item, Awaited]


class Recorder:
    """The writer of touchpoints; at most `in_flight` calls at a time. Of a Cluster: `ClusterRecorder`."""

    def __init__(self, functions: Functions, keys: Keys, *, in_flight: int) -> None:
        self._functions = functions
        self._keys = keys
        self._in_flight = in_flight
        self._waiting: deque[Entry] = deque()
        self._waiting_bytes = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._beginning: asyncio.Handle | None = None
        self._closing = False
        self.refuses: str | None = None
        """The reason (`unavailable`) for which nothing is taken now."""
        self.sealing = keys.sealing
        self.on_refused: Callable[[list[Item]], Awaitable[None]] | None = None
        """Called with items that were erased or have expired, before their senders get an answer."""

    async def __aenter__(self) -> Recorder:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._closing = True
        self._begin_now()
        while self._calls:  # each that ends begins the next
            await asyncio.wait(self._calls)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def record(self, items: Sequence[Item]) -> list[Recorded | HandoffError]:
        """Store items, in order. One entry per item: what became of it, or why it failed.

        Overloaded at once when too much is waiting. Cancelling the caller withdraws nothing.
        """
        new_future = asyncio.get_running_loop().create_future
        futures: list[asyncio.Future[Recorded]] = [new_future() for _ in items]
        self.submit(list(zip(items, futures, strict=True)))
        return await _outcomes(futures)

    def submit(self, entries: Sequence[Entry], *, gathered: bool = False) -> None:
        """Queue items to be stored, in order; each receives its `Recorded` or its HandoffError.

        A call starts in the next turn of the loop, so that it includes what others submit in this one;
        immediately for entries that were `gathered` from many requests. Overloaded when too much waits.
        """
        self._check()
        self._take(entries)
        if gathered:
            self._begin_now()
        elif self._beginning is None:
            self._beginning = asyncio.get_running_loop().call_soon(self._begin_now)

    def _check(self) -> None:
        if self._closing:
            raise StoreUnavailable("the server is stopping")
        if self.refuses:
            raise unavailable(self.refuses)

    def _take(self, entries: Sequence[Entry]) -> None:
        size = sum([item.size for item, _future in entries])
        if self._waiting and (
            len(self._waiting) + len(entries) > MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES
        ):
            raise Overloaded(OVERLOADED)
        self._waiting.extend(entries)
        self._waiting_bytes += size

    def _begin_now(self) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
            self._beginning = None
        self._begin_calls()

    def _begin_calls(self) -> None:
        while self._waiting and len(self._calls) < self._in_flight:
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            self._waiting_bytes -= sum([item.size for item, _ in batch])
            # In its own context: its log lines belong to no single request.
            call = asyncio.get_running_loop().create_task(self._call(batch), context=Context())
            self._calls.add(call)
            call.add_done_callback(self._ended)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._begin_calls()

    async def _call(self, batch: list[Entry]) -> None:
        try:
            # One person's touchpoints come together with the same pointers, which are written once.
            await self._store(batch, times_of((it, item) for item, _ in batch for it in item.pointers))
        except Exception as error:  # the outermost loop: later batches must continue
            log.exception("recorder_failed")
            fail(batch, StoreUnavailable("the store layer failed", reason=type(error).__name__))

    async def point(self, pointers: list[Pointer], times: Mapping[Pointer, bytes] = NO_TIMES) -> None:
        """Write pointers by themselves; a call per slot."""
        if self.sealing is not None:
            seal = BatchSeal(self.sealing)
            keyed = [(seal.pointer(it), times.get(it, b"")) for it in pointers]
            pointers, times = [it for it, _occurred in keyed], dict(keyed)
        by_slot: dict[int, list[Pointer]] = {}
        for pointer in pointers:
            by_slot.setdefault(self._keys.partition(pointer.hash), []).append(pointer)
        calls = (
            self._functions.call("timeline_record", *program(part, [], times)) for part in by_slot.values()
        )
        await asyncio.gather(*calls)

    async def _store(self, batch: list[Entry], pointers: Mapping[Pointer, bytes]) -> None:
        if self.sealing is not None:
            await self._store_sealed(batch, pointers, BatchSeal(self.sealing))
            return
        keys, args = program(list(pointers), [item for item, _ in batch], pointers)
        answers = await self._answers(batch, pointers, keys, args)
        if answers is None:
            return
        await self._report_refused(batch, answers)
        for (_item, future), (status, place, arrival) in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(Recorded(status, place, arrival))

    async def _report_refused(self, batch: Sequence[Entry], answers: Sequence[Any]) -> None:
        refused = [item for (item, _), answer in zip(batch, answers, strict=True) if answer[0] in REFUSED]
        if refused and self.on_refused is not None:
            await self.on_refused(refused)

    async def _answers(
        self, batch: list[Entry], pointers: Mapping[Pointer, bytes], keys: list[bytes], args: list[Any]
    ) -> list[Any] | None:
        """The store's answers for the items. None after an error, when each item has its outcome."""
        try:
            answers: list[Any] = await self._functions.call("timeline_record", keys, args)
            return answers
        except StoreUnavailable as error:
            self._fail_all(batch, error)
        except Exception as error:
            await self._isolate(batch, pointers, error)
        return None

    async def _store_sealed(
        self, batch: list[Entry], pointers: Mapping[Pointer, bytes], seal: BatchSeal
    ) -> None:
        """The same for a sealed store. Items sealed with another key than their home's are sealed again."""
        for _try in range(RESEALS):
            sealed: list[Item] = []
            entries: list[Entry] = []
            try:
                keyed = {seal.pointer(it): occurred for it, occurred in pointers.items()}
                for entry in batch:
                    sealed.append(seal.item(entry[0]))
                    entries.append(entry)
            except StoreUnavailable as error:  # the keys cannot be used: nothing is stored in clear instead
                fail(batch, error)
                return
            answers = await self._answers(entries, pointers, *program(list(keyed), sealed, keyed))
            if answers is None:
                return
            await self._report_refused(entries, answers)
            batch, pointers = _to_reseal(entries, answers, seal), {}
            if not batch:
                return
        fail(batch, StoreUnavailable("the identity's key changes too fast", reason="busy"))

    async def _isolate(self, batch: list[Entry], pointers: Mapping[Pointer, bytes], error: Exception) -> None:
        """Store the items one by one, so that a poisoned one fails alone."""
        if len(batch) == 1:
            log.error("touchpoint_refused_by_store", error=str(error))
            fail(batch, StoreUnavailable("the store refused the touchpoint", reason=type(error).__name__))
            return
        for item, future in batch:
            # On a Cluster pointers are in other slots and were written before the batch.
            own = times_of((it, item) for it in item.pointers) if pointers else {}
            await self._store([(item, future)], own)

    def _fail_all(self, batch: list[Entry], error: StoreUnavailable) -> None:
        """Fail the waiting items too: behind a batch that timed out they would only wait as long again."""
        fail(batch, error)
        behind, self._waiting, self._waiting_bytes = list(self._waiting), deque(), 0
        fail(behind, error)


async def _outcomes(futures: Iterable[asyncio.Future[Recorded]]) -> list[Recorded | HandoffError]:
    """The outcome of each item, or its error."""
    answers: list[Recorded | HandoffError] = []
    for future in futures:
        try:
            answers.append(await future)
        except HandoffError as error:
            answers.append(error)
    return answers


def _to_reseal(entries: Sequence[Entry], answers: Sequence[Any], seal: BatchSeal) -> list[Entry]:
    """Report the items that were taken; those that must be sealed again."""
    again: list[Entry] = []
    for entry, (status, place, arrival) in zip(entries, answers, strict=True):
        item, future = entry
        if status != RESEAL:
            if status not in REFUSED:
                seal.stored(item.home)
            if not future.done():
                future.set_result(Recorded(status, place, arrival))
            continue
        try:
            seal.refused(item.home, place)
        except StoreUnavailable as error:
            fail([entry], error)
        else:
            again.append(entry)
    return again


def times_of(named: Iterable[tuple[Pointer, Item]]) -> dict[Pointer, bytes]:
    """Each pointer once, with the packed time of the latest event that names its identity.

    An identity that was erased since is left alone. The time is empty for conversations.
    """
    found: dict[Pointer, bytes] = {}
    for pointer, item in named:
        occurred = item.fixed[:8] if pointer.fields[0][0] == IDENTITY else b""
        if found.get(pointer, b"") <= occurred:
            found[pointer] = occurred
    return found


def merged(times: Mapping[Pointer, bytes]) -> dict[Pointer, bytes]:
    """One pointer a key and time, with the fields of all of them: an erasure refuses earlier ones only."""
    by_key: dict[tuple[bytes, bytes], tuple[Pointer, dict[bytes, bytes]]] = {}
    for pointer, occurred in times.items():
        _first, fields = by_key.setdefault((pointer.key, occurred), (pointer, {}))
        for name, value in pointer.fields:
            fields.setdefault(name, value)
    return {
        Pointer(first.hash, key, tuple(fields.items()), first.tenant): occurred
        for (key, occurred), (first, fields) in by_key.items()
    }


@lru_cache(256)
def _number(count: int) -> bytes:
    """A number as it is sent."""
    return b"%d" % count


def program(
    pointers: Sequence[Pointer], items: Sequence[Item], times: Mapping[Pointer, bytes] = NO_TIMES
) -> tuple[list[bytes], list[Any]]:
    """The keys and arguments of `timeline_record`. `times` are those of `times_of`."""
    keys = [*[pointer.key for pointer in pointers], *[item.timeline for item in items]]
    args: list[Any] = [_number(len(pointers)), _number(len(items))]
    for pointer in pointers:
        args += (times.get(pointer, b""), _number(len(pointer.fields)))
        args += chain.from_iterable(pointer.fields)
    for item in items:
        pieces = item.evidence
        args += (item.fixed, item.body, item.plain, item.tenant, item.resolves, _number(len(pieces)))
        args += chain.from_iterable(pieces)
    return keys, args


def fail(batch: Sequence[Entry], error: HandoffError) -> None:
    for _item, future in batch:
        if not future.done():
            future.set_exception(error)
