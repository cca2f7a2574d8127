"""Worker processes that share a port. A parent, which serves no requests, starts, watches and stops them.

Each worker's standard input is one end of a socket. The worker reports on it that it is ready. The socket
closes when the parent ends for any reason, and then the worker stops.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from handoff.domain.errors import HandoffError

NUMBER = "HANDOFF_WORKER"
"""The environment variable with a worker's number, counted from 0."""
STOP_S = 12.0  # for a worker: 6 s for requests in flight, 3 for deliveries, 2 for leases if the store hangs
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
STEADY_S = 60.0  # a worker that served this long failed for a new reason: pauses are reset
START_TRIES = 3  # a worker that fails this often before it is ready is not started again
REFUSED = 1  # the exit status when a worker cannot start; stderr has the reason
_READY = b"."

log = structlog.get_logger(__name__)


def report_ready() -> None:
    """Report to the parent that this worker is ready."""
    with suppress(OSError):  # the parent is gone: `watch_parent` notices, too
        os.write(sys.stdin.fileno(), _READY)


def ask_for_reload() -> None:
    """Ask the parent to let all workers read their configuration again."""
    os.kill(os.getppid(), signal.SIGHUP)


def watch_parent(stopping: asyncio.Event) -> None:
    """Set `stopping` when the parent is gone."""
    loop, parent = asyncio.get_running_loop(), sys.stdin.fileno()

    def gone() -> None:
        loop.remove_reader(parent)
        log.error("parent_gone")
        stopping.set()

    loop.add_reader(parent, gone)


async def run_workers(
    count: int, environment: Mapping[str, str], stopping: asyncio.Event, *, reloads: bool = False
) -> None:
    """Run the workers until `stopping` is set.

    With `reloads`, all of them get a SIGHUP that the parent receives. HandoffError if a worker cannot start;
    all workers are stopped first.
    """
    workers = [_Worker(number, environment, stopping) for number in range(count)]
    for worker in workers:
        worker.others = [other for other in workers if other is not worker]
    if reloads:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, _reload_all, workers)
    tasks = [asyncio.create_task(it.keep()) for it in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reload_all(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.reload()


class _Worker:
    """One worker process, restarted when it ends."""

    def __init__(self, number: int, environment: Mapping[str, str], stopping: asyncio.Event) -> None:
        self.number = number
        self.ready_at: float | None = None
        """When this process became ready; None while it starts or after it ended."""
        self.others: list[_Worker] = []
        self._environment = {**environment, NUMBER: str(number)}
        self._stopping = stopping
        self._served = False
        self._failed_starts = 0
        self._pause_s = FIRST_PAUSE_S
        self._process: asyncio.subprocess.Process | None = None

    def reload(self) -> None:
        """Let a ready process read its configuration again; one that starts reads the new one anyway."""
        if self._process is not None and self.ready_at is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    async def keep(self) -> None:
        """Run the process and restart it whenever it ends, until the parent stops."""
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
        """HandoffError if a restart is pointless: the worker was never ready, or no worker is ready."""
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
                f"worker {self.number} cannot start ({how}); see its message above",
                code="worker_failed",
            )

    async def _run(self) -> int:
        """Run one process and return its exit status, negative for a signal."""
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
                    start_new_session=True,  # Ctrl-C reaches only the parent, which stops the workers
                )
            self._process = process
            ours.setblocking(False)
            waiting = asyncio.create_task(self._wait_until_ready(ours))
            stop = asyncio.create_task(self._stopping.wait())
            ended = asyncio.create_task(process.wait())
            try:
                await asyncio.wait({stop, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (stop, waiting):
                    task.cancel()
                await asyncio.gather(stop, waiting, return_exceptions=True)
                await _end(process)
        return await ended

    async def _wait_until_ready(self, ours: socket.socket) -> None:
        if await asyncio.get_running_loop().sock_recv(ours, 1) == _READY:
            self.ready_at = time.monotonic()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop a running worker with SIGTERM, and after STOP_S with SIGKILL."""
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
