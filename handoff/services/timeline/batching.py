"""What comes in with many requests is read and prepared together, one step after the other.

A processor that does all of one request and then all of the next forgets each piece of code before it
needs it again: reading and preparing a touchpoint takes three times as long there as in a loop of its
own. So requests of one turn of the event loop meet here. Nothing waits for others to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from handoff.domain.errors import HandoffError, Unprocessable
from handoff.domain.touchpoint import Touchpoint
from handoff.store.repositories.recorder import Awaited, Entry, Item, Recorded
from handoff.store.store import Store

from .recording import Result, prepare, prepare_or_reject, rejected, result_of, settle, without_nobody

AT_ONCE = 16  # requests: they share an fsync, and the store works on them while the next are read
BYTES_AT_ONCE = 64 * 1024  # of what they sent: no more than one delivery that is read by itself

Told = Callable[[Result | Exception], None]

log = structlog.get_logger(__name__)


class _SingleItem:
    """One request with one touchpoint; to the recorder it is the future of its item.

    `told` is called once, with what became of it or with the error, in the turn in which that is known.
    """

    __slots__ = ("_hashes", "_item", "_read", "_store", "_told", "_touchpoint", "size")

    def __init__(
        self, store: Store, tenant: str, read: Callable[[], Touchpoint], size: int, told: Told
    ) -> None:
        self.size = size
        self._store = store
        self._read = read
        self._told: Told | None = told
        self._hashes = store.hashes(tenant)
        self._touchpoint: Touchpoint
        self._item: Item

    def read(self) -> bool:
        try:
            self._touchpoint = self._read()
        except Exception as error:  # whatever hostile bytes provoke is their own sender's
            self.set_exception(error)
            return False
        return True

    def prepare(self) -> Sequence[Entry]:
        try:
            touchpoint = without_nobody(self._touchpoint, self._store.rules)
            self._item = item = prepare(touchpoint, self._hashes, self._store.keys)
        except Unprocessable as error:
            self._tell(rejected(error))
            return ()
        except Exception as error:  # one that cannot be prepared takes nobody with it
            self.set_exception(error)
            return ()
        return ((item, self),)

    def done(self) -> bool:
        return self._told is None

    def set_result(self, recorded: Recorded) -> None:
        self._tell(result_of(self._hashes, self._item, recorded.status))

    def set_exception(self, error: Exception) -> None:
        self._tell(error)

    def _tell(self, outcome: Result | Exception) -> None:
        told, self._told = self._told, None
        if told is None:
            return
        try:
            told(outcome)
        except Exception:  # others of the call wait behind this one
            log.exception("telling_failed")


class _ItemBatch:
    """One request with any number of touchpoints.

    `future` is that of the last item, or of what kept it from having any.
    """

    def __init__(
        self, store: Store, tenant: str, read: Callable[[], Sequence[Touchpoint]], size: int
    ) -> None:
        self.tenant = tenant
        self.size = size
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.touchpoints: Sequence[Touchpoint] = ()
        self.made: Sequence[Item | Result] = ()
        self.futures: Sequence[asyncio.Future[Any]] = ()
        self._store = store
        self._read = read

    def read(self) -> bool:
        try:
            self.touchpoints = self._read()
        except Exception as error:  # whatever hostile bytes provoke is their own sender's
            _fail(self.future, error)
            return False
        return True

    def prepare(self) -> Sequence[Entry]:
        try:
            self.made = prepare_or_reject(self._store, self.tenant, self.touchpoints)
        except Exception as error:  # one that cannot be prepared takes nobody with it
            _fail(self.future, error)
            return ()
        items = [it for it in self.made if isinstance(it, Item)]
        if items:
            loop = self.future.get_loop()
            self.futures = [*[loop.create_future() for _ in items[1:]], self.future]
        elif not self.future.done():
            self.future.set_result(None)
        return list(zip(items, self.futures, strict=True))


class Intake:
    """Records what requests bring. What is taken is stored, also when its caller does not wait for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_SingleItem | _ItemBatch] = []

    def begin(self, tenant: str, read: Callable[[], Touchpoint], size: int, told: Told) -> None:
        """Record the touchpoint that `read` makes of `size` bytes.

        `told` gets what becomes of it, once it is durable, or what `read` raises, or StoreUnavailable or
        Overloaded as `recording.record` raises them. An id with other content is refused, whether or not
        its sender updates.
        """
        self._ask(_SingleItem(self._store, tenant, read, size, told))

    async def record(self, tenant: str, read: Callable[[], Touchpoint], size: int = 0) -> Result:
        """As `begin`, for one who waits."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def told(outcome: Result | Exception) -> None:
            if isinstance(outcome, Exception):
                _fail(future, outcome)
            elif not future.done():
                future.set_result(outcome)

        self.begin(tenant, read, size, told)
        return await future

    async def record_all(
        self, tenant: str, read: Callable[[], Sequence[Touchpoint]], size: int
    ) -> list[Result]:
        """The same of all touchpoints that `read` gives, in their order; one that updates is an amendment."""
        asked = _ItemBatch(self._store, tenant, read, size)
        self._ask(asked)
        try:
            await asked.future
        except HandoffError:
            if not asked.futures:
                raise
        return await settle(
            self._store, self._store.recorder, tenant, asked.touchpoints, asked.made, asked.futures
        )

    def _ask(self, asked: _SingleItem | _ItemBatch) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        self._waiting.append(asked)

    def _turn(self) -> None:
        batch = self._take()
        read = [asked for asked in batch if asked.read()]
        entries = [entry for asked in read for entry in asked.prepare()]
        try:
            self._store.recorder.submit(entries, gathered=True)
        except HandoffError as error:
            for _item, future in entries:
                _fail(future, error)
        if self._waiting:  # after the store was given what is ready
            asyncio.get_running_loop().call_soon(self._turn)

    def _take(self) -> list[_SingleItem | _ItemBatch]:
        """Who is served in this turn: the first, and as many more as may be."""
        count = size = 0
        for asked in self._waiting:
            size += asked.size
            if count and (count == AT_ONCE or size > BYTES_AT_ONCE):
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch


def _fail(future: asyncio.Future[Any] | Awaited, error: Exception) -> None:
    if isinstance(error, StopIteration):  # which no future takes; a coroutine would say the same
        error = RuntimeError(f"a reader raised {error!r}")
    if not future.done():
        future.set_exception(error)
