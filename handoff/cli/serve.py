"""`handoff serve`: one server process, or several on one port under a parent."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog

from handoff.bootstrap.opening import Options, opened, store_for_workers
from handoff.bootstrap.settings import ADMIN_TOKEN, Settings
from handoff.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from handoff.bootstrap.server import Server

WORKER = "HANDOFF_WORKER"
STOP_S = 12.0  # of a worker: what is in flight gets 6 s, deliveries 3, leases 2 where the store hangs
RESTART_PAUSE_S = 1.0

log = structlog.get_logger(__name__)


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it is installed (it is not on Windows)."""
    try:
        import uvloop
    except ImportError:  # pragma: no cover
        return asyncio.run(main)
    return uvloop.run(main)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    worker = os.environ.get(WORKER)
    if settings.server.workers > 1 and worker is None:
        return run_loop(_parent(settings))
    number = int(worker or 0)
    options = Options(
        admin_token=os.environ.get(ADMIN_TOKEN), first=number == 0, reuse_port=worker is not None
    )
    return run_loop(_serve(settings, options))


async def _serve(settings: Settings, options: Options) -> int:
    stopping = stop_signal()
    if options.reuse_port:
        _stop_with_parent(stopping)
    # The modules take longer than anything else of a start: the embedded store starts meanwhile.
    importing = asyncio.create_task(asyncio.to_thread(import_module, "handoff.bootstrap.server"))
    async with opened(settings, options) as place:
        bootstrap = await importing
        async with bootstrap.running_in(place, settings, options) as server:
            announce(server)
            await stopping.wait()
            log.info("stopping")
    return 0


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT. A second signal ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def _stop_with_parent(stopping: asyncio.Event) -> None:
    """Set `stopping` when a worker's parent is gone, however it went: with it the other end of stdin is."""
    loop, parent = asyncio.get_running_loop(), sys.stdin.fileno()

    def gone() -> None:
        loop.remove_reader(parent)
        log.error("parent_gone")
        stopping.set()

    loop.add_reader(parent, gone)


def announce(server: Server) -> None:
    """Say once where the server is, and the admin token where it was made just now."""
    if server.admin_token:
        print(f"admin token: {server.admin_token}", flush=True)
    print(f"handoff listens on {server.url}", flush=True)
    for it in server.made_secrets:
        print(f"secret made for the webhook {it.url}: {it.secret}", flush=True)
    for name, url in server.listeners.items():
        print(f"  {name}: {url}", flush=True)


async def _parent(settings: Settings) -> int:
    """The store and the workers; a worker that dies is started again."""
    if settings.server.port == 0:
        raise ConfigurationError("several workers share one port: choose it with --port")
    stopping = stop_signal()
    token = os.environ.get(ADMIN_TOKEN)
    made = token or secrets.token_urlsafe(24)
    async with store_for_workers(settings) as url:
        environment = dict(os.environ) | {ADMIN_TOKEN: made, "HANDOFF_STORE_URL": url}
        if not token:
            print(f"admin token: {made}", flush=True)
        async with asyncio.TaskGroup() as group:
            for number in range(settings.server.workers):
                group.create_task(_keep(number, environment, stopping))
    return 0


async def _keep(number: int, environment: dict[str, str], stopping: asyncio.Event) -> None:
    """One worker, restarted until the parent stops."""
    while not stopping.is_set():
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "handoff.cli",
            *sys.argv[1:],
            env=environment | {WORKER: str(number)},
            stdin=asyncio.subprocess.PIPE,  # nothing is said on it: see _stop_with_parent
            start_new_session=True,
        )
        stop = asyncio.create_task(stopping.wait())
        ended = asyncio.create_task(process.wait())
        await asyncio.wait({stop, ended}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not ended.done():
            process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await ended
            except TimeoutError:
                process.kill()
                await process.wait()
            return
        if not stopping.is_set():
            log.error("worker_ended", worker=number, status=process.returncode)
            await asyncio.sleep(RESTART_PAUSE_S)
