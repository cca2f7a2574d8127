"""What comes in with many requests is read and prepared together, one step after the other.

A processor that does all of one request and then all of the next forgets each piece of code before it
needs it again: reading and preparing a touchpoint takes three times as long there as in a loop of its
own. So requests of one turn of the event loop meet here. Nothing waits for others to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from handoff.domain.errors import HandoffError
from handoff.domain.touchpoint import Touchpoint
from handoff.store.recorder import Item
from handoff.store.store import Store

from .recording import Result, prepare_or_reject, result_of, settle

AT_ONCE = 64  # requests: 3 ms of single touchpoints in which no other request is looked at
BYTES_AT_ONCE = 64 * 1024  # of what they sent: no more than one delivery that is read by itself


class Asked(Struct, eq=False):
    """What one request has on its way: how to read it, and who waits for what becomes of it.

    `future` is that of the last item, or of what kept it from having any.
    """

    tenant: str
    read: Callable[[], Sequence[Touchpoint]]
    size: int
    future: asyncio.Future[Any]
    touchpoints: Sequence[Touchpoint] = ()
    made: Sequence[Item | Result] = ()
    futures: Sequence[asyncio.Future[Any]] = ()


class Intake:
    """Records what requests bring. What is taken is stored, also when its caller does not wait for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[Asked] = []

    async def record(self, tenant: str, read: Callable[[], Touchpoint], size: int = 0) -> Result:
        """What becomes of the touchpoint that `read` makes of `size` bytes, once it is durable.

        Raises what `read` raises, and StoreUnavailable or Overloaded as `recording.record` does. An id
        with other content is refused, whether or not its sender updates.
        """
        asked = self.begin(tenant, read, size)
        await asked.future
        return self.result(asked)

    def begin(self, tenant: str, read: Callable[[], Touchpoint], size: int = 0) -> Asked:
        """As `record`, for one who does not wait here: `result` when the future is done."""
        return self._ask(tenant, lambda: (read(),), size)

    def result(self, asked: Asked) -> Result:
        """What became of the one touchpoint of `begin`, whose future is done; raises as `record` does."""
        recorded = asked.future.result()
        (made,) = asked.made
        if isinstance(made, Result):
            return made
        return result_of(self._store.hashes(asked.tenant), made, recorded.status)

    async def record_all(
        self, tenant: str, read: Callable[[], Sequence[Touchpoint]], size: int
    ) -> list[Result]:
        """The same of all touchpoints that `read` gives, in their order; one that updates is an amendment."""
        asked = self._ask(tenant, read, size)
        try:
            await asked.future
        except HandoffError:
            if not asked.futures:
                raise
        return await settle(
            self._store, self._store.recorder, tenant, asked.touchpoints, asked.made, asked.futures
        )

    def _ask(self, tenant: str, read: Callable[[], Sequence[Touchpoint]], size: int) -> Asked:
        loop = asyncio.get_running_loop()
        asked = Asked(tenant, read, size, loop.create_future())
        if not self._waiting:
            loop.call_soon(self._turn, loop)
        self._waiting.append(asked)
        return asked

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._take()
        if self._waiting:
            loop.call_soon(self._turn, loop)
        read = [asked for asked in batch if _read(asked)]
        entries = [entry for asked in read for entry in self._prepare(asked, loop)]
        try:
            self._store.recorder.submit(entries)
        except HandoffError as error:
            for _item, future in entries:
                _fail(future, error)

    def _take(self) -> list[Asked]:
        """Who is served in this turn: the first, and as many more as may be."""
        count = size = 0
        for asked in self._waiting:
            size += asked.size
            if count and (count == AT_ONCE or size > BYTES_AT_ONCE):
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _prepare(
        self, asked: Asked, loop: asyncio.AbstractEventLoop
    ) -> Sequence[tuple[Item, asyncio.Future[Any]]]:
        """What the store shall write of it; each item with the future that tells what became of it."""
        try:
            asked.made = prepare_or_reject(self._store, asked.tenant, asked.touchpoints)
        except Exception as error:  # one that cannot be prepared takes nobody with it
            _fail(asked.future, error)
            return ()
        items = [it for it in asked.made if isinstance(it, Item)]
        if items:
            asked.futures = [*[loop.create_future() for _ in items[1:]], asked.future]
        elif not asked.future.done():
            asked.future.set_result(None)
        return list(zip(items, asked.futures, strict=True))


def _read(asked: Asked) -> bool:
    try:
        asked.touchpoints = asked.read()
    except Exception as error:  # whatever hostile bytes provoke is their own sender's
        _fail(asked.future, error)
        return False
    return True


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
