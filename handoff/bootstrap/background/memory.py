"""Gives memory back to the machine after many large requests, and allows enough open connections."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from handoff.adapter.admission import ByteBudget

from .tasks import in_background

CHECK_S = 2.0
PAUSE_S = 10.0  # a collection stops the event loop for some milliseconds
LARGE = 16 * 1024 * 1024  # bytes in flight after which it is worthwhile
SPARE_FILES = 512  # for the store, webhooks, and files


@asynccontextmanager
async def giving_back(budget: ByteBudget) -> AsyncIterator[None]:
    """The C library keeps freed memory. Return it once the requests that took much of it are answered."""
    async with in_background("memory", _give_back(budget)):
        yield


async def _give_back(budget: ByteBudget) -> None:
    trim = _malloc_trim()
    while trim is not None:
        await asyncio.sleep(CHECK_S)
        if budget.peak > LARGE and budget.used < budget.peak // 4:
            budget.peak = budget.used
            gc.collect()  # the frames of refused requests still refer to their bodies, in cycles
            await asyncio.to_thread(trim, 0)
            await asyncio.sleep(PAUSE_S)


def _malloc_trim() -> ctypes._NamedFuncPointer | None:
    """glibc's function; None with another C library."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None


def allow_connections(count: int) -> None:
    """Raise this process's limit of open files to what so many connections need, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
