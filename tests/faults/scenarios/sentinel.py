"""A Sentinel deployment whose nodes can be killed, paused and cut off."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from tests.faults.proxy import cutting_proxy
from tests.faults.scenarios.stores import (
    QUICK,
    Backing,
    answers,
    entered,
    folder,
    node,
    quiet_port,
    replicates,
    scratch,
    until,
)
from tests.store.servers import Server, ask, end, spawn, valkey_binary, wait_until

DOWN_AFTER_MS = 1000


@asynccontextmanager
async def sentinel(directory: Path) -> AsyncIterator[Backing]:
    """A primary, two replicas and three sentinels. Each data node is reached through a proxy only.

    Nodes and sentinels connect from addresses of their own (`node_address`, `sentinel_address`), so that
    proxies can cut them off from a node while the server, from 127.0.0.1, still reaches it.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        ports = [quiet_port() for _ in range(3)]
        proxies = [await enter(cutting_proxy(f"redis://127.0.0.1:{port}")) for port in ports]
        servers: list[Server] = []
        for number, port in enumerate(ports):
            options = {"port": str(port), "bind_source_addr": node_address(number), **QUICK}
            options |= {
                "replica_announce_ip": "127.0.0.1",
                "replica_announce_port": str(proxies[number].port),
            }
            if number:
                options["replicaof"] = f"127.0.0.1 {proxies[0].port}"
            servers.append(await enter(entered(node(folder(directory), port, options))))
        for replica in servers[1:]:
            await until(lambda it=replica: replicates(it.port))  # type: ignore[misc]
        watching = [await enter(entered(_sentinel(number, proxies[0].port))) for number in range(3)]
        for port in watching:
            await until(lambda port=port: _knows_all(port))  # type: ignore[misc]
        yield Backing(
            environment={
                "HANDOFF_STORE_URL": "redis+sentinel://"
                + ",".join(f"127.0.0.1:{it}" for it in watching)
                + "/handoff",
                "HANDOFF_STORE_DURABILITY": "replicated",
                "HANDOFF_STORE_REPLICAS": "1",
            },
            servers=servers,
            proxies=proxies,
            sentinels=watching,
        )


def node_address(number: int) -> str:
    return f"127.0.1.{number + 1}"


def sentinel_address(number: int) -> str:
    return f"127.0.2.{number + 1}"


def no_further_loopback() -> str | None:
    """Why addresses of 127.0.0.0/8 other than 127.0.0.1 cannot be used, as on macOS."""
    with socket.socket() as probe:
        try:
            probe.bind((node_address(0), 0))
        except OSError:
            return "only 127.0.0.1 is a loopback address here"
    return None


@contextmanager
def _sentinel(number: int, primary_port: int) -> Iterator[int]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(scratch()))
        port = quiet_port()
        settings = {"bind": "127.0.0.1", "port": str(port), "dir": str(home)}
        settings["bind_source_addr"] = sentinel_address(number)
        watch = [
            f"sentinel announce-ip 127.0.0.1\nsentinel announce-port {port}",
            f"sentinel monitor handoff 127.0.0.1 {primary_port} 2",
            f"sentinel down-after-milliseconds handoff {DOWN_AFTER_MS}",
            "sentinel failover-timeout handoff 6000",
        ]
        process = spawn(valkey_binary(), home, settings, *watch, flags=["--sentinel"])
        stack.callback(end, process, gently=False)
        wait_until(lambda: answers(port), process)
        yield port


def primary_of(backing: Backing) -> int:
    """Which node the sentinels name; -1 while there is none."""
    reply = ask(("127.0.0.1", backing.sentinels[0]), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "handoff").split()
    ports = [str(proxy.port) for proxy in backing.proxies]
    return ports.index(reply[-1]) if reply and reply[-1] in ports else -1


async def whole_again(backing: Backing) -> None:
    """Wait until two replicas follow the primary and the sentinels are ready for another failover."""

    def work() -> bool:
        primary = primary_of(backing)
        if primary < 0:
            return False
        others = [it.port for number, it in enumerate(backing.servers) if number != primary]
        return all(map(replicates, others)) and all(map(_knows_all, backing.sentinels))

    await until(work)


def _knows_all(port: int) -> bool:
    return "status=ok,address=" in (reply := ask(("127.0.0.1", port), "INFO", "sentinel")) and (
        "slaves=2,sentinels=3" in reply
    )
