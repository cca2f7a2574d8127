"""Ends a Valkey that outlived the server that started it, by its process id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket as sockets
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from handoff.domain.errors import ConfigurationError

from .directory import DirectoryLock

PATIENCE_S = 10.0  # for SIGTERM, and again for SIGKILL; long enough for one caught in its own start
POLL_S = 0.01
LOOK_S = 0.2  # between two looks at the processes
ANSWER_S = 1.0
EXECUTABLE = "valkey-server"
_PROCESS_ID = re.compile(rb"^process_id:(\d+)\r?$", re.MULTILINE)
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


async def end(home: Path, socket: Path, patience_s: float = PATIENCE_S) -> None:
    """End the Valkey whose files are in `home`, if one lives; returns when none does.

    A process is signalled only where it is proved to be that Valkey: it serves the socket in `home`, and
    it runs `valkey-server` with the configuration in `home`. A pid file proves nothing: another process
    may have the number by now. ConfigurationError when what holds the directory is not proved, or does
    not end.
    """
    life = DirectoryLock(home / "valkey.lock")
    deadline = time.monotonic() + patience_s
    while life.held():
        with _proved(home, await _serving(socket)) as valkey:
            if valkey is not None:
                await _end(valkey, life, patience_s)
                return
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"{home / 'valkey.lock'} is held, but not by a process that is proved to be our Valkey"
                f"{_named(home)}. Nothing was ended: end what holds it, then start again"
            )
        await _released(life, LOOK_S)


async def _end(valkey: _Valkey, life: DirectoryLock, patience_s: float) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        valkey.send(kind)
        if await _released(life, patience_s):
            return
    raise ConfigurationError(
        f"the Valkey of an earlier start (pid {valkey.pid}) does not end: end it yourself"
    )


async def ask(socket: Path, command: bytes) -> bytes:
    """The beginning of the answer to an inline command on a unix socket; empty when nobody answers."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(command + b"\r\n")
                return await reader.read(16384)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""


async def _released(life: DirectoryLock, patience_s: float) -> bool:
    """Wait until the lock is free; False when it is still held after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while life.held():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True


async def _serving(socket: Path) -> int | None:
    """The process that serves the socket. The kernel names it, even where it hangs; macOS has to ask it."""
    if hasattr(sockets, "SO_PEERCRED"):
        with contextlib.suppress(OSError), sockets.socket(sockets.AF_UNIX) as line:
            line.settimeout(ANSWER_S)
            line.connect(str(socket))
            raw = line.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, _CREDENTIALS.size)
            return int(_CREDENTIALS.unpack(raw)[0])
        return None
    answered = _PROCESS_ID.search(await ask(socket, b"INFO server"))
    return int(answered[1]) if answered else None


class _Valkey:
    """A process that is ours to end. Its `handle` (a pidfd) is never of another that has the id later."""

    def __init__(self, pid: int, handle: int | None) -> None:
        self.pid = pid
        self._handle = handle

    def send(self, kind: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._handle is None:
                os.kill(self.pid, kind)
            else:
                signal.pidfd_send_signal(self._handle, kind)


@contextlib.contextmanager
def _proved(home: Path, pid: int | None) -> Iterator[_Valkey | None]:
    """The process, if it runs our configuration; the handle is taken before that is looked at."""
    if pid is None or pid <= 1:
        yield None
        return
    handle = None
    with contextlib.suppress(OSError, AttributeError):  # macOS has none
        handle = os.pidfd_open(pid)
    try:
        yield _Valkey(pid, handle) if _runs(_command_line(pid), home / "valkey.conf") else None
    finally:
        if handle is not None:
            os.close(handle)


def _runs(command_line: str, conf: Path) -> bool:
    """Whether it is `…/valkey-server CONF`, as started and as Valkey then titles itself."""
    executable = command_line.removesuffix(f" {conf}")
    return executable != command_line and Path(executable).name == EXECUTABLE


def _command_line(pid: int) -> str:
    """The command line of a process, empty when there is none; `ps` where there is no /proc (macOS)."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\x00", b" ")).strip()
    except OSError:
        if Path("/proc/self").exists():
            return ""
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    listed = subprocess.run(command, capture_output=True, check=False, timeout=5, text=True)  # noqa: S603 - a number of ours
    return listed.stdout.strip()


def _named(home: Path) -> str:
    """The content of the pid file, for an operator."""
    with contextlib.suppress(OSError, ValueError):
        return f" (valkey.pid names {int((home / 'valkey.pid').read_text())})"
    return ""
