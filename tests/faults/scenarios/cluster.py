"""A Cluster of three primaries whose nodes can be killed, or cut off from each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.faults.proxy import CuttingProxy, cutting_proxy
from tests.faults.scenarios.sentinel import node_address
from tests.faults.scenarios.stores import (
    QUICK,
    Backing,
    entered,
    folder,
    node,
    quiet_port,
    replicates,
    until,
)
from tests.store.servers import Server, Target, ask, cluster_servers, free_port, server, valkey_binary

NODE_TIMEOUT_S = 2.0  # as `cluster_servers` sets it
PARTIAL = {"cluster_require_full_coverage": "no"}  # whole shards continue
PRIMARY_OF = (0, 1, 2, 0, 0, 1, 2)
"""Of `cluster_behind_proxies`, by number: itself for a primary."""


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
            await until(lambda it=member: _sees_all(it.port, len(servers)))  # type: ignore[misc]
        yield Backing(environment=_environment([it.port for it in primaries]), servers=servers)


@asynccontextmanager
async def cluster_behind_proxies(directory: Path) -> AsyncIterator[Backing]:
    """Three primaries; the first has two replicas, since a promoted one needs a replica to wait for.

    Every node is reached through two proxies only, one for clients and one for the cluster bus, and connects
    from an address of its own (`node_address`). So proxies can cut it off from the others while the server,
    from 127.0.0.1, still reaches it. `proxies` has those of node n at 2n and 2n + 1.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        nodes: list[Server] = []
        proxies: list[CuttingProxy] = []
        for number in range(len(PRIMARY_OF)):
            port, bus = quiet_port(), quiet_port()
            clients, peers = [await enter(cutting_proxy(f"redis://127.0.0.1:{it}")) for it in (port, bus)]
            options = {
                "port": str(port),
                "bind_source_addr": node_address(number),
                "cluster_enabled": "yes",
                "cluster_port": str(bus),
                "cluster_node_timeout": str(round(NODE_TIMEOUT_S * 1000)),
                "cluster_announce_ip": "127.0.0.1",
                "cluster_announce_port": str(clients.port),
                "cluster_announce_bus_port": str(peers.port),
                **QUICK,
                **PARTIAL,
            }
            nodes.append(await enter(entered(node(folder(directory), port, options))))
            proxies += [clients, peers]
        await _form(nodes, proxies)
        yield Backing(
            environment=_environment([proxy.port for proxy in proxies[:6:2]]), servers=nodes, proxies=proxies
        )


async def _form(nodes: list[Server], proxies: list[CuttingProxy]) -> None:
    """Deal the slots evenly among the first three, and let the others replicate them."""
    for number, member in enumerate(nodes):
        target = ("127.0.0.1", member.port)
        ask(target, "CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        if number < 3:
            first, last = 16384 * number // 3, 16384 * (number + 1) // 3 - 1
            ask(target, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
        if number:
            meet = ("CLUSTER", "MEET", "127.0.0.1", str(proxies[0].port), str(proxies[1].port))
            await asyncio.to_thread(ask, target, *meet)
    for number, primary in enumerate(PRIMARY_OF):
        if number < 3:
            continue
        target, id_ = ("127.0.0.1", nodes[number].port), node_id(nodes[primary])
        await until(lambda target=target, id_=id_: ask(target, "CLUSTER", "REPLICATE", id_) == "+OK")  # type: ignore[misc]
        await until(lambda number=number: replicates(nodes[number].port))  # type: ignore[misc]
    for member in nodes:
        await until(lambda it=member: _sees_all(it.port, len(nodes)))  # type: ignore[misc]


def _environment(ports: list[int]) -> dict[str, str]:
    return {
        "HANDOFF_STORE_URL": "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports),
        "HANDOFF_STORE_DURABILITY": "replicated",
        "HANDOFF_STORE_REPLICAS": "1",
    }


def node_id(server: Server) -> str:
    return ask(("127.0.0.1", server.port), "CLUSTER", "MYID").split()[-1]


def _sees_all(port: int, count: int) -> bool:
    """All nodes are connected, and all but three are replicas."""
    nodes = ask(("127.0.0.1", port), "CLUSTER", "NODES")
    return nodes.count("slave") == count - 3 and nodes.count("connected") == count and "fail" not in nodes
