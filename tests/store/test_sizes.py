"""Sizes: every key has its kind, the figures add up, a sample comes near the whole."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from handoff.domain.errors import StoreUnavailable
from handoff.store.keys import META, ControlKeys, Keys
from handoff.store.server.sizes import OTHER, Sizes, kind_of, sizes
from handoff.store.store import Store
from tests.conftest import BACKENDS, opened
from tests.samples import NOON, record_all, touchpoint
from tests.stopwatch import Stopwatch
from tests.store.servers import ask, free_port, server, valkey_binary, wait_until

CUSTOMERS = 400
HASH = bytes(range(16))
UNTOLD = (
    1_000_000  # bytes of a server that belong to no key: our functions, buffers of lately used connections
)


def test_every_key_of_the_store_has_its_kind() -> None:
    keys, control = Keys(64), ControlKeys("a.tenant")
    made = [getattr(keys, name)(HASH) for name in ("timeline", "index", "record", "arrivals")]
    made += [keys.outbox(7), keys.cursor(7, "relay"), keys.lease(7, "relay")]
    made += [b"{7}c" + HASH, b"{7}~", b"{c.a}~"]
    made += [control.record(kind, HASH) for kind in "hrmbwqe"]
    made += [control.set("all"), control.timers(), control.outbox(), control.snapshot(HASH)]
    made += [control.idempotency(HASH), control.quarantine(), control.sources(), control.named("webhooks")]
    made += [b"{c.a}dm" + HASH, META]
    assert OTHER not in {kind_of(it) for it in made}
    assert kind_of(control.sources()) == "sources"
    assert kind_of(control.snapshot(b"ources" * 5)) == "snapshots"
    assert {kind_of(it) for it in (b"", b"{", b"session:1", b"{7}", b"{x}t" + HASH, b"{7}?")} == {OTHER}


@pytest.fixture(params=BACKENDS)
async def filled(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Store, int]]:
    """A server of each kind of its own, with customers of one to thirty touchpoints; and how many in all."""
    chance, count = random.Random(7), 0
    with BACKENDS[request.param](appendonly="no") as url:
        async with opened(url) as store:
            for number in range(CUSTOMERS):
                events = [
                    touchpoint(f"{number}.{step}", f"user:u{number}", at=NOON + step, text="why " * 40)
                    for step in range(chance.randint(1, 30))
                ]
                count += len(events)
                await record_all(store, "default", events)
            yield store, count


def by_kind(found: Sizes) -> dict[str, int]:
    return {it.kind: it.bytes for it in found.kinds}


async def test_figures_add_up_and_a_sample_comes_near(filled: tuple[Store, int]) -> None:
    store, count = filled
    whole = await sizes(store.connection, store.settings.url or "", 0)
    assert whole.servers == (3 if store.connection.cluster else 1)
    assert whole.touchpoints == count
    assert whole.error == 0
    assert {it.kind: it.keys for it in whole.kinds}["timelines"] == CUSTOMERS
    assert all(it.measured == it.keys for it in whole.kinds)
    keys = sum(by_kind(whole).values())
    assert whole.used == whole.overhead + keys + whole.rest
    assert whole.startup < whole.overhead < whole.startup + keys
    assert -keys * 0.1 < whole.rest < keys * 0.1 + UNTOLD * whole.servers
    assert 0.5 < whole.fragmentation < 20

    sampled = await sizes(store.connection, store.settings.url or "", 60)
    assert {it.kind: it.keys for it in sampled.kinds} == {it.kind: it.keys for it in whole.kinds}
    assert {it.kind: it.measured for it in sampled.kinds}["timelines"] <= 60 * sampled.servers
    assert 0 < sampled.error < 0.2
    assert abs(sampled.touchpoints - count) < 5 * sampled.error * count
    for kind in ("timelines", "indexes", "identities"):
        assert by_kind(sampled)[kind] == pytest.approx(by_kind(whole)[kind], rel=0.35)


async def test_the_server_answers_others_meanwhile(filled: tuple[Store, int]) -> None:
    store, _count = filled
    looking = asyncio.create_task(sizes(store.connection, store.settings.url or "", 0))
    slowest = 0.0
    while not looking.done():
        watch = Stopwatch()
        await store.connection.call("GET", META.replace(b"meta", b"none"))
        slowest = max(slowest, watch.seconds)
    assert (await looking).touchpoints
    assert slowest < 1


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The output of `handoff store size`, in its own process because it configures logging."""
    asked = [sys.executable, "-m", "handoff.cli", "store", "size", *arguments]
    return subprocess.run(asked, env=os.environ | environment, capture_output=True, text=True, timeout=60)


async def test_the_command_prints_a_table_or_json(filled: tuple[Store, int]) -> None:
    store, count = filled
    url = store.settings.url or ""
    printed = await asyncio.to_thread(command, "--sample", "0", HANDOFF_STORE_URL=url)
    assert printed.returncode == 0
    assert "timelines" in printed.stdout
    assert f"{count:,} touchpoints, " in printed.stdout
    report = json.loads((await asyncio.to_thread(command, "--json", HANDOFF_STORE_URL=url)).stdout)
    assert report["touchpoints"] == count
    assert report["used"] == report["overhead"] + report["rest"] + sum(it["bytes"] for it in report["kinds"])
    each = (report["used"] - report["startup"]) / count
    assert report["bytes_per_touchpoint"] == pytest.approx(each)


def test_without_a_running_server_the_embedded_store_reports_that(tmp_path: Path) -> None:
    refused = command("--data", str(tmp_path / "none"))
    assert refused.returncode == 1
    assert "start it, or set store.url" in refused.stderr


async def test_a_user_without_permission_gets_an_error() -> None:
    ours = (
        "on >pw ~* &* +@all -@admin -@dangerous +config|get +info +function|load"  # as in config/redis.conf
    )
    for rights, allowed in ((ours, True), (f"{ours} -memory", False)):
        with server(valkey_binary(), user=f"ours {rights}") as running:
            url = running.url.replace("unix://", "unix://ours:pw@")
            async with opened(url) as store:
                if allowed:
                    assert (await sizes(store.connection, url, 100)).used
                else:
                    with pytest.raises(StoreUnavailable, match="credentials"):
                        await sizes(store.connection, url, 100)


async def test_a_cluster_of_one_that_does_not_know_its_address() -> None:
    bus = str(free_port())
    with server(valkey_binary(), tcp=True, cluster_enabled="yes", cluster_port=bus, appendonly="no") as node:
        ask(("127.0.0.1", node.port), "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        wait_until(lambda: "cluster_state:ok" in ask(("127.0.0.1", node.port), "CLUSTER", "INFO"))
        url = f"redis+cluster://127.0.0.1:{node.port}"
        async with opened(url) as store:
            await record_all(store, "default", [touchpoint("one")])
            found = await sizes(store.connection, url, 0)
    assert (found.servers, found.touchpoints) == (1, 1)


async def test_an_empty_store_has_no_touchpoints() -> None:
    with BACKENDS["valkey"](appendonly="no") as url:
        async with opened(url) as store:
            found = await sizes(store.connection, url, 100)
    assert found.touchpoints == 0
    assert found.per_touchpoint(found.used) is None
    assert {it.kind for it in found.kinds} == {"heartbeats", "meta"}
