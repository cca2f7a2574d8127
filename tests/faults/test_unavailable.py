"""While the store does not respond, requests get 503 with Retry-After in time and can be repeated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from handoff.domain.errors import StoreUnavailable
from tests.api.conftest import Api, message, served
from tests.samples import noise
from tests.stopwatch import Stopwatch
from tests.store.servers import Server, ask, server, valkey_binary


@pytest.fixture
def valkey_process() -> Iterator[Server]:
    with server(valkey_binary()) as running:
        yield running


async def requests(api: Api) -> None:
    """Requests of every kind. Each must get 503 with Retry-After."""
    handoff = {"identity": "user:anna", "to": {"queue": "q"}, "reason": "r"}
    answers = await asyncio.gather(
        api.post("/v1/touchpoints", message("e2")),
        api.post("/v1/touchpoints", [message("e3"), message("e4")]),
        api.post("/v1/touchpoints", message("e5"), headers={"Idempotency-Key": "k"}),
        api.post("/v1/context", {"identities": ["user:anna"]}),
        api.post("/v1/handoffs", handoff),
        api.get("/v1/handoffs"),
        api.post("/v1/callbacks", {"phone": "+358401234567"}),
        api.get("/v1/quarantine"),
        api.get("/readyz"),
    )
    for answer in answers:
        assert answer.status == 503, answer.raw
        assert answer.code in ("store_unavailable", "not_ready")
        assert int(answer.headers["Retry-After"]) > 0
        assert b"sock" not in answer.raw
        assert b"127.0.0.1" not in answer.raw


async def test_a_store_that_another_server_recreated_refuses_touchpoints(valkey_process: Server) -> None:
    socket = str(valkey_process.directory / "server.sock")
    async with served(valkey_process.url) as api:
        await api.record("e1")
        assert ask(socket, "FLUSHALL") == "+OK"
        async with served(valkey_process.url) as other:
            await other.record("e2")
            assert (await other.get("/readyz")).status == 200
            answer = await api.get("/readyz")
            assert (answer.status, answer.json["reason"]) == (503, "store_replaced")
            for sent in (message("e3"), [message("e4")]):
                refused = await api.post("/v1/touchpoints", sent)
                assert (refused.status, refused.json["reason"]) == (503, "store_replaced")
            await other.record("e5")


async def test_a_store_that_hangs_is_503_in_time_and_then_goes_on(valkey_process: Server) -> None:
    async with served(valkey_process.url, timeout_s=1) as api:
        await api.record("e1")
        valkey_process.pause()
        try:
            watch = Stopwatch()
            await requests(api)
            assert watch.seconds < 4
            assert (await api.get("/healthz")).status == 200
        finally:
            valkey_process.resume()
        for event in ("e1", "e2", "e3", "e4", "e5"):
            await api.record(event)
        assert (await api.get("/readyz")).status == 200
        touchpoints = [
            it for it in (await api.context())["timeline"]["touchpoints"] if it["channel"] == "chat"
        ]
        assert sorted(it["text"] for it in touchpoints) == [f"text of e{n}" for n in range(1, 6)]


async def test_when_a_source_was_heard_is_kept_until_it_could_be_saved(valkey_process: Server) -> None:
    async with served(valkey_process.url) as api:
        site, now = api.server.site, time.time_ns() // 1000
        call, key = site.store.connection.call, site.store.control(api.tenant).keys.sources()
        await call("CONFIG", "SET", "maxmemory", "1")
        site.monitor.seen(api.tenant, "shop", now)
        with pytest.raises(StoreUnavailable):
            await site.monitor.save()
        await call("CONFIG", "SET", "maxmemory", "0")
        await site.monitor.save()
        assert await call("HGET", key, "shop") == b"%d" % now


async def test_a_dead_store_is_503_in_time(valkey_process: Server) -> None:
    async with served(valkey_process.url, timeout_s=1) as api:
        await api.record("e1")
        valkey_process.kill()
        watch = Stopwatch()
        await requests(api)
        assert watch.seconds < 4


async def test_a_full_store_is_503_and_reads_go_on() -> None:
    with server(valkey_binary(), maxmemory="8mb") as running:
        async with served(running.url, timeout_s=1) as api:
            await api.record("e1")
            for number in range(400):
                batch = [message(f"{number}-{n}", text=noise(8_000)) for n in range(50)]
                answer = await api.post("/v1/touchpoints", batch)
                if answer.status != 200:
                    break
            assert (answer.status, answer.code) == (503, "store_unavailable")
            assert answer.json["reason"] == "out_of_memory"
            assert (await api.context(limit=1))["match"] == "one"
