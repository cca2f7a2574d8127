"""The log is on disk before the acknowledgement: read from the kernel's own record of system calls.

A kill does not show this, since the page cache survives it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from handoff.domain.errors import ConfigurationError
from tests.api.conftest import served
from tests.conftest import fresh_tenant, opened
from tests.faults.load import Ledger, client, send, serving
from tests.samples import NOON, record_all, touchpoint
from tests.store.servers import server, valkey_binary, valkey_server

COUNT = 60
# `strace -yy` writes a descriptor with what it is: 8</dir/file>, 9<UNIX-STREAM:[1->2]>.
_CALL = re.compile(r"^\d+ +(?P<name>write|writev|sendto|fdatasync|fsync)\(\d+<(?P<what>[^>]*)")


@contextmanager
def traced(pid: int, output: Path) -> Iterator[None]:
    """The system calls of a process and its threads, in order, into a file."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    calls = "trace=write,writev,sendto,fdatasync,fsync"
    command = [strace, "-f", "-yy", "-s", "16", "-e", calls, "-o", str(output), "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        assert tracer.stderr is not None
        line = tracer.stderr.readline().decode()
        if "attached" not in line:
            pytest.skip(f"strace may not attach here: {line.strip()}")
        yield
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=10)


def answers(trace: str) -> list[bool]:
    """For every answer to a client: whether all of the log that was written before it was on disk."""
    unsynced = False
    found = []
    for line in trace.splitlines():
        call = _CALL.match(line)
        if call is None:
            assert "fdatasync" not in line or "resumed" in line or "+++" in line, line
            continue
        name, what = call["name"], call["what"]
        if ".aof" in what:
            unsynced = name.startswith("write")
        elif "UNIX" in what or "TCP" in what:
            found.append(not unsynced)
    return found


async def trace_of(appendfsync: str, directory: Path) -> list[bool]:
    output = directory / f"{appendfsync}.trace"
    with server(valkey_binary(), appendfsync=appendfsync) as running:
        async with opened(running.url) as store:
            tenant = fresh_tenant()
            await record_all(store, tenant, [touchpoint("first")])
            with traced(running.process.pid, output):
                for number in range(COUNT):
                    await record_all(store, tenant, [touchpoint(f"e{number}", at=NOON + number)])
                await asyncio.gather(
                    *(record_all(store, tenant, [touchpoint(f"f{n}", f"user:u{n}")]) for n in range(COUNT))
                )
    return answers(output.read_text())


async def test_every_answer_comes_after_the_log_is_on_disk(tmp_path: Path) -> None:
    found = await trace_of("always", tmp_path)
    assert len(found) >= COUNT
    assert all(found), f"{found.count(False)} of {len(found)} answers went out before fdatasync"


async def test_the_trace_would_show_an_answer_before_the_disk(tmp_path: Path) -> None:
    """The same with `everysec`, which promises less: the test above can fail."""
    found = await trace_of("everysec", tmp_path)
    assert found.count(False) > COUNT / 2


@pytest.mark.parametrize(
    "changed", [{"appendfsync": "everysec"}, {"appendfsync": "no"}, {"appendonly": "no"}]
)
async def test_a_store_that_keeps_less_than_promised_is_refused_at_the_start(changed: dict[str, str]) -> None:
    with valkey_server(**changed) as url, pytest.raises(ConfigurationError, match=next(iter(changed))):
        async with served(url):
            pass


async def test_the_embedded_store_syncs_before_it_answers(tmp_path: Path) -> None:
    """The whole way, from `handoff serve` with nothing configured."""
    output, ledger = tmp_path / "embedded.trace", Ledger()
    with serving(tmp_path / "data") as process:
        async with client() as session:
            with traced(process.valkey_pid, output):
                for _ in range(20):
                    assert await send(session, process.url, ledger.touchpoint(0), ledger)
    found = answers(output.read_text())
    assert len(found) >= 20
    assert all(found)
