"""What a server holds before it serves anything: its port and, where none is configured, its store.

Apart from the server, so that the embedded Valkey starts while the server's modules are imported.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from handoff.domain.errors import ConfigurationError
from handoff.store.formats import FORMAT
from handoff.store.server.embedded import EmbeddedValkey

from .settings import Settings


class Options(Struct, frozen=True, kw_only=True):
    """What a process does beside its settings. Only the first of several workers opens mail listeners.

    `understood` is the highest format of the store that its code reads and writes.
    """

    admin_token: str | None = None
    first: bool = True
    reuse_port: bool = False
    understood: int = FORMAT


class BoundServer(Struct, frozen=True):
    """The bound socket, and the URL of the embedded store where that is the one."""

    listening: socket.socket
    embedded: str | None


@asynccontextmanager
async def opened(settings: Settings, options: Options) -> AsyncIterator[BoundServer]:
    """The port, then the embedded store; both are given up on leaving."""
    with contextlib.closing(_bind(settings, options.reuse_port)) as listening:
        async with _embedded(settings) as embedded:
            yield BoundServer(listening, embedded)


@asynccontextmanager
async def store_for_workers(settings: Settings) -> AsyncIterator[str]:
    """The URL of the store that several worker processes share; the embedded one runs meanwhile."""
    async with _embedded(settings) as embedded:
        yield embedded or settings.store.url or ""


@asynccontextmanager
async def _embedded(settings: Settings) -> AsyncIterator[str | None]:
    """The URL of the embedded store, which runs meanwhile; None where another is configured."""
    async with AsyncExitStack() as stack:
        if settings.store.url is None:
            yield (await stack.enter_async_context(EmbeddedValkey(settings.store).running())).address
        else:
            yield None


@contextlib.contextmanager
def reserved_port(settings: Settings) -> Iterator[None]:
    """Hold the port for workers that share it. ConfigurationError when anybody else has it.

    Servers that share a port could join another server's: so it is first bound as a single one binds it.
    """
    _bind(settings, reuse_port=False).close()
    with contextlib.closing(_bind(settings, reuse_port=True)):
        yield


def _bind(settings: Settings, reuse_port: bool) -> socket.socket:
    """The bound socket; nothing is accepted before the server is ready."""
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
