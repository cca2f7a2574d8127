"""The cache of contexts: valid entries are served, and every change invalidates them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from handoff.api.handlers.context_cache import ContextCache
from handoff.domain.errors import StoreUnavailable
from handoff.services.context.completeness import Assessment
from handoff.services.context.validation import Validator
from handoff.store.reads import prepare
from tests.reads import CountingMonitor, NoValidation

from .conftest import Api

PATH = "/v1/context?identity=user:anna"


@pytest.fixture
def built(api: Api) -> CountingMonitor:
    """Counts the contexts that the server assembles."""
    counting = CountingMonitor(api.server.site.monitor)
    api.server.site.monitor = counting  # type: ignore[assignment]
    return counting


async def looked(api: Api, etag: str, path: str = PATH) -> int:
    return (await api.get(path, headers={"If-None-Match": etag})).status


async def test_the_timeline_is_not_read_again_while_nothing_changed(api: Api, built: CountingMonitor) -> None:
    await api.record("one")
    etag = (await api.get(PATH)).headers["Etag"]
    assert built.assembled == 1
    assert [await looked(api, etag) for _ in range(3)] == [304, 304, 304]
    assert built.assembled == 1
    assert await looked(api, etag, PATH + "&fields=brief") == 200
    assert await looked(api, 'W/"another"') == 200


async def test_values_that_depend_on_the_clock_are_refreshed(api: Api, built: CountingMonitor) -> None:
    api.server.site.recent.trusted_s = 0.05
    await api.record("one")
    etag = (await api.get(PATH)).headers["Etag"]
    async with asyncio.timeout(10):
        while built.assembled < 2:
            assert await looked(api, etag) == 304


async def test_equal_lookups_get_the_cached_bytes_while_they_are_valid(
    api: Api, built: CountingMonitor
) -> None:
    await api.record("one")
    asked = {"identities": ["user:anna"]}
    responses = [(await api.call("POST", "/v1/context", asked)).raw for _ in range(3)]
    assert len(set(responses)) == built.assembled == 1
    fewer = await api.call("POST", "/v1/context", {**asked, "limit": 1, "fields": ["timeline"]})
    assert fewer.raw != responses[0]
    await api.record("two")
    again = await api.call("POST", "/v1/context", asked)
    assert again.json["timeline"]["total"] == 2
    assert built.assembled == 3


async def test_concurrent_equal_lookups_build_one_context(api: Api, built: CountingMonitor) -> None:
    await api.record("one")
    asked = {"identities": ["user:anna"]}
    responses = await asyncio.gather(*(api.call("POST", "/v1/context", asked) for _ in range(12)))
    assert len({it.raw for it in responses}) == built.assembled == 1


class Gathering(ContextCache):
    """A cache that knows when a number of lookups wait for the one that is being built."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count
        self.gathered = asyncio.Event()

    async def wait_for(self, lookup: Hashable) -> bool:
        if lookup in self._building:
            self._left -= 1
            if not self._left:
                self.gathered.set()
        return await super().wait_for(lookup)


class FailsOnce(CountingMonitor):
    """A monitor whose first answer is a failure, once `when` is set."""

    when: asyncio.Event

    async def completeness(self, tenant: str, **given: Any) -> Assessment:
        if not self.assembled:
            self.assembled += 1
            async with asyncio.timeout(10):
                await self.when.wait()
            raise StoreUnavailable("gone")
        return await super().completeness(tenant, **given)


async def test_a_lookup_that_waited_for_a_failed_one_builds_its_own(api: Api) -> None:
    await api.record("one")
    site = api.server.site
    site.recent = cache = Gathering(4)
    failing = FailsOnce(site.monitor)
    failing.when = cache.gathered
    site.monitor = failing  # type: ignore[assignment]
    asked = {"identities": ["user:anna"]}
    responses = await asyncio.gather(*(api.call("POST", "/v1/context", asked) for _ in range(5)))
    assert sorted(it.status for it in responses) == [200, 200, 200, 200, 503]


async def test_the_cache_is_not_used_while_the_store_is_down(api: Api) -> None:
    await api.record("one")
    etag = (await api.get(PATH)).headers["Etag"]
    store = api.server.store
    store.connection = NoValidation(store.connection)  # type: ignore[assignment]
    assert (await api.get(PATH)).status == await looked(api, etag) == 503


async def test_with_a_summariser_nothing_is_cached_or_shared(api: Api, built: CountingMonitor) -> None:
    """A summary takes seconds and is never cached, so no lookup waits for another."""

    class Slow:
        async def add(self, _items: Any, brief: Any, _mask: Any) -> Any:
            async with asyncio.timeout(10):
                await together.wait()
            return brief

    together = asyncio.Barrier(4)
    await api.record("one")
    api.server.site.summariser = Slow()
    answers = await asyncio.gather(*(api.get(PATH) for _ in range(4)))
    assert {it.status for it in answers} == {200}
    assert built.assembled == 4


async def test_no_store_bypasses_the_cache(api: Api, built: CountingMonitor) -> None:
    await api.record("one")
    for _ in range(2):
        assert (await api.get(PATH, headers={"Cache-Control": "no-store"})).status == 200
    assert built.assembled == 2


async def test_entries_leave_memory_when_they_expire(api: Api) -> None:
    kept = api.server.site.recent
    kept.trusted_s = 0.5
    await api.record("one")
    await api.get(PATH)
    assert kept._kept
    async with asyncio.timeout(10):
        while kept._kept:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
    assert kept._size == 0


async def test_the_cache_is_bounded() -> None:
    kept = ContextCache(max_bytes=8_000)
    basis = Validator(asked=prepare(()), count=0, digest=b"", completeness=None)
    for number in range(20):
        kept.put(number, b"x" * 900, "etag", basis)
    kept.put("too long", b"x" * 2_000, "etag", basis)
    assert [asked for asked in range(20) if kept.get(asked)] == list(range(12, 20))
    assert kept.get("too long") is None


async def write(api: Api) -> None:
    await api.record("two")


async def edit(api: Api) -> None:
    await api.record("three", type="message.edited", amends="one", text="Other words")


async def hand_over(api: Api) -> None:
    asked = {"identity": "user:anna", "to": {"queue": "refunds"}, "reason": "Refund"}
    await api.ok("POST", "/v1/handoffs", asked)


async def link(api: Api) -> None:
    body = {"identity": "email:anna@example.com", "reason": "confirmed by phone"}
    customer = (await api.get(PATH)).json["customer"]["id"]
    await api.ok(
        "POST", f"/v1/customers/{customer}/links", body, token="admin", headers={"Handoff-Tenant": api.tenant}
    )


async def mark(api: Api) -> None:
    body = {"identity": "user:anna", "shared": True, "reason": "a family's"}
    await api.ok("POST", "/v1/identities/shared", body, token="admin", headers={"Handoff-Tenant": api.tenant})


async def test_completeness_affects_only_contexts_that_show_it(api: Api) -> None:
    await api.record("one")
    path = "/v1/context?identity=user:anna&fields=completeness"
    monitor = api.server.site.monitor
    etag = (await api.get(path)).headers["Etag"]
    assert await looked(api, etag, path) == 304
    monitor.fan_out_behind_s = lambda: 60.0
    degraded = await api.get(path, headers={"If-None-Match": etag})
    assert (degraded.status, degraded.json["completeness"]["state"]) == (200, "degraded")


async def test_contexts_of_handoffs_are_cached_too(api: Api, built: CountingMonitor) -> None:
    await api.record("one")
    asked = {"identity": "user:anna", "to": {"queue": "refunds"}, "reason": "Refund"}
    handoff = await api.ok("POST", "/v1/handoffs", asked)
    path = f"/v1/handoffs/{handoff['id']}/context"
    etag = (await api.get(path)).headers["Etag"]
    before = built.assembled
    assert await looked(api, etag, path) == 304
    assert built.assembled == before
    await api.ok("POST", f"/v1/handoffs/{handoff['id']}/accept", {"version": 1, "agent": "mia"})
    assert await looked(api, etag, path) == 200


CHANGES = [write, edit, hand_over, link, mark]


@pytest.mark.parametrize("change", CHANGES, ids=lambda it: it.__name__)
async def test_every_change_of_the_response_invalidates_the_entry(
    api: Api, change: Callable[[Api], Awaitable[None]]
) -> None:
    await api.record("one")
    first = await api.get(PATH)
    await change(api)
    again = await api.get(PATH, headers={"If-None-Match": first.headers["Etag"]})
    assert again.status == 200
    assert again.raw != first.raw


class Reloaded(ContextCache):
    """A cache that is cleared while the first context is built."""

    @contextmanager
    def building(self, lookup: Hashable) -> Iterator[None]:
        with super().building(lookup):
            if not self.cleared:
                self.clear()
            yield


async def test_a_context_that_was_begun_before_a_reload_is_not_cached(api: Api) -> None:
    await api.record("e1")
    api.server.site.recent = cache = Reloaded()
    await api.context()
    assert not cache._kept
    await api.context()
    assert len(cache._kept) == 1
