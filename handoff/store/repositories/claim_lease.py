"""The lease of a request on its idempotency key: renewed while the request runs, short when its worker dies.

A retry may run as soon as the lease has expired. So that both never run at the same time, a request that
could not renew its lease in time is cut off before that, and one that lost its lease to another at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from handoff.domain.errors import StoreUnavailable

from .expiring import IdempotencyRecords


class LeaseTimes(Struct, frozen=True, kw_only=True):
    """Durations in seconds."""

    lease_s: float = 6.0
    """Longer than a failover, during which nothing can be renewed."""
    cut_s: float = 5.5
    """Without a renewal; the rest of the lease is for the way of a command to the store."""
    renew_s: float = 1.5
    retry_s: float = 0.25


@asynccontextmanager
async def renewed(
    records: IdempotencyRecords, place: bytes, claim: bytes, claimed_at: float, times: LeaseTimes
) -> AsyncIterator[None]:
    """Hold the lease of a claim, which started at `claimed_at` of the loop's clock, until this is left.

    Raises StoreUnavailable when the lease cannot be held.
    """
    try:
        async with asyncio.timeout_at(claimed_at + times.cut_s) as limit:
            renewing = asyncio.create_task(_renew(records, place, claim, claimed_at, times, limit))
            try:
                yield
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise StoreUnavailable(reason="timeout") from error


async def _renew(
    records: IdempotencyRecords,
    place: bytes,
    claim: bytes,
    renewed_at: float,
    times: LeaseTimes,
    limit: asyncio.Timeout,
) -> None:
    now = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(renewed_at + times.renew_s - now())
        began = now()
        try:
            held = await records.renew(place, claim, seconds=times.lease_s)
        except StoreUnavailable:
            await asyncio.sleep(times.retry_s)
            continue
        if not held:
            limit.reschedule(now())
            return
        renewed_at = began
        limit.reschedule(renewed_at + times.cut_s)
