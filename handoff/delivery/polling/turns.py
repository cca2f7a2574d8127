"""One source's polling in one worker: take the lease, ask for a page, record it, move the cursor.

A worker records a page only while it holds the lease: one that was paused discards its page. The cursor moves
last, with the fencing token. If a page is recorded and its cursor does not move, it comes again, as
duplicates.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog

from handoff.adapter.contract import InboundRequest
from handoff.adapter.poller import CursorRefused, Page, PollClient, Poller, PollFailed
from handoff.domain.clock import Micros
from handoff.domain.errors import HandoffError
from handoff.services.context.completeness import Monitor
from handoff.services.sources.inbound import Inbound, Source
from handoff.store.repositories.tenant.poll_records import LEASE_MS, HeldPoll, PollRecords, PollState
from handoff.store.tenant import TenantStore

from .waiting import UNREACHABLE_FAILURES, after_failure, after_page, due_in_s

LOOK_S = 0.75  # so often a lease is renewed, or asked for
SPARE_S = 0.5  # of a lease, for the way of a command to the store
POLL_S = 60.0  # for one page
STORE_S = 1.0  # after the store did not answer
AT_ONCE = 32  # deliveries of a page that are recorded together
RELEASE_S = 1.0

log = structlog.get_logger(__name__)


class LeaseLost(Exception):
    """Another worker polls this source now, or the lease could not be renewed in time."""


class SourcePolling:
    """The polling of one source by this worker."""

    def __init__(
        self,
        source: Source,
        client: PollClient,
        store: TenantStore,
        inbound: Inbound,
        monitor: Monitor,
        owner: str,
    ) -> None:
        assert isinstance(source.adapter, Poller)
        self._source = source
        self._poller: Poller = source.adapter
        self._client = client
        self._store = store
        self._records: PollRecords = store.polls
        self._inbound = inbound
        self._monitor = monitor
        self._owner = owner
        self._reported: bool | None = None
        """Whether this worker has reported the source as unreachable; None: it has reported nothing yet."""

    async def run(self) -> None:
        """Poll until cancelled; then give the lease back."""
        try:
            while True:
                pause_s = await self._turn()
                await asyncio.sleep(pause_s)
        finally:
            with suppress(HandoffError, TimeoutError):
                async with asyncio.timeout(RELEASE_S):
                    await self._records.release(self._source.name, self._owner)

    async def _turn(self) -> float:
        """Poll if this worker may and the source is due; seconds until the next turn."""
        name = self._source.name
        try:
            began = asyncio.get_running_loop().time()
            held = await self._records.take(name, self._owner)
            if held is None:
                self._reported = None
                return LOOK_S
            wait_s = due_in_s(held.state, _now())
            if wait_s > 0:
                return min(wait_s, LOOK_S)
            async with self._holding(held, began):
                state = await self._polled(held)
                if not await self._records.keep(name, held, state):
                    raise LeaseLost
                await self._report(state)
        except LeaseLost:
            log.warning("poll_lease_lost", source=name)
            return LOOK_S
        except HandoffError as error:  # of the store: nothing was moved
            log.warning("poll_not_recorded", source=name, code=error.problem_code)
            return STORE_S
        except Exception:  # whatever it is must not stop the source for good
            log.exception("poll_crashed", source=name)
            return STORE_S
        return min(max(due_in_s(state, _now()), 0.0), LOOK_S)

    async def _polled(self, held: HeldPoll) -> PollState:
        """The state after one poll. Everything of its page is durable."""
        state = held.state
        try:
            page = await self._page(state)
        except CursorRefused:
            if state.cursor is not None:
                log.warning("poll_cursor_refused", source=self._source.name)
                return msgspec.structs.replace(state, cursor=None, next_at=_now())
            return self._failed(state, PollFailed("cursor_refused"))
        except PollFailed as error:
            return self._failed(state, error)
        await self._confirm(held)
        await self._record(page)
        now = _now()
        self._monitor.seen(self._source.tenant, self._source.name, now)
        return after_page(state, page, self._poller.settings, now)

    async def _page(self, state: PollState) -> Page:
        try:
            async with asyncio.timeout(POLL_S) as limit:
                return checked(await self._poller.poll(self._client, state.cursor))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise PollFailed("timeout") from error
        except (CursorRefused, PollFailed):
            raise
        except Exception as error:  # the adapter failed on what the vendor answered
            if isinstance(error, HandoffError) and error.retryable:  # the store, asked for access tokens
                raise
            log.exception("adapter_failed", adapter=self._poller.name)
            raise PollFailed("adapter_failed") from error

    def _failed(self, state: PollState, error: PollFailed) -> PollState:
        after = after_failure(state, error, _now(), random.random())
        log.warning(
            "poll_failed",
            source=self._source.name,
            reason=error.reason,
            detail=error.detail,
            failures=after.failures,
        )
        return after

    async def _confirm(self, held: HeldPoll) -> None:
        """LeaseLost unless this worker still holds the lease: the vendor may have taken its time."""
        again = await self._records.take(self._source.name, self._owner)
        if again is None or again.token != held.token:
            raise LeaseLost

    async def _record(self, page: Page) -> None:
        for at in range(0, len(page.deliveries), AT_ONCE):
            some = page.deliveries[at : at + AT_ONCE]
            await asyncio.gather(*(self._inbound.take(self._source, self._request(it)) for it in some))

    def _request(self, body: bytes) -> InboundRequest:
        return InboundRequest(
            method="POST",
            path="",
            url=self._poller.settings.base_url,
            query=(),
            headers={},
            raw=body,
            body=body,
            received_at=_now(),
        )

    async def _report(self, state: PollState) -> None:
        """Report to completeness whether the source is out of reach, when that changes."""
        unreachable = state.failures >= UNREACHABLE_FAILURES
        if unreachable == self._reported:
            return
        since = state.failing_since if unreachable else None
        await self._store.sources.mark_unreachable(self._source.name, since)
        if unreachable:
            log.error("source_unreachable", source=self._source.name, reason=state.reason)
        elif self._reported:
            log.info("source_reachable", source=self._source.name)
        self._reported = unreachable

    @asynccontextmanager
    async def _holding(self, held: HeldPoll, began: float) -> AsyncIterator[None]:
        """Renew the lease, which was taken at `began` of the loop's clock, until this is left.

        LeaseLost as soon as it cannot be held.
        """
        try:
            async with asyncio.timeout_at(began + LEASE_MS / 1000 - SPARE_S) as limit:
                renewing = asyncio.create_task(self._renew(held, limit))
                try:
                    yield
                finally:
                    renewing.cancel()
                    await asyncio.gather(renewing, return_exceptions=True)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise LeaseLost from error

    async def _renew(self, held: HeldPoll, limit: asyncio.Timeout) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(LOOK_S)
            began = now()
            try:
                await self._confirm(held)
            except LeaseLost:
                limit.reschedule(now())
                return
            except HandoffError:
                continue
            limit.reschedule(began + LEASE_MS / 1000 - SPARE_S)


def checked(page: Page) -> Page:
    """The page. TypeError for a cursor or a wait that is a value of the vendor's JSON, unchecked.

    A state with such a cursor could not be read again: the source would begin at `since`, again and again.
    """
    if page.cursor is not None and not isinstance(page.cursor, str):
        raise TypeError(f"the cursor of a page must be a str, not {type(page.cursor).__name__}")
    if page.wait_s is not None and not math.isfinite(page.wait_s):
        raise TypeError("the wait of a page must be finite")
    return page


def _now() -> Micros:
    return time.time_ns() // 1000
