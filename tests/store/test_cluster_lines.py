"""Function calls to a Cluster: over one line to each primary, wherever its slots are by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from handoff.domain.errors import StoreUnavailable
from handoff.store.connection import Connection, FunctionMissing
from handoff.store.resp.primaries import PrimaryConnection
from handoff.store.resp.transport import StoreRoute
from handoff.store.settings import StoreSettings
from tests.store.servers import (
    Server,
    ask,
    cluster_servers,
    free_port,
    server,
    valkey_binary,
    wait_until,
)

SET = b"""#!lua name=put_1
redis.register_function('put_1', function(keys, args) redis.call('SET', keys[1], args[1]) return args[1] end)
"""
KEYS = [b"{%d}k" % number for number in range(40)]


class Cluster:
    """A connection with lines to three primaries that hold the function."""

    def __init__(self, nodes: Sequence[Server], store: Connection, route: StoreRoute) -> None:
        self.nodes = nodes
        self.store = store
        self.route = route
        self.targets = [("127.0.0.1", node.port) for node in nodes]

    async def put(self, key: bytes, value: bytes, *, function: str = "put_1") -> Any:
        return await self.store.fcall_durable(function, [key], [value], route=self.route)

    def owner(self, key: bytes) -> int:
        return self.slot(key) * 3 // 16384

    def slot(self, key: bytes) -> int:
        return int(ask(self.targets[0], "CLUSTER", "KEYSLOT", key.decode())[1:])

    def id_of(self, node: int) -> str:
        return ask(self.targets[node], "CLUSTER", "MYID").split()[-1]

    def clients(self, node: int) -> int:
        """Connections of ours that a primary has."""
        return ask(self.targets[node], "CLIENT", "LIST").count("name=handoff")

    def key_of(self, node: int) -> bytes:
        return next(key for key in KEYS if self.owner(key) == node)


@asynccontextmanager
async def cluster(**changes: Any) -> AsyncIterator[Cluster]:
    with cluster_servers() as nodes:
        url = f"redis+cluster://127.0.0.1:{nodes[0].port}"
        async with Connection(StoreSettings(url=url, **changes)) as store:
            await store.load_function(SET)
            yield Cluster(nodes, store, store.new_route())


async def test_many_calls_at_once_share_one_line_to_each_primary() -> None:
    async with cluster() as group:
        before = [group.clients(node) for node in range(3)]
        answers = await asyncio.gather(*(group.put(key, b"v" + key) for key in KEYS * 5))
        assert answers == [b"v" + key for key in KEYS * 5]
        assert [await group.store.call("GET", key) for key in KEYS] == [b"v" + key for key in KEYS]
        for node in range(3):
            assert group.clients(node) <= before[node] + 2, "its line, and one of redis-py's"
        assert group.store.repeats == 0
        with pytest.raises(FunctionMissing):
            await group.put(KEYS[0], b"x", function="no_such")


async def test_a_first_call_needs_no_table_of_slots() -> None:
    async with cluster() as group, Connection(StoreSettings(url=group.store._settings.url)) as fresh:
        assert await fresh.fcall_durable("put_1", [KEYS[0]], [b"first"], route=fresh.new_route()) == b"first"


async def test_a_slot_that_moves_and_has_moved() -> None:
    async with cluster() as group:
        key = group.key_of(1)
        await group.put(key, b"here")
        slot, old, new = group.slot(key), group.id_of(1), group.id_of(2)
        assert ask(group.targets[2], "CLUSTER", "SETSLOT", str(slot), "IMPORTING", old) == "+OK"
        assert ask(group.targets[1], "CLUSTER", "SETSLOT", str(slot), "MIGRATING", new) == "+OK"
        absent = key + b"2"
        assert await group.put(absent, b"asked") == b"asked", "not here any more: ASK"
        port = str(group.targets[2][1])
        assert ask(group.targets[1], "MIGRATE", "127.0.0.1", port, key.decode(), "0", "5000") == "+OK"
        for target in (group.targets[2], group.targets[1], group.targets[0]):
            assert ask(target, "CLUSTER", "SETSLOT", str(slot), "NODE", new) == "+OK"
        assert await group.put(key, b"there") == b"there", "MOVED"
        repeats = group.store.repeats
        assert await group.put(key, b"again") == b"again"
        assert group.store.repeats == repeats, "the new primary's line is known"
        assert await group.store.call("GET", absent) == b"asked"


async def test_a_primary_that_is_killed_fails_its_own_keys_within_the_deadline() -> None:
    async with cluster(timeout_s=1) as group:
        gone, stays = group.key_of(2), group.key_of(0)
        await asyncio.gather(group.put(gone, b"1"), group.put(stays, b"1"))
        group.nodes[2].kill()
        async with asyncio.timeout(3):
            lost, kept = await asyncio.gather(
                group.put(gone, b"2"), group.put(stays, b"2"), return_exceptions=True
            )
        assert isinstance(lost, StoreUnavailable)
        assert kept == b"2" or isinstance(kept, StoreUnavailable)  # the others may stop to look for it


@contextmanager
def stopped(node: Server) -> Any:
    node.pause()
    try:
        yield
    finally:
        node.resume()


async def test_a_primary_that_hangs_for_a_while_is_asked_again() -> None:
    async with cluster(timeout_s=4) as group:
        key = group.key_of(1)
        await group.put(key, b"1")
        with stopped(group.nodes[1]):
            asked = asyncio.create_task(group.put(key, b"2"))
            await asyncio.sleep(1.2)  # longer than its line is patient
            assert not asked.done()
        assert await asked == b"2"
        assert not isinstance(group.route.toward(key), PrimaryConnection), "it rests"
        assert await group.put(key, b"3") == b"3"
        assert await group.store.call("GET", key) == b"3"


def successor_of(group: Cluster, node: int, replica: Server, bus: str) -> None:
    """Make a server the replica of a primary, as far as it was written."""
    target = ("127.0.0.1", replica.port)
    assert ask(group.targets[node], "CLUSTER", "MEET", "127.0.0.1", str(replica.port), bus) == "+OK"
    wait_until(lambda: group.id_of(node) in ask(target, "CLUSTER", "NODES"), replica.process)
    assert ask(target, "CLUSTER", "REPLICATE", group.id_of(node)) == "+OK"
    wait_until(lambda: "master_link_status:up" in ask(target, "INFO", "replication"), replica.process)


@pytest.mark.parametrize("how", [Server.kill, Server.pause], ids=["killed", "hung"])
async def test_a_successor_is_found(how: Callable[[Server], None]) -> None:
    bus = str(free_port())
    settings = {"cluster_enabled": "yes", "cluster_port": bus, "cluster_node_timeout": "2000"}
    async with cluster(timeout_s=6) as group:
        with server(valkey_binary(), tcp=True, repl_diskless_sync_delay="0", **settings) as replica:
            await asyncio.to_thread(successor_of, group, 1, replica, bus)
            key = group.key_of(1)
            await group.put(key, b"1")
            how(group.nodes[1])
            for _ in range(3):  # a hung one takes its time to be voted out
                try:
                    assert await group.put(key, b"2") == b"2"
                    break
                except StoreUnavailable:
                    continue
            assert ask(("127.0.0.1", replica.port), "GET", key.decode()).endswith("2")


async def test_lines_are_closed_with_their_connection() -> None:
    async with cluster() as group:
        await asyncio.gather(*(group.put(key, b"v") for key in KEYS))
        await group.store.aclose()
        await asyncio.to_thread(wait_until, lambda: not any(group.clients(node) for node in range(3)))
