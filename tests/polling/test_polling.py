"""Fetched sources: each item once, whatever the vendor and the workers do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest

from handoff.adapter.contract import InboundRequest, Outcome
from handoff.adapter.poller import Page, PollClient, PollFailed, PollOptions
from handoff.bootstrap.sources import facts
from handoff.delivery.polling.client import GuardedClient, policy_of
from handoff.delivery.polling.oauth import AccessTokens
from handoff.delivery.polling.service import PollingService
from handoff.delivery.polling.waiting import after_failure, after_page, backoff_s, due_in_s
from handoff.delivery.sender import Sender
from handoff.domain.clock import SECOND
from handoff.domain.errors import InvalidPayload, StoreUnavailable
from handoff.services.context.completeness import Concern, Monitor
from handoff.services.metrics import Measures
from handoff.services.sources.inbound import Inbound, Source
from handoff.services.timeline.batching import Intake
from handoff.store.repositories.tenant.poll_records import PollState
from handoff.store.store import Store
from tests.delivery.conftest import stored_values
from tests.delivery.subscribers import until, until_async
from tests.samples import timeline

from .example import FolioAdapter
from .vendor import AT, BASIC, CUSTOMER, FolioVendor, folio

LOOPBACK: dict[str, Any] = {"allow_insecure": True, "allow_networks": ("127.0.0.0/8",)}
OAUTH: dict[str, Any] = {"client_id": "handoff", "client_secret": "s3cret"}


@pytest.fixture
async def vendor() -> AsyncIterator[FolioVendor]:
    async with folio() as vendor:
        vendor.messages = [f"m{number}" for number in range(5)]
        yield vendor


def source_of(vendor: FolioVendor, tenant: str, **options: Any) -> Source:
    given = {"name": "folio", "adapter": "chat.folio", "base_url": vendor.url, "tenant": tenant}
    table = {**given, "every_s": 1.0, **LOOPBACK, **options}
    if "oauth" in table:
        table["oauth"] = {"token_url": f"{vendor.url}/token", **OAUTH, **table["oauth"]}
    made = msgspec.convert(table, PollOptions)
    return Source(options=made, adapter=FolioAdapter(made))


class RefusingOnce(Inbound):
    """Refuses the second delivery that it is given, as a store that is lost for a moment."""

    taken = 0

    async def take(self, source: Source, request: InboundRequest) -> Outcome:
        self.taken += 1
        if self.taken == 2:
            raise StoreUnavailable(reason="timeout")
        return await super().take(source, request)


@asynccontextmanager
async def polling(store: Store, source: Source, kind: type[Inbound] = Inbound) -> AsyncIterator[Monitor]:
    """One worker that polls the source."""
    monitor = Monitor(store, facts({"folio": source}))
    inbound = kind(store, Intake(store), monitor, Measures())
    try:
        async with PollingService(store, inbound, monitor, lambda: {"folio": source}).running():
            yield monitor
    finally:
        inbound.close()


async def recorded(store: Store, tenant: str) -> list[str | None]:
    try:
        return [it.text for it in await timeline(store, tenant, f"email:{CUSTOMER}")]
    except AssertionError:  # nobody is known yet
        return []


async def all_recorded(store: Store, tenant: str, vendor: FolioVendor) -> None:
    """Wait until everything is recorded; each item once."""

    async def done() -> bool:
        return set(await recorded(store, tenant)) == set(vendor.messages)

    await until_async(done)
    assert sorted(map(str, await recorded(store, tenant))) == sorted(vendor.messages)


async def test_pages_that_overlap_are_each_item_once(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    async with polling(own_store, source_of(vendor, tenant, since="2026-01-01T00:00:00Z")):
        await all_recorded(own_store, tenant, vendor)
        assert [query for _at, query in vendor.asked][:3] == [
            "since=2026-01-01T00:00:00Z",
            "after=1.2",
            "after=1.4",
        ]
        vendor.messages.append("later")
        await all_recorded(own_store, tenant, vendor)
    (state,) = await own_store.of(tenant).polls.states(["folio"])
    assert state.cursor == "1.6"


async def test_the_cursor_waits_until_the_page_is_recorded(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    async with polling(own_store, source_of(vendor, tenant), RefusingOnce):
        await all_recorded(own_store, tenant, vendor)
    assert [query for _at, query in vendor.asked][:3] == ["since=", "since=", "after=1.2"]


async def test_one_of_several_workers_polls(own_store: Store, tenant: str, vendor: FolioVendor) -> None:
    async with AsyncExitStack() as stack:
        for _worker in range(3):
            await stack.enter_async_context(polling(own_store, source_of(vendor, tenant)))
        await all_recorded(own_store, tenant, vendor)
        asked = len(vendor.asked)
        assert asked == 3
        await until(lambda: len(vendor.asked) >= asked + 2)
    gaps = [later[0] - one[0] for one, later in zip(vendor.asked[2:], vendor.asked[3:], strict=False)]
    assert min(gaps) > 0.9


async def test_a_worker_that_stops_hands_over_at_once(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    async with polling(own_store, source_of(vendor, tenant)):
        await all_recorded(own_store, tenant, vendor)
    assert await own_store.of(tenant).polls.take("folio", "another") is not None


@pytest.mark.parametrize("status", [500, 503, 429, 403, 302])
async def test_what_fails_is_asked_again_from_the_same_cursor(
    own_store: Store, tenant: str, vendor: FolioVendor, status: int
) -> None:
    vendor.failures = [(status, {"Location": "/messages"})]
    async with polling(own_store, source_of(vendor, tenant)):
        await all_recorded(own_store, tenant, vendor)
    assert vendor.asked[0][1] == vendor.asked[1][1]
    assert vendor.asked[1][0] - vendor.asked[0][0] >= 0.5


async def test_retry_after_is_honoured_by_the_next_worker_too(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    vendor.failures = [(429, {"Retry-After": "3"})]
    async with polling(own_store, source_of(vendor, tenant)):
        await until_async(lambda: _failing(own_store, tenant))
    async with polling(own_store, source_of(vendor, tenant)):
        await all_recorded(own_store, tenant, vendor)
    assert vendor.asked[1][0] - vendor.asked[0][0] >= 2.9


async def _failing(store: Store, tenant: str) -> bool:
    (state,) = await store.of(tenant).polls.states(["folio"])
    return state.failures > 0


async def test_a_vendor_that_does_not_answer_in_time(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    released = asyncio.Event()

    async def hang(number: int) -> None:
        if number == 1:
            await released.wait()

    vendor.answering = hang
    async with polling(own_store, source_of(vendor, tenant, timeout_s=0.3)):
        await until_async(lambda: _failing(own_store, tenant))
        (state,) = await own_store.of(tenant).polls.states(["folio"])
        assert state.reason == "timeout"
        released.set()
        await all_recorded(own_store, tenant, vendor)


class StrictFolio(FolioAdapter):
    """Refuses a page without a cursor, with the error that `parse` raises."""

    async def poll(self, client: PollClient, cursor: str | None) -> Page:
        try:
            return await super().poll(client, cursor)
        except KeyError as error:
            raise InvalidPayload("The page has no cursor") from error


@pytest.mark.parametrize(
    ("adapter", "answer"),
    [
        (StrictFolio, {"messages": []}),
        (FolioAdapter, {"messages": [], "next": 7, "more": False}),
        (FolioAdapter, {"messages": [], "next": {"after": 7}, "more": False}),
        (FolioAdapter, {"messages": "none", "next": "1.0"}),
    ],
)
async def test_an_answer_that_the_adapter_can_not_use_is_a_failed_poll(
    own_store: Store, tenant: str, vendor: FolioVendor, adapter: type[FolioAdapter], answer: dict[str, Any]
) -> None:
    async def unusable(number: int) -> dict[str, Any] | None:
        return answer if number == 1 else None

    vendor.answering = unusable
    options = source_of(vendor, tenant).options
    assert isinstance(options, PollOptions)
    async with polling(own_store, Source(options=options, adapter=adapter(options))):
        await until_async(lambda: _failing(own_store, tenant))
        (state,) = await own_store.of(tenant).polls.states(["folio"])
        assert (state.reason, state.cursor) == ("adapter_failed", None)
        await all_recorded(own_store, tenant, vendor)


async def test_a_source_out_of_reach_lowers_completeness(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    source = source_of(vendor, tenant)

    async def state(monitor: Monitor) -> tuple[str, bool]:
        made = await monitor.completeness(tenant, concern=Concern(), now=time.time_ns() // 1000)
        (seen,) = made.completeness.sources
        return made.completeness.state, seen.unreachable_since is not None

    async with polling(own_store, source) as monitor:
        await all_recorded(own_store, tenant, vendor)
        assert await state(monitor) == ("complete", False)
        vendor.failures = [(500, {})] * 3

        async def degraded() -> bool:
            return await state(monitor) == ("degraded", True)

        async def complete() -> bool:
            return await state(monitor) == ("complete", False)

        await until_async(degraded)
        other = Monitor(own_store, facts({"folio": source}))
        assert await state(other) == ("degraded", True)
        await until_async(complete)


async def test_a_refused_or_lost_cursor_begins_again_without_doubles(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    source, polls = source_of(vendor, tenant, since="2026-01-01T00:00:00Z"), own_store.of(tenant).polls
    async with polling(own_store, source):
        await all_recorded(own_store, tenant, vendor)
        vendor.era, vendor.messages = 2, [*vendor.messages, "new"]
        await all_recorded(own_store, tenant, vendor)
        assert vendor.refused == 1
    held = await polls.take("folio", "operator")
    assert held is not None
    assert await polls.keep("folio", held, PollState())  # as after a loss of the store's data
    await polls.release("folio", "operator")
    vendor.messages.append("newer")
    async with polling(own_store, source):
        await all_recorded(own_store, tenant, vendor)
    assert [query for _at, query in vendor.asked].count("since=2026-01-01T00:00:00Z") == 3


async def test_a_former_holder_can_not_move_the_cursor(own_store: Store, tenant: str) -> None:
    polls = own_store.of(tenant).polls
    former = await polls.take("folio", "paused")
    assert former is not None
    await polls.release("folio", "paused")  # as when its lease has run out
    present = await polls.take("folio", "next")
    assert present is not None
    assert await polls.keep("folio", present, PollState(cursor="7"))
    assert not await polls.keep("folio", former, PollState(cursor="3"))
    assert await polls.take("folio", "paused") is None
    assert (await polls.states(["folio"]))[0].cursor == "7"


async def test_a_page_of_a_lost_lease_is_not_recorded(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    polls = own_store.of(tenant).polls

    async def lose_the_lease(number: int) -> dict[str, Any] | None:
        if number > 1:
            return None
        (lease,) = await own_store.connection.call(b"KEYS", b"*poll_lease*")
        await own_store.connection.call(b"DEL", lease, key=lease)
        assert await polls.take("folio", "another") is not None
        stale = {"id": "stale", "at": AT, "from": CUSTOMER, "text": "stale"}
        return {"messages": [stale], "next": "1.1", "more": False}

    vendor.answering = lose_the_lease
    async with polling(own_store, source_of(vendor, tenant)):
        await until(lambda: len(vendor.asked) == 1)
        await all_recorded(own_store, tenant, vendor)  # when the lease of the other has run out
    assert vendor.asked[1][1] == "since="


async def test_what_the_adapter_can_not_read_is_in_quarantine(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    async def answer(number: int) -> dict[str, Any] | None:
        return {"messages": [{"from": "nobody"}], "next": "1.0", "more": True} if number == 1 else None

    vendor.answering = answer
    source = source_of(vendor, tenant)
    async with polling(own_store, source) as monitor:
        await all_recorded(own_store, tenant, vendor)
        (seen,) = await monitor.source_states(tenant, now=time.time_ns() // 1000)
    assert seen.quarantined == 1


async def test_only_the_hosts_of_the_source_are_asked(vendor: FolioVendor) -> None:
    async with Sender() as sender:
        adapter = source_of(vendor, "default").adapter
        client = GuardedClient(sender, adapter, None)  # type: ignore[arg-type]
        for url in ("http://127.0.0.2:9/messages", vendor.url.replace("http", "https"), "file:///etc/passwd"):
            with pytest.raises(PollFailed) as refused:
                await client.request("GET", url)
            assert refused.value.reason == "other_origin"
        closed = source_of(vendor, "default", allow_networks=()).adapter
        with pytest.raises(PollFailed):
            await GuardedClient(sender, closed, None).request("GET", f"{vendor.url}/messages")  # type: ignore[arg-type]
        with pytest.raises(PollFailed) as redirected:
            await client.request("GET", f"{vendor.url}/elsewhere/messages")
        assert redirected.value.reason == "redirect"
    assert vendor.asked == []


# Access tokens


async def test_client_credentials_are_asked_for_once(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    vendor.tokens = True
    source = source_of(vendor, tenant, oauth={})
    async with polling(own_store, source):
        await all_recorded(own_store, tenant, vendor)
    async with polling(own_store, source):
        vendor.messages.append("by the next worker")
        await all_recorded(own_store, tenant, vendor)
    assert vendor.granted == [""]
    assert vendor.authorised == [BASIC]
    values = await stored_values(own_store)
    assert b"access-1" not in values
    assert b"s3cret" not in values


async def test_refresh_tokens_rotate(own_store: Store, tenant: str, vendor: FolioVendor) -> None:
    vendor.tokens = True
    source = source_of(vendor, tenant, oauth={"grant": "refresh_token", "refresh_token": "first"})
    async with polling(own_store, source):
        await all_recorded(own_store, tenant, vendor)
        vendor.access = "revoked"
        vendor.messages.append("after a revoked token")
        await all_recorded(own_store, tenant, vendor)
    assert vendor.granted == ["first", "refresh-1"]


async def test_a_refused_refresh_token_shows_operators_what_to_do(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    vendor.tokens = True
    source = source_of(vendor, tenant, oauth={"grant": "refresh_token", "refresh_token": "stale"})
    async with polling(own_store, source):
        await until_async(lambda: _failing(own_store, tenant))
        (state,) = await own_store.of(tenant).polls.states(["folio"])
        assert state.reason == "oauth_refused"
    authorised = source_of(vendor, tenant, oauth={"grant": "refresh_token", "refresh_token": "first"})
    async with polling(own_store, authorised):
        await all_recorded(own_store, tenant, vendor)


def tokens_of(store: Store, tenant: str, vendor: FolioVendor, sender: Sender) -> AccessTokens:
    source = source_of(vendor, tenant, oauth={"grant": "refresh_token", "refresh_token": "first"})
    return AccessTokens(store.of(tenant), sender, source.adapter.settings, policy_of(source.adapter.settings))


async def test_a_new_refresh_token_is_durable_before_it_is_used(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    vendor.tokens = True
    async with Sender() as sender:
        used = await tokens_of(own_store, tenant, vendor, sender).access()
        # Another worker continues with what the first one stored, although it was killed at once.
        assert await tokens_of(own_store, tenant, vendor, sender).replace(used) == "access-2"
    assert vendor.granted == ["first", "refresh-1"]


async def test_a_cancelled_poll_keeps_the_tokens_that_the_vendor_issued(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    vendor.tokens, vendor.token_delay_s = True, 0.3
    async with Sender() as sender:
        asking = asyncio.create_task(tokens_of(own_store, tenant, vendor, sender).access())
        await until(lambda: len(vendor.granted) == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await tokens_of(own_store, tenant, vendor, sender).access() == "access-1"
    assert vendor.granted == ["first"]


async def test_a_worker_that_asks_too_late_uses_the_tokens_of_the_other(
    own_store: Store, tenant: str, vendor: FolioVendor
) -> None:
    vendor.tokens, vendor.token_delay_s = True, 0.1
    async with Sender() as sender:
        both = [tokens_of(own_store, tenant, vendor, sender) for _worker in range(2)]
        slow = asyncio.create_task(both[0].access())
        await until(lambda: len(vendor.granted) == 1)
        vendor.token_delay_s = 0.3  # the other worker is refused after the first one has its tokens
        assert await asyncio.gather(slow, both[1].access()) == ["access-1", "access-1"]
    assert vendor.granted == ["first"]


# Pure


def test_waits_grow_with_jitter_and_never_undercut_the_vendor() -> None:
    assert [backoff_s(n, None, 1.0) for n in (1, 2, 3, 9, 10, 2000)] == [1, 2, 4, 256, 300, 300]
    assert backoff_s(3, None, 0.0) == 2
    assert backoff_s(1, 7.0, 0.0) == 7
    assert backoff_s(1, 10.0**9, 0.0) == 3600


def test_a_page_moves_the_cursor_and_ends_the_failures() -> None:
    options = PollOptions(name="folio", adapter="chat.folio", base_url="https://x.example", every_s=60)
    failing = after_failure(PollState(cursor="1"), PollFailed("timeout"), 100 * SECOND, 1.0)
    assert (failing.cursor, failing.failures, failing.failing_since) == ("1", 1, 100 * SECOND)
    again = after_failure(failing, PollFailed("timeout"), 200 * SECOND, 1.0)
    assert (again.failures, again.failing_since) == (2, 100 * SECOND)
    assert after_page(again, Page(cursor="2", more=True), options, 0) == PollState(cursor="2", next_at=0)
    assert after_page(again, Page(cursor="1", more=True), options, 0).next_at == 60 * SECOND
    assert after_page(again, Page(wait_s=5), options, 0) == PollState(cursor="1", next_at=5 * SECOND)


def test_a_clock_that_was_ahead_does_not_stop_a_source() -> None:
    assert due_in_s(PollState(next_at=10**18), 0) == 3600
