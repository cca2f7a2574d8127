"""A primary that its replicas and sentinels cannot reach any more, but the server can.

A server that is cut off uses another loopback address and a gate that lets only our server pass.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from handoff.domain.errors import StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.settings import StoreSettings
from tests.faults.proxy import Gate, gate
from tests.stopwatch import Stopwatch
from tests.store.servers import Server, ask, sentinel, server, valkey_binary, wait_until

OTHERS = "127.0.0.2"
SET = b"""#!lua name=put_1
redis.register_function('put_1', function(keys, args) redis.call('SET', keys[1], args[1]) return args[1] end)
"""
OUTAGE_S = 5.0


class Watched:
    """A primary behind a gate, two replicas and sentinels that know it by the gate only."""

    def __init__(self, primary: Server, replicas: list[Server], way: Gate, sentinels: list[int]) -> None:
        self.primary = ("127.0.0.1", primary.port)
        self.successor = self.primary
        self._replicas = [("127.0.0.1", it.port) for it in replicas]
        self.way = way
        self.sentinels = sentinels
        self.url = "redis+sentinel://" + ",".join(f"127.0.0.1:{it}" for it in sentinels) + "/handoff"

    async def isolate(self) -> None:
        """Cut the primary off; return when every sentinel names one of its replicas."""
        self.way.cut(OTHERS)
        await asyncio.to_thread(wait_until, self._promoted)

    def _promoted(self) -> bool:
        asked = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "handoff")
        named = {ask(("127.0.0.1", it), *asked).split()[-1] for it in self.sentinels}
        successors = [it for it in self._replicas if named == {str(it[1])}]
        if successors:
            (self.successor,) = successors
        return bool(successors)


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    quick = {"repl_diskless_sync_delay": "0", "repl_ping_replica_period": "1", "repl_timeout": "4"}
    async with AsyncExitStack() as stack:

        async def start(context: Any) -> Any:
            value = await asyncio.to_thread(context.__enter__)
            stack.push_async_callback(asyncio.to_thread, context.__exit__, None, None, None)
            return value

        primary = await start(server(valkey_binary(), tcp=True, **quick))
        way = await stack.enter_async_context(gate(primary.port))
        elsewhere = {"bind_source_addr": OTHERS}
        following = {"replicaof": f"127.0.0.1 {way.port}", **quick, **elsewhere}
        replicas = [await start(server(valkey_binary(), tcp=True, **following)) for _ in range(2)]
        await asyncio.to_thread(wait_until, lambda: _is_followed(primary.port))
        sentinels = [await start(sentinel(way.port, quorum=2, replicas=2, **elsewhere)) for _ in range(3)]
        for port in sentinels:
            await asyncio.to_thread(
                wait_until,
                lambda port=port: "sentinels=3" in ask(("127.0.0.1", port), "INFO", "sentinel"),  # type: ignore[misc]
            )
        yield Watched(primary, replicas, way, sentinels)


def _is_followed(port: int) -> bool:
    return ask(("127.0.0.1", port), "INFO", "replication").count("state=online") == 2


class Writer:
    """Writes one key after the other; which were acknowledged, and the longest time without any."""

    def __init__(self, store: Connection) -> None:
        self._store = store
        self._route = store.new_route()
        self._numbers = itertools.count()
        self._stopped = False
        self.acknowledged: list[bytes] = []
        self.outage = 0.0

    async def run(self) -> None:
        last = time.monotonic()
        while not self._stopped:
            key = b"{a}%d" % next(self._numbers)
            try:
                await self._store.fcall_durable("put_1", [key], [b"v"], route=self._route)
                self.acknowledged.append(key)
                self.outage = max(self.outage, time.monotonic() - last)
                last = time.monotonic()
            except StoreUnavailable:
                await asyncio.sleep(0.01)
        self.outage = max(self.outage, time.monotonic() - last)

    async def more(self, count: int) -> None:
        """Return when so many more are acknowledged."""
        wanted = len(self.acknowledged) + count
        while len(self.acknowledged) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        self._stopped = True


async def test_replicated_writes_and_reads_move_to_the_promoted_replica_and_lose_nothing() -> None:
    async with watched() as group, Connection(StoreSettings(url=group.url, durability="replicated")) as store:
        await store.load_function(SET)
        writer = Writer(store)
        writing = asyncio.create_task(writer.run())
        async with asyncio.timeout(20), store.blocking(20) as reader:
            await writer.more(50)
            reading = asyncio.create_task(reader.call("XREAD", "BLOCK", 20000, "STREAMS", "s", "0", key=b"s"))
            await group.isolate()
            await writer.more(50)
            writer.stop()
            await writing
            assert ask(group.primary, "ROLE").startswith("*3\r\n$6\r\nmaster"), "it knows of nothing"
            assert writer.outage < OUTAGE_S
            assert await store.call("GET", writer.acknowledged[-1]) == b"v", "read where it is written"
            await store.call("XADD", "s", "*", "f", "v")
            assert await reading
        for key in writer.acknowledged:
            assert ask(group.successor, "GET", key.decode()).endswith("v")


async def test_where_no_write_fails_the_old_primary_is_left_within_the_outage() -> None:
    async with watched() as group, Connection(StoreSettings(url=group.url)) as store:
        await store.load_function(SET)
        await store.call("SET", "k", "old")
        await store.call("WAIT", 2, 1000)
        await group.isolate()
        watch = Stopwatch()
        while ask(group.successor, "GET", "k").endswith("old") and watch.seconds < OUTAGE_S:
            await store.call("SET", "k", "new")
            await asyncio.sleep(0.02)
        assert watch.seconds < OUTAGE_S / 2
        before = ask(group.primary, "INFO", "commandstats")
        await asyncio.gather(*(store.call("SET", f"k{n}", "new") for n in range(50)))
        assert ask(group.primary, "INFO", "commandstats").count("set:") == before.count("set:")
        assert ask(group.successor, "GET", "k49").endswith("new")
        assert "name=handoff" not in ask(group.primary, "CLIENT", "LIST"), "every connection to it is closed"
