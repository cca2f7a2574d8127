"""Opens the server's port and, if no store is configured, its embedded store.

This is separate from the server so that the embedded Valkey starts while the server's modules are imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from handoff.domain.errors import ConfigurationError
from handoff.store.formats import FORMAT
from handoff.store.server.embedded import EmbeddedValkey

from .settings import Settings
from .store_probe import warn_if_unreachable

if TYPE_CHECKING:  # the embedded store does not wait for the import of the domain
    from handoff.adapter.transcriber import TranscriberFactory
    from handoff.domain.brief.packs import Packs

SHUTDOWN_S = 6.0  # with 3 s for deliveries, a stop takes less than an orchestrator's usual 10 s


class Options(Struct, frozen=True, kw_only=True):
    """Options of one process. Only the first of several workers opens mail listeners.

    `understood` is the highest store format that the process reads and writes. Requests in flight get
    `shutdown_s` to finish when the server stops.
    """

    admin_token: str | None = None
    first: bool = True
    reuse_port: bool = False
    understood: int = FORMAT
    shutdown_s: float = SHUTDOWN_S
    load: Callable[[], Settings] | None = None
    """Reads the configuration again."""
    announce_reload: Callable[[], None] | None = None
    """Lets the other workers read it as well."""
    packs: Packs | None = None
    """Language packs to use; None reads those of the package."""
    transcribers: Mapping[str, TranscriberFactory] | None = None
    """Plug-ins by name; None loads those that installed packages declare."""


class BoundServer(Struct, frozen=True):
    """The bound socket, and the URL of the embedded store if the server uses it."""

    listening: socket.socket
    embedded: str | None


@asynccontextmanager
async def opened(settings: Settings, options: Options) -> AsyncIterator[BoundServer]:
    """Bind the port, then start the embedded store. Both are released on leaving."""
    with contextlib.closing(_bind(settings, options.reuse_port)) as listening:
        async with _embedded(settings) as embedded, _probing(settings, options):
            yield BoundServer(listening, embedded)


@asynccontextmanager
async def _probing(settings: Settings, options: Options) -> AsyncIterator[None]:
    """Warn if the configured store cannot be connected to."""
    url = settings.store.url
    if url is None or not options.first:
        yield
        return
    probing = asyncio.create_task(warn_if_unreachable(url))
    try:
        yield
    finally:
        probing.cancel()


@asynccontextmanager
async def store_for_workers(settings: Settings) -> AsyncIterator[str]:
    """The URL of the store that the workers share. An embedded store runs until the context ends."""
    async with _embedded(settings) as embedded:
        yield embedded or settings.store.url or ""


@asynccontextmanager
async def _embedded(settings: Settings) -> AsyncIterator[str | None]:
    """Run the embedded store and yield its URL, or None if another store is configured."""
    async with AsyncExitStack() as stack:
        if settings.store.url is None:
            yield (await stack.enter_async_context(EmbeddedValkey(settings.store).running())).address
        else:
            yield None


@contextlib.contextmanager
def reserved_port(settings: Settings) -> Iterator[None]:
    """Reserve the port for workers that share it. ConfigurationError if another process uses it.

    Workers with SO_REUSEPORT could join another server's port, so the port is first bound without it.
    """
    _bind(settings, reuse_port=False).close()
    with contextlib.closing(_bind(settings, reuse_port=True)):
        yield


def _bind(settings: Settings, reuse_port: bool) -> socket.socket:
    """Bind the socket. It accepts no connections before the server is ready."""
    host, port = settings.server.host, settings.server.port
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(info[0], socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(info[4])
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. Is another server running? "
            f"Choose another port with --port."
        ) from error
    return listening
