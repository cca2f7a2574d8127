"""Touchpoints that come one a request are read and prepared together, one step after the other.

A processor that does all of one request and then all of the next forgets each piece of code before it
needs it again: reading and preparing a touchpoint takes three times as long there as in a loop of its
own. So requests of one turn of the event loop meet here. Nothing waits for others to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from handoff.domain.errors import HandoffError, Unprocessable
from handoff.domain.touchpoint import Touchpoint
from handoff.store.recorder import Item, Recorded
from handoff.store.store import Store

from .recording import Result, prepare, rejected, result_of, without_nobody

AT_ONCE = 64  # touchpoints: 3 ms in which no other request is looked at


class Asked(Struct, eq=False):
    """One touchpoint on its way: how to read it, and who waits for what becomes of it."""

    tenant: str
    read: Callable[[], Touchpoint]
    future: asyncio.Future[Recorded | Result]
    item: Item | None = None


class Intake:
    """Records single touchpoints. What is taken is stored, also when its caller does not wait for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[Asked] = []

    async def record(self, tenant: str, read: Callable[[], Touchpoint]) -> Result:
        """What becomes of the touchpoint that `read` gives, once it is durable.

        Raises what `read` raises, and StoreUnavailable or Overloaded as `recording.record` does.
        """
        loop = asyncio.get_running_loop()
        asked = Asked(tenant, read, loop.create_future())
        if not self._waiting:
            loop.call_soon(self._turn, loop)
        self._waiting.append(asked)
        became = await asked.future
        if isinstance(became, Result):
            return became
        assert asked.item is not None
        return result_of(self._store.hashes(tenant), asked.item, became.status)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        if self._waiting:
            loop.call_soon(self._turn, loop)
        read = [(asked, _read(asked)) for asked in batch]
        prepared = [asked for asked, it in read if it is not None and self._prepare(asked, it)]
        try:
            self._store.recorder.submit([(it.item, it.future) for it in prepared if it.item is not None])
        except HandoffError as error:
            for asked in prepared:
                _fail(asked, error)

    def _prepare(self, asked: Asked, touchpoint: Touchpoint) -> bool:
        store = self._store
        try:
            known = without_nobody(touchpoint, store.rules)
            asked.item = prepare(known, store.hashes(asked.tenant), store.keys)
        except Unprocessable as error:
            if not asked.future.done():
                asked.future.set_result(rejected(error))
        except Exception as error:  # one that cannot be prepared takes nobody with it
            _fail(asked, error)
        return asked.item is not None


def _read(asked: Asked) -> Touchpoint | None:
    try:
        return asked.read()
    except Exception as error:  # whatever hostile bytes provoke is their own sender's
        _fail(asked, error)
        return None


def _fail(asked: Asked, error: Exception) -> None:
    if not asked.future.done():
        asked.future.set_exception(error)
