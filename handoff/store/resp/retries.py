"""Attempts over a transport, repeated until a deadline.

Every write of the product is idempotent, so a command whose answer was lost is sent again until the
overall deadline. A command whose caller stopped waiting still finishes in the background: cutting it off
would cost the connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from handoff.store.errors import translate, unavailable

from .transport import Transport

Result = TypeVar("Result")
Attempt = Callable[[Transport], Awaitable[Result]]

GRACE_S = 0.05  # for a call's own clean-up at its deadline
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 0.25


class Retries:
    """The calls of one connection. `repeats` counts attempts after the first one of each call.

    `recover` is awaited with the error of a failed attempt: it returns when another attempt may help and
    raises otherwise. `abandoned` is called when a caller stops waiting for what is not `shielded`.
    """

    def __init__(
        self,
        timeout_s: float,
        *,
        shielded: bool,
        recover: Callable[[Exception], Awaitable[None]],
        abandoned: Callable[[], None],
    ) -> None:
        self.timeout_s = timeout_s
        self.repeats = 0
        self._shielded = shielded
        self._recover = recover
        self._abandoned = abandoned
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Calls that are not finished, including those whose caller has gone."""
        return len(self._running)

    def close(self) -> None:
        """Refuse further calls."""
        self._closed = True

    async def aclose(self) -> None:
        """End the calls that still run: they fail as StoreUnavailable, reason `closed`."""
        self.close()
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def run(self, attempt: Attempt[Result], transport: Transport) -> Result:
        """The result of `attempt`, repeated until the deadline.

        Over a transport that is open the first attempt needs neither a task nor a timer: it ends by itself,
        after half the deadline at the latest. If it fails, the next attempt shows why or succeeds.
        """
        if self._closed:
            raise unavailable("closed")
        now = asyncio.get_running_loop().time
        deadline = now() + self.timeout_s
        if transport.is_open:
            try:
                return await attempt(transport)
            except asyncio.CancelledError:
                self._leave()
                raise
            except Exception:  # the next attempt reports it
                if self._closed:
                    raise unavailable("closed") from None
                transport = transport.fallback
        task = asyncio.ensure_future(self._until_deadline(attempt, transport, deadline))
        self._running.add(task)
        task.add_done_callback(self._finished)
        try:
            # Unlike awaiting the task this neither cancels it with its caller nor trusts it to end in time.
            done, _ = await asyncio.wait((task,), timeout=max(deadline - now(), 0.0) + GRACE_S)
        except asyncio.CancelledError:
            if not self._shielded:
                task.cancel()
            self._leave()
            raise
        if not done:
            task.cancel()
            raise unavailable("timeout")
        return task.result()

    def _leave(self) -> None:
        """A caller has gone. A command that blocks on the server would answer late, to nobody."""
        if not self._shielded:
            self._abandoned()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not report it when the caller is gone

    async def _until_deadline(
        self, attempt: Attempt[Result], transport: Transport, deadline: float
    ) -> Result:
        last: BaseException | None = None
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(deadline):
                for pause_s in _pauses():
                    if now() >= deadline:
                        raise TimeoutError  # redis-py swallowed the cancellation of the timeout
                    try:
                        return await attempt(transport)
                    except Exception as error:
                        # Any class: redis-py leaks AttributeErrors and more while slots move.
                        last = error
                        await self._recover(error)
                    transport = transport.fallback
                    self.repeats += 1
                    await asyncio.sleep(pause_s)
        except TimeoutError as error:
            known = translate(last) if last else unavailable("timeout")
            raise known from (last if last and last is not known else error)
        except asyncio.CancelledError:
            if self._closed:
                raise unavailable("closed") from None
            raise
        raise AssertionError("the pauses never end")


def _pauses() -> Iterator[float]:
    """The pause before each further attempt: none at first, for a stale connection, then longer ones."""
    yield 0.0
    longest = FIRST_PAUSE_S
    while True:
        yield longest * random.uniform(0.5, 1.0)
        longest = min(longest * 2, LONGEST_PAUSE_S)
