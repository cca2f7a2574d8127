"""A Cluster of three primaries with two replicas each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.faults.scenarios.stores import QUICK, Backing, entered, replicates, until
from tests.store.servers import Server, Target, ask, cluster_servers, free_port, server, valkey_binary

NODE_TIMEOUT_S = 2.0  # as `cluster_servers` sets it
PARTIAL = {"cluster_require_full_coverage": "no"}  # whole shards continue


@asynccontextmanager
async def cluster(_directory: Path) -> AsyncIterator[Backing]:
    """Two replicas each, so that a promoted one still has a replica to wait for."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        primaries = await enter(entered(cluster_servers(**QUICK, **PARTIAL)))
        servers = list(primaries)
        bus = ask(("127.0.0.1", primaries[0].port), "CONFIG", "GET", "cluster-port").split()[-1]
        for primary in [*primaries, *primaries]:
            settings = {
                "cluster_enabled": "yes",
                "cluster_port": str(free_port()),
                "cluster_node_timeout": "2000",
            }
            replica = await enter(entered(server(valkey_binary(), tcp=True, **settings, **QUICK, **PARTIAL)))
            servers.append(replica)
            target: Target = ("127.0.0.1", replica.port)
            ask(target, "CLUSTER", "MEET", "127.0.0.1", str(primaries[0].port), bus)
            id_ = node_id(primary)
            await until(lambda target=target, id_=id_: ask(target, "CLUSTER", "REPLICATE", id_) == "+OK")  # type: ignore[misc]
            await until(lambda replica=replica: replicates(replica.port))  # type: ignore[misc]
        for member in servers:
            await until(lambda it=member: _sees_all(it.port))  # type: ignore[misc]
        yield Backing(
            environment={
                "HANDOFF_STORE_URL": "redis+cluster://"
                + ",".join(f"127.0.0.1:{it.port}" for it in primaries),
                "HANDOFF_STORE_DURABILITY": "replicated",
                "HANDOFF_STORE_REPLICAS": "1",
            },
            servers=servers,
        )


def node_id(server: Server) -> str:
    return ask(("127.0.0.1", server.port), "CLUSTER", "MYID").split()[-1]


def _sees_all(port: int) -> bool:
    nodes = ask(("127.0.0.1", port), "CLUSTER", "NODES")
    return nodes.count("slave") == 6 and nodes.count("connected") == 9 and "fail" not in nodes
