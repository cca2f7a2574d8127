"""`handoff serve`: one server process, or several workers that share a port under a parent process."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog

from handoff.bootstrap.opening import Options, opened, reserved_port, store_for_workers
from handoff.bootstrap.settings import ADMIN_TOKEN, Settings
from handoff.domain.errors import ConfigurationError, HandoffError

from . import workers

if TYPE_CHECKING:
    from handoff.bootstrap.server import Server

log = structlog.get_logger(__name__)


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it is installed (it is not on Windows)."""
    try:
        import uvloop
    except ImportError:  # pragma: no cover
        return asyncio.run(main)
    return uvloop.run(main)


def serve(settings: Settings, load: Callable[[], Settings] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. `load` reads the configuration again, on SIGHUP."""
    worker = os.environ.get(workers.NUMBER)
    if settings.server.workers > 1 and worker is None:
        return run_loop(_parent(settings, reloads=load is not None))
    number = int(worker or 0)
    options = Options(
        admin_token=os.environ.get(ADMIN_TOKEN),
        first=number == 0,
        reuse_port=worker is not None,
        load=load,
        announce_reload=workers.ask_for_reload if worker is not None else None,
    )
    return run_loop(_serve(settings, options))


async def _serve(settings: Settings, options: Options) -> int:
    stopping = stop_signal()
    if options.load is not None:  # until the server is there, a SIGHUP must not end the process
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    if options.reuse_port:
        workers.watch_parent(stopping)
    # Importing these modules takes most of the start-up time; the embedded store starts in parallel.
    importing = asyncio.create_task(asyncio.to_thread(import_module, "handoff.bootstrap.server"))
    async with opened(settings, options) as bound:
        bootstrap = await importing
        async with bootstrap.running_in(bound, settings, options) as server:
            announce(server)
            _reload_on_signal(server)
            if options.reuse_port:
                workers.report_ready()
            await stopping.wait()
            log.info("stopping")
    return 0


def _reload_on_signal(server: Server) -> None:
    """Read the configuration again on SIGHUP. The log has the result."""
    reloader = server.reloader
    if reloader is None:
        return
    tasks: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        with suppress(HandoffError):  # in the log
            await reloader.reload()

    def begin() -> None:
        task = asyncio.get_running_loop().create_task(reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets. A second signal ends the process immediately."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def announce(server: Server) -> None:
    """Print the server's addresses, and the secrets that were generated at start."""
    if server.admin_token:
        print(f"admin token: {server.admin_token}", flush=True)
    print(f"handoff listens on {server.url}", flush=True)
    for made in server.made_secrets:
        print(f"generated secret for the webhook {made.url}: {made.secret}", flush=True)
    for name, url in server.listeners.items():
        print(f"  {name}: {url}", flush=True)


async def _parent(settings: Settings, *, reloads: bool) -> int:
    """Run the store and the workers that use it."""
    if settings.server.port == 0:
        raise ConfigurationError("several workers cannot share a random port: choose one with --port")
    stopping = stop_signal()
    token = os.environ.get(ADMIN_TOKEN)
    made = token or secrets.token_urlsafe(24)
    async with AsyncExitStack() as stack:
        stack.enter_context(reserved_port(settings))
        url = await stack.enter_async_context(store_for_workers(settings))
        if not token:
            print(f"admin token: {made}", flush=True)
        environment = dict(os.environ) | {ADMIN_TOKEN: made, "HANDOFF_STORE_URL": url}
        await workers.run_workers(settings.server.workers, environment, stopping, reloads=reloads)
    return 0
