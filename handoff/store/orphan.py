"""A Valkey that outlived the server that started it: found in its directory and ended by its process id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from handoff.domain.errors import ConfigurationError
from handoff.store.directory import DirectoryLock

PATIENCE_S = 10.0  # for SIGTERM, and again for SIGKILL; long enough for one caught in its own start
POLL_S = 0.01
ANSWER_S = 1.0
_PROCESS_ID = re.compile(rb"^process_id:(\d+)\r?$", re.MULTILINE)


async def end(home: Path, socket: Path) -> None:
    """End the Valkey whose files are in `home`, if one lives; returns when none does.

    Only a process whose command line names our configuration file is signalled. ConfigurationError
    when one holds the directory and cannot be found or ended.
    """
    life = DirectoryLock(home / "valkey.lock")
    for kind in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE_S
        signalled = False
        while life.held():
            if not signalled and (pid := await _find(home, socket)) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, kind)
                signalled = True
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_S)
        else:
            return
    raise ConfigurationError(f"a Valkey that cannot be found still uses {home}: end it, then start again")


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


async def _find(home: Path, socket: Path) -> int | None:
    candidates = []
    with contextlib.suppress(OSError, ValueError):
        candidates.append(int((home / "valkey.pid").read_text()))
    answered = _PROCESS_ID.search(await ask(socket, b"INFO server"))
    if answered:
        candidates.append(int(answered[1]))
    conf = str(home / "valkey.conf")
    for pid in candidates:
        if pid > 1 and conf in await asyncio.to_thread(_command_line, pid):
            return pid
    return None


def _command_line(pid: int) -> str:
    """The command line of a process, empty when there is none; `ps` where there is no /proc (macOS)."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\x00", b" "))
    except OSError:
        if Path("/proc/self").exists():
            return ""
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, check=False, timeout=5, text=True).stdout  # noqa: S603 - a number of ours
