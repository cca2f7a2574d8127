"""The lease on an idempotency key: held while the request runs, and never by two requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from handoff.domain.errors import StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.repositories.claim_lease import LeaseTimes, renewed
from handoff.store.repositories.expiring import IdempotencyRecords
from tests.conftest import fresh_tenant, opened
from tests.store.servers import server, valkey_binary

TIMES = LeaseTimes(lease_s=1.5, cut_s=1.3, renew_s=0.2, retry_s=0.05)
SLOW_TIMES = LeaseTimes(lease_s=5.0, cut_s=4.0, renew_s=0.2, retry_s=0.05)
FAR_FROM_ENDING = LeaseTimes(lease_s=120, cut_s=100, renew_s=0.2, retry_s=0.05)
FIRST, SECOND = b"first", b"second"


@asynccontextmanager
async def claimed(url: str, **settings: float) -> AsyncIterator[tuple[IdempotencyRecords, bytes, float]]:
    """A key that the first request has claimed: the records, its place, and when the claim began."""
    async with opened(url, **settings) as store:
        records = store.of(fresh_tenant()).idempotency
        place = records.place_of(b"k" * 16)
        claimed_at = asyncio.get_running_loop().time()
        assert await records.claim(place, FIRST, seconds=TIMES.lease_s) is None
        yield records, place, claimed_at


async def test_a_long_request_keeps_its_key(valkey: str) -> None:
    async with claimed(valkey) as (records, place, claimed_at):
        async with renewed(records, place, FIRST, claimed_at, TIMES):
            while asyncio.get_running_loop().time() < claimed_at + 1.5 * TIMES.lease_s:
                assert await records.claim(place, SECOND, seconds=TIMES.lease_s) == FIRST
        async with asyncio.timeout(5 * TIMES.lease_s):
            while await records.claim(place, SECOND, seconds=TIMES.lease_s) is not None:
                pass


async def test_a_request_that_cannot_renew_is_cut_off_before_its_lease_ends() -> None:
    with server(valkey_binary()) as valkey:
        async with claimed(valkey.url, timeout_s=1.5) as (records, place, claimed_at):
            valkey.pause()
            with pytest.raises(StoreUnavailable):
                async with renewed(records, place, FIRST, claimed_at, SLOW_TIMES):  # renews more than once
                    await asyncio.Event().wait()
            assert asyncio.get_running_loop().time() - claimed_at >= SLOW_TIMES.cut_s
            valkey.resume()


async def test_a_request_whose_key_was_taken_is_cut_off(valkey: str) -> None:
    async with claimed(valkey) as (records, place, claimed_at):
        await records.keep(place, SECOND, seconds=100)
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(20), renewed(records, place, FIRST, claimed_at, FAR_FROM_ENDING):
                await asyncio.Event().wait()


async def test_a_claim_that_expired_is_put_back(valkey: str) -> None:
    async with claimed(valkey) as (records, place, _claimed_at):
        await records.release(place, FIRST)
        assert await records.renew(place, FIRST, seconds=100)
        assert await records.claim(place, SECOND, seconds=1) == FIRST


class AnswersMeanwhile:
    """A connection to a store where the request's answer is kept right after the marker is read."""

    def __init__(self, connection: Connection, records: IdempotencyRecords) -> None:
        self._connection, self._records = connection, records

    async def call(self, *command: Any, key: bytes) -> Any:
        found = await self._connection.call(*command, key=key)
        if command[0] == b"GET":
            await self._records.keep(key, b"answer", seconds=100)
        return found


async def test_a_late_renewal_does_not_shorten_the_life_of_the_answer(valkey: str) -> None:
    async with opened(valkey) as store:
        tenant = store.of(fresh_tenant())
        place = tenant.idempotency.place_of(b"k" * 16)
        assert await tenant.idempotency.claim(place, FIRST, seconds=5) is None
        racing = AnswersMeanwhile(store.connection, tenant.idempotency)
        records = IdempotencyRecords(cast(Connection, racing), tenant.control.keys)
        assert await records.renew(place, FIRST, seconds=5)
        assert await store.connection.call(b"TTL", place, key=place) > 50


async def test_another_timeout_in_the_request_stays_itself(valkey: str) -> None:
    async with claimed(valkey) as (records, place, claimed_at):
        with pytest.raises(TimeoutError):
            async with renewed(records, place, FIRST, claimed_at, TIMES):
                raise TimeoutError
