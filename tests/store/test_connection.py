"""The connection speaks to every kind of server alike, and fails only in our own words, in time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from handoff.domain.errors import ConfigurationError, StoreUnavailable
from handoff.store.connection import Connection, FunctionMissing, StoreError
from handoff.store.settings import StoreSettings
from tests.stopwatch import Stopwatch
from tests.store.servers import (
    Server,
    ask,
    cluster_of_three,
    cluster_servers,
    redis7_server,
    sentinel_of_one,
    sentinel_servers,
    server,
    valkey_binary,
    valkey_server,
)

ONCE = b"""#!lua name=once_1
redis.register_function('once_1', function(keys, args)
  if redis.call('SETNX', keys[1], args[1]) == 1 then return {1, args[1]} end
  return {0, redis.call('GET', keys[1])}
end)
"""
PATIENCE_S = 10.0
KINDS = {
    "valkey": valkey_server,
    "redis-7.0": redis7_server,
    "cluster": cluster_of_three,
    "sentinel": sentinel_of_one,
}


@pytest.fixture(scope="module", params=KINDS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with KINDS[request.param]() as running:
        yield running


@pytest.fixture
def single() -> Iterator[Server]:
    with server(valkey_binary()) as running:
        yield running


def connect(url: str, **changes: Any) -> Connection:
    return Connection(StoreSettings(url=url, **changes))


def in_use(store: Connection) -> int:
    """The connections that redis-py has in use; it has no public count."""
    client = store._client
    if client.redis is not None:
        return len(client.redis.connection_pool._in_use_connections)
    assert client.cluster is not None
    nodes = client.cluster.get_nodes()
    return sum(len(node._connections) - len(node._free) for node in nodes)


async def blocked(store: Connection) -> None:
    """Wait until a client of the servers is blocked."""
    async with asyncio.timeout(PATIENCE_S):
        while not any(b"blocked_clients:0" not in it for it in await store.on_primaries("INFO", "clients")):
            pass


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)


@contextmanager
def unavailable(reason: str) -> Iterator[None]:
    with pytest.raises(StoreUnavailable) as raised:
        yield
    assert raised.value.fields["reason"] == reason
    assert "127.0.0.1" not in raised.value.detail


# --- Every kind of server answers alike -----------------------------------------------------------


async def test_answers_are_the_servers_own_whatever_the_server(url: str) -> None:
    async with connect(url) as store:
        await store.call("DEL", "h")
        assert await store.call("SET", "k", "v") == b"OK"
        assert await store.call(b"HSET", "h", "f", 1) == 1
        assert await store.call("HGETALL", "h") == [b"f", b"1"]
        assert await store.call("GET", "missing") is None
        assert await store.call("ZADD", "z", 1.5, "m") in (0, 1)
        assert await store.call("ZSCORE", "z", "m", key=b"z") == b"1.5"


async def test_a_function_is_missing_then_loaded_once_on_every_primary(url: str) -> None:
    async with connect(url) as store:
        await store.on_primaries("FUNCTION", "FLUSH")
        with pytest.raises(FunctionMissing):
            await store.fcall_durable("once_1", [b"{a}once"], [b"x"])
        await store.load_function(ONCE)
        await store.load_function(ONCE)
        for tag in range(8):  # slots of different primaries
            assert await store.fcall_durable("once_1", [b"{%d}once" % tag], [b"x"]) == [1, b"x"]
            assert await store.fcall_durable("once_1", [b"{%d}once" % tag], [b"y"]) == [0, b"x"]
        await store.on_primaries("FLUSHALL")


async def test_without_enough_replicas_a_replicated_write_is_not_acknowledged(url: str) -> None:
    async with connect(url, durability="replicated", timeout_s=1) as store:
        await store.load_function(ONCE)
        for tag in range(3):
            if "sentinel" in url:
                assert await store.fcall_durable("once_1", [b"{%d}r" % tag], [b"x"]) == [1, b"x"]
                continue
            with pytest.raises(StoreUnavailable) as refused:
                await store.fcall_durable("once_1", [b"{%d}r" % tag], [b"x"])
            assert refused.value.problem_code == "not_replicated"
            assert await store.call("FCALL", "once_1", 1, b"{%d}r" % tag, b"x") == [0, b"x"]
            with pytest.raises(StoreUnavailable) as refused:
                await store.call_durable("HSET", b"{%d}h" % tag, b"s", b"1", key=b"{%d}h" % tag)
            assert refused.value.problem_code == "not_replicated"


async def test_a_pipeline_answers_in_order_with_errors_in_place_in_one_round_trip(url: str) -> None:
    async with connect(url) as store:
        await store.load_function(ONCE)
        commands: list[tuple[Any, ...]] = [("SET", f"p{n}", n) for n in range(40)]
        commands += [("HGET", "p1", "f"), ("FCALL", "absent", 1, "p1"), ("FCALL", "once_1", 1, "p2", "x")]
        commands += [("GET", f"p{n}") for n in range(40)]
        before = store.round_trips
        answers = await store.pipeline(commands)
        assert store.round_trips == before + 1
        assert answers[:40] == [b"OK"] * 40
        assert isinstance(answers[40], StoreError)
        assert answers[40].code == "WRONGTYPE"
        assert isinstance(answers[41], FunctionMissing)
        assert answers[42] == [0, b"2"]
        assert answers[43:] == [b"%d" % n for n in range(40)]
        assert await store.pipeline([]) == []


async def test_a_blocking_read_outlasts_the_deadline_of_calls_and_ends_when_cancelled(url: str) -> None:
    async with (
        connect(url, timeout_s=0.4) as impatient,
        connect(url) as store,
        impatient.blocking(5.0) as reader,
    ):
        read = ("XREAD", "BLOCK", 4000, "STREAMS", "s", "$")
        waiting = asyncio.create_task(reader.call(*read, key=b"s"))
        await blocked(store)
        with unavailable("timeout"):  # a call that began after the read
            await impatient.call("BLPOP", "nothing", 0, key=b"nothing")
        await store.call("XADD", "s", "*", "f", "v")
        ((stream, entries),) = await waiting
        assert (stream, entries[0][1]) == (b"s", [b"f", b"v"])
    read = ("XREAD", "BLOCK", 60_000, "STREAMS", "s", "$")
    async with connect(url) as store, store.blocking(60.0) as reader:
        waiting = asyncio.create_task(reader.call(*read, key=b"s"))
        await blocked(store)
        waiting.cancel()
        async with asyncio.timeout(PATIENCE_S):  # not as long as the read blocks
            await asyncio.gather(waiting, return_exceptions=True)


async def test_a_storm_of_cancellations_mixes_no_answers_up_and_leaves_nothing_behind(url: str) -> None:
    chance = random.Random(7)
    async with connect(url) as store:
        await store.pipeline([("SET", f"c{n}", n) for n in range(50)])

        async def read(n: int) -> None:
            if n % 3:
                assert await store.call("GET", f"c{n}") == b"%d" % n
            else:
                assert await store.pipeline([("GET", f"c{n}"), ("GET", "c0")]) == [b"%d" % n, b"0"]

        for _ in range(20):
            tasks = [asyncio.create_task(read(n)) for n in range(50)]
            for _ in range(25):
                await asyncio.sleep(chance.random() * 0.0005)
                chance.choice(tasks).cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(result) for result in done} <= {type(None), asyncio.CancelledError}
        await until(lambda: not store.in_flight)  # what was given up is still finished
        await asyncio.gather(*(read(n) for n in range(50)))
        assert store.repeats == 0
        assert in_use(store) == 0


# --- What a caller gives up is finished, and costs no connection ----------------------------------


async def test_a_write_whose_caller_has_gone_is_finished_on_its_connection(single: Server) -> None:
    async with connect(single.url) as store:
        await store.call("PING")
        connected = await store.call("INFO", "stats")
        for n in range(20):
            write = asyncio.create_task(store.call("RPUSH", "gone", n))
            await asyncio.sleep(0)
            write.cancel()
        async with asyncio.timeout(PATIENCE_S):
            while await store.call("LLEN", "gone") < 20:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        field = b"total_connections_received:"
        grown = [
            int(info.split(field)[1].split()[0]) for info in (connected, await store.call("INFO", "stats"))
        ]
        assert grown[1] - grown[0] <= 20, "at most one for each that ran at the same time"


async def test_closing_ends_what_still_runs(single: Server) -> None:
    store = connect(single.url)
    single.pause()
    waiting = asyncio.create_task(store.call("PING"))
    await until(lambda: store.in_flight)
    with unavailable("closed"):
        await store.aclose()
        await waiting
    with unavailable("closed"):
        await store.call("PING")


# --- Failures, in our words and in time -----------------------------------------------------------


async def test_the_deadline_holds_when_the_server_hangs_and_the_pool_recovers(single: Server) -> None:
    async with connect(single.url, timeout_s=0.6) as store:
        await store.call("SET", "k", "v")
        single.pause()
        watch = Stopwatch()
        calls = [
            store.call("GET", "k"),
            store.pipeline([("GET", "k")]),
            *(store.call("PING") for _ in range(80)),
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert watch.seconds < 0.9, "they wait side by side"
        assert {result.fields["reason"] for result in results} <= {"timeout", "connection"}  # type: ignore[union-attr]
        single.resume()
        assert await store.call("GET", "k") == b"v"
        assert store.in_flight == 0
        assert in_use(store) == 0


async def test_a_missing_server_is_a_connection_failure_after_the_deadline() -> None:
    for nowhere in (
        "redis://127.0.0.1:1",
        "redis+cluster://127.0.0.1:1",
        "redis+sentinel://127.0.0.1:1/handoff",
    ):
        async with connect(nowhere, timeout_s=0.3) as store:
            began, watch = time.monotonic(), Stopwatch()
            with pytest.raises(StoreUnavailable) as refused:
                await store.call("PING")
            assert refused.value.fields["reason"] in ("connection", "cluster_down")
            assert time.monotonic() - began > 0.2
            assert watch.seconds < 0.6


async def test_the_first_call_after_a_restart_succeeds(single: Server) -> None:
    async with connect(single.url) as store:
        await asyncio.gather(*(store.call("SET", f"r{n}", n) for n in range(10)))
        single.kill()
        waiting = [asyncio.create_task(store.call("GET", f"r{n}")) for n in range(10)]
        await until(lambda: store.repeats)
        with server(valkey_binary(), directory=single.directory):
            assert await asyncio.gather(*waiting) == [b"%d" % n for n in range(10)]
            assert store.repeats > 0


@pytest.mark.parametrize(
    ("options", "command", "reason"),
    [
        ({"maxmemory": "1mb"}, ("SET", "k", "v"), "out_of_memory"),
        ({"min_replicas_to_write": "1"}, ("SET", "k", "v"), "no_replicas"),
        ({"replicaof": "127.0.0.1 1"}, ("SET", "k", "v"), "readonly"),
        ({"replicaof": "127.0.0.1 1", "replica_serve_stale_data": "no"}, ("GET", "k"), "cluster_down"),
        ({"requirepass": "secret"}, ("GET", "k"), "credentials"),
    ],
)
async def test_a_server_that_refuses_is_unavailable_with_a_stable_reason(
    options: dict[str, str], command: tuple[str, ...], reason: str
) -> None:
    with server(valkey_binary(), **options) as running:
        async with connect(running.url, timeout_s=1.0) as store:
            with unavailable(reason):
                await store.call(*command)
            if reason == "out_of_memory":
                (refused,) = await store.pipeline([command])
                assert refused.fields["reason"] == reason


async def test_a_command_of_ours_that_is_wrong_is_no_outage(single: Server) -> None:
    async with connect(single.url) as store:
        await store.call("SET", "text", "x")
        for wrong in (("HGET", "text", "f"), ("NO-SUCH-COMMAND",), ("SET", "k", ["a", "list"])):
            with pytest.raises(StoreError):
                await store.call(*wrong)
        assert store.repeats == 0


async def test_a_long_running_script_is_busy() -> None:
    with server(valkey_binary(), busy_reply_threshold="50") as running:
        async with connect(running.url, timeout_s=1) as store, connect(running.url, timeout_s=1) as other:
            spin = asyncio.create_task(store.call("EVAL", "while true do end", 0))
            with unavailable("busy"):
                while True:  # until the script has started
                    await other.call("PING")
            await other.call("SCRIPT", "KILL")
            with pytest.raises(StoreError):
                await spin


# --- Replication, failover, moving slots ----------------------------------------------------------


async def test_replicated_acknowledges_only_what_a_replica_has_even_when_it_is_repeated() -> None:
    with sentinel_servers() as (url, _primary, replica):
        async with connect(url, durability="replicated", timeout_s=1) as store:
            await store.load_function(ONCE)
            assert await store.fcall_durable("once_1", [b"{a}1"], [b"x"]) == [1, b"x"]
            replica.pause()
            for _attempt in range(2):  # each on a connection that has not written before
                async with connect(url, durability="replicated", timeout_s=1) as fresh:
                    with pytest.raises(StoreUnavailable) as refused:
                        await fresh.fcall_durable("once_1", [b"{a}2"], [b"x"])
                assert refused.value.problem_code == "not_replicated"
            replica.resume()
            assert await store.fcall_durable("once_1", [b"{a}2"], [b"x"]) == [0, b"x"]


async def test_a_call_survives_the_failover_of_its_primary() -> None:
    with sentinel_servers() as (url, primary, replica):
        async with connect(url, timeout_s=20) as store:
            await store.call("SET", "k", "before")
            await store.call("WAIT", 1, 1000)
            watch = Stopwatch(replica.process.pid)
            primary.kill()
            assert await store.call("SET", "k", "after") == b"OK"
            assert watch.seconds < 4.5
            assert await store.call("GET", "k") == b"after"


async def test_calls_follow_a_slot_that_moved() -> None:
    with cluster_servers() as nodes:
        targets = [("127.0.0.1", node.port) for node in nodes]
        url = f"redis+cluster://127.0.0.1:{nodes[0].port}"
        async with connect(url, timeout_s=1) as store, connect(url, durability="replicated") as replicated:
            await store.load_function(ONCE)
            await replicated.call("GET", "{a}1")
            slot = int(ask(targets[0], "CLUSTER", "KEYSLOT", "a")[1:])
            owner = slot * 3 // 16384
            new_owner = ask(targets[owner - 1], "CLUSTER", "MYID").split()[-1]
            for target in [targets[owner - 1], targets[owner], targets[owner - 2]]:
                assert ask(target, "CLUSTER", "SETSLOT", str(slot), "NODE", new_owner) == "+OK"
            assert await store.fcall_durable("once_1", [b"{a}1"], [b"x"]) == [1, b"x"]
            with pytest.raises(StoreUnavailable) as refused:
                await replicated.fcall_durable("once_1", [b"{a}1"], [b"x"])
            assert refused.value.problem_code == "not_replicated", "it reached the new owner, which has none"
            assert await store.pipeline([("GET", "{a}1"), ("GET", "other")]) == [b"x", None]
            assert await store.call("GET", "{a}1") == b"x"
            nodes[owner].kill()
            with pytest.raises(StoreUnavailable):
                await asyncio.gather(*(store.call("GET", f"spread{n}") for n in range(20)))
            assert await store.call("GET", "{a}1") == b"x"


# --- Configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        "http://h",
        "redis://",
        "redis://h:99999",
        "redis://h:x",
        "redis://h/one",
        "redis://h/0/1",
        "redis://h?nonsense=1",
        "redis://h?ssl_ca_certs=/x",
        "unix://relative",
        "redis+sentinel://h",
        "redis+cluster://h/3",
        "redis+cluster://h,,i",
    ],
)
def test_a_url_that_means_nothing_is_refused_without_repeating_its_secrets(wrong: str) -> None:
    with_secret = wrong.replace("://", "://user:pa%73s@", 1)
    with pytest.raises(ConfigurationError, match=r"store\.url") as refused:
        connect(with_secret)
    assert "pa%73s" not in str(refused.value)
    assert "pa%73s" not in repr(StoreSettings(url=with_secret))


@pytest.mark.parametrize(
    "changes",
    [
        {"partitions": 0},
        {"partitions": 1025},
        {"timeout_s": 0.0},
        {"replicas": 0},
        {"durability": "replicated"},
        {"durability": "provider"},
        {"maxmemory": "plenty"},
        {"url": "redis://h", "maxmemory": "1gb"},
    ],
)
def test_settings_out_of_range_or_contradicting_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"store\."):
        StoreSettings(**changes)
