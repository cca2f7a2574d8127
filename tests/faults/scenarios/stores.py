"""The stores that scenarios disturb, and the server's settings for them."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.faults.proxy import CuttingProxy, cutting_proxy
from tests.store.servers import Server, ask, end, spawn, valkey_binary, wait_until

QUICK = {"repl_diskless_sync_delay": "0", "repl_ping_replica_period": "1"}
T = TypeVar("T")


@dataclass
class Backing:
    """A store: the server's environment for it, and the parts that disturbances act on.

    `data` is the server's data directory where it must be a certain one. `front_proxy` puts a proxy
    between senders and the server.
    """

    environment: dict[str, str] = field(default_factory=dict)
    data: Path | None = None
    servers: list[Server] = field(default_factory=list)
    proxies: list[CuttingProxy] = field(default_factory=list)
    sentinels: list[int] = field(default_factory=list)
    front_proxy: bool = False

    @asynccontextmanager
    async def front(self, url: str) -> AsyncIterator[str | None]:
        if not self.front_proxy:
            yield None
            return
        async with cutting_proxy(url) as proxy:
            self.proxies.append(proxy)
            yield proxy.url


@asynccontextmanager
async def embedded(_directory: Path) -> AsyncIterator[Backing]:
    yield Backing()


@asynccontextmanager
async def embedded_behind_proxy(_directory: Path) -> AsyncIterator[Backing]:
    yield Backing(front_proxy=True)


@asynccontextmanager
async def single(
    directory: Path, environment: Mapping[str, str] | None = None, **options: str
) -> AsyncIterator[Backing]:
    """One durable server on TCP."""
    port = quiet_port()
    home = folder(directory)
    async with entered(node(home, port, {"port": str(port), **options}, environment)) as running:
        yield Backing(environment={"HANDOFF_STORE_URL": running.url}, servers=[running])


@asynccontextmanager
async def single_behind_proxy(directory: Path) -> AsyncIterator[Backing]:
    async with single(directory) as backing, cutting_proxy(backing.servers[0].url) as proxy:
        backing.environment["HANDOFF_STORE_URL"] = proxy.url
        backing.proxies = [proxy]
        yield backing


# --- Disks and clocks -----------------------------------------------------------------------------


@asynccontextmanager
async def embedded_on_small_disk(directory: Path, durability: str) -> AsyncIterator[Backing]:
    """The embedded store on a file system of 64 MiB."""
    disk = directory / "data"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", str(disk)]
    done = await asyncio.to_thread(subprocess.run, mount, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    try:
        yield Backing(environment={"HANDOFF_STORE_DURABILITY": durability}, data=disk)
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(disk)], check=True)


def no_mounts() -> str | None:
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    done = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return None if done.returncode == 0 else "mounting a small disk is not permitted here"


@contextmanager
def node(
    home: Path, port: int, options: dict[str, str], environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A data node on a given port. It may be killed and started again by `start_again`."""
    settings = {"bind": "127.0.0.1", "dir": str(home), "appendonly": "yes", "appendfsync": "always"}
    settings |= {"maxmemory_policy": "noeviction", "save": "", **options}
    process = spawn(valkey_binary(), home, settings, environment=environment)
    server = Server(f"redis://127.0.0.1:{port}", process, home, port)
    try:
        wait_until(lambda: answers(port), process)
        yield server
    finally:
        end(server.process, gently=False)


async def start_again(server: Server) -> None:
    """Start a killed node with the configuration that it had."""

    def work() -> None:
        with (server.directory / "server.log").open("ab") as log:
            command = [valkey_binary(), server.directory / "server.conf"]
            server.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=server.directory)
        wait_until(lambda: answers(server.port), server.process)

    await asyncio.to_thread(work)


# --- What all of them use -------------------------------------------------------------------------


@asynccontextmanager
async def entered(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A blocking context manager, entered and left in a thread: proxies run in this event loop."""
    value = await asyncio.to_thread(manager.__enter__)
    try:
        yield value
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


async def until(happened: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, happened)


def quiet_port() -> int:
    """A free port below those that outgoing connections take, so that it stays free between starts."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def folder(directory: Path) -> Path:
    """A new folder in a run's directory."""
    number = sum(1 for _ in directory.iterdir())
    made = directory / f"store-{number}"
    made.mkdir()
    return made


@contextmanager
def scratch() -> Iterator[str]:
    home = tempfile.mkdtemp(prefix="handoff-faults-")
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def answers(port: int) -> bool:
    return ask(("127.0.0.1", port), "PING").startswith(("+PONG", "-LOADING", "-MASTERDOWN"))


def replicates(port: int) -> bool:
    return "master_link_status:up" in ask(("127.0.0.1", port), "INFO", "replication")
