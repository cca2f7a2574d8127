"""Several server processes on one port: started, watched and stopped by a parent that serves nothing itself.

Each worker has one end of a socket as its standard input. A worker says on it that it serves; the socket ends
with the parent, however the parent ends, and then the worker stops.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

import structlog

from handoff.domain.errors import HandoffError

NUMBER = "HANDOFF_WORKER"
"""The environment variable with a worker's number, from 0."""
STOP_S = 12.0  # of a worker: what is in flight gets 6 s, deliveries 3, leases 2 where the store hangs
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
STEADY_S = 60.0  # a worker that served this long ended for a new reason: the pauses begin anew
START_TRIES = 3  # a worker that ends so often before it serves will not serve the next time either
REFUSED = 1  # the exit status of a start that was refused, with the reason on stderr
_READY = b"."

log = structlog.get_logger(__name__)


def say_ready() -> None:
    """Tell the parent that this worker serves."""
    with suppress(OSError):  # the parent is gone: `watch_parent` sees it as well
        os.write(sys.stdin.fileno(), _READY)


def watch_parent(stopping: asyncio.Event) -> None:
    """Set `stopping` when the parent is gone."""
    loop, parent = asyncio.get_running_loop(), sys.stdin.fileno()

    def gone() -> None:
        loop.remove_reader(parent)
        log.error("parent_gone")
        stopping.set()

    loop.add_reader(parent, gone)


async def run_workers(count: int, environment: Mapping[str, str], stopping: asyncio.Event) -> None:
    """Run the workers until `stopping` is set.

    HandoffError when a worker cannot start: then all of them are stopped.
    """
    workers = [_Worker(number, environment, stopping) for number in range(count)]
    for it in workers:
        it.others = [other for other in workers if other is not it]
    tasks = [asyncio.create_task(it.keep()) for it in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Worker:
    """One worker process, replaced when it ends."""

    def __init__(self, number: int, environment: Mapping[str, str], stopping: asyncio.Event) -> None:
        self.number = number
        self.ready_at: float | None = None
        """Since when this process serves; None while it starts or is gone."""
        self.others: list[_Worker] = []
        self._environment = {**environment, NUMBER: str(number)}
        self._stopping = stopping
        self._served = False
        self._failed_starts = 0
        self._pause_s = FIRST_PAUSE_S

    async def keep(self) -> None:
        """Run the process, again whenever it ends, until the parent stops."""
        while not self._stopping.is_set():
            status = await self._run()
            if self._stopping.is_set():
                return
            log.error("worker_ended", worker=self.number, status=status)
            self._judge(status)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._stopping.wait()
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _judge(self, status: int) -> None:
        """HandoffError where starting it again is of no use: it never served, or nobody serves any more."""
        ready_at, self.ready_at = self.ready_at, None
        if ready_at is not None:
            self._served, self._failed_starts = True, 0
            if time.monotonic() - ready_at > STEADY_S:
                self._pause_s = FIRST_PAUSE_S
            return
        self._failed_starts += 1
        if self._served and any(it.ready_at is not None for it in self.others):
            return
        refused = status == REFUSED and not self._served
        if refused or self._failed_starts >= START_TRIES:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            raise HandoffError(
                f"worker {self.number} cannot start ({how}): its own message above says why",
                code="worker_failed",
            )

    async def _run(self) -> int:
        """One process from its start to its end; its exit status, negative for a signal."""
        ours, its = socket.socketpair()
        with ours:
            with its:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "handoff.cli",
                    *sys.argv[1:],
                    env=self._environment,
                    stdin=its.fileno(),
                    start_new_session=True,  # Ctrl-C is for the parent, which then stops the workers in order
                )
            ours.setblocking(False)
            hearing = asyncio.create_task(self._hear(ours))
            stop = asyncio.create_task(self._stopping.wait())
            ended = asyncio.create_task(process.wait())
            try:
                await asyncio.wait({stop, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (stop, hearing):
                    task.cancel()
                await asyncio.gather(stop, hearing, return_exceptions=True)
                await _end(process)
        return await ended

    async def _hear(self, ours: socket.socket) -> None:
        if await asyncio.get_running_loop().sock_recv(ours, 1) == _READY:
            self.ready_at = time.monotonic()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop a worker that still runs: in order, or after STOP_S at once."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        log.error("worker_stop_forced", pid=process.pid)
        process.kill()
        await process.wait()
