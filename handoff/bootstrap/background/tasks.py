"""Tasks that run while a context is open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from handoff.domain.errors import HandoffError

log = structlog.get_logger(__name__)


@asynccontextmanager
async def in_background(name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` in a task, and cancel it on leaving."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def repeating(
    name: str, every_s: float, work: Callable[[], Awaitable[object]], *, at_the_end: bool = False
) -> AsyncIterator[None]:
    """Run `work` periodically. Failures are logged and do not stop it.

    `at_the_end` runs it once more on leaving. This takes a whole timeout if the store hangs, so use it
    only for work that no other process does.
    """

    async def loop() -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await work()
            except HandoffError as error:
                log.warning("background_failed", work=name, code=error.problem_code)
            except Exception:  # the outermost loop
                log.exception("background_crashed", work=name)

    try:
        async with in_background(name, loop()):
            yield
    finally:
        if at_the_end:
            with contextlib.suppress(HandoffError):
                await work()
