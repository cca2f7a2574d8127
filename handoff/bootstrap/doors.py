"""The server's doors: its HTTP port and the listeners of its sources, opened together and closed together.

All of them close at the same time, so that a stop takes as long as the slowest and not as long as the sum.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web

from handoff.adapter.contract import InboundRequest, Listener, Reply
from handoff.api.app import make_app, make_fast_path
from handoff.api.http.app_keys import AppContext
from handoff.api.http.protocol import Protocol
from handoff.domain.errors import ConfigurationError
from handoff.services.sources.inbound import Inbound, Received, Source

from .accepting import accepting

SHUTDOWN_S = 6.0  # for requests in flight: with 3 s for deliveries a stop stays below an orchestrator's ten


@asynccontextmanager
async def open_doors(
    listening: socket.socket, site: AppContext, sources: Iterable[Source]
) -> AsyncIterator[dict[str, str]]:
    """Serve HTTP on a bound socket, and each source at its own address; gives the addresses by source."""
    doors: list[AsyncExitStack] = []

    async def opened(door: Any) -> Any:
        stack = AsyncExitStack()
        entered = await stack.enter_async_context(door)
        doors.append(stack)
        return entered

    try:
        await opened(_http(listening, site))
        yield {it.name: await opened(_listen(site.inbound, it)) for it in sources}
    finally:
        for failure in await asyncio.gather(*(it.aclose() for it in doors), return_exceptions=True):
            if failure is not None:
                raise failure


@asynccontextmanager
async def _http(listening: socket.socket, site: AppContext) -> AsyncIterator[None]:
    runner = web.AppRunner(make_app(site), shutdown_timeout=SHUTDOWN_S, handle_signals=False)
    await runner.setup()
    assert runner.server is not None
    # Bodies are inflated within limits by our own code, never by the parser.
    given: Mapping[str, Any] = {"access_log": None, "auto_decompress": False}
    protocol = partial(Protocol, runner.server, loop=asyncio.get_running_loop(), **given)
    fast = make_fast_path(site, protocol)
    try:
        async with accepting(listening, fast.protocol):
            yield
    finally:
        # aiohttp waits as long again for an answer that nobody reads.
        cutting = asyncio.get_running_loop().call_later(SHUTDOWN_S, _cut_off, runner.server)
        await asyncio.gather(fast.end(SHUTDOWN_S), runner.cleanup())
        cutting.cancel()


def _cut_off(server: web.Server) -> None:
    for it in server.connections:
        if it.transport is not None:
            it.transport.abort()


@asynccontextmanager
async def _listen(inbound: Inbound, source: Source) -> AsyncIterator[str]:
    """A source's own listener; gives where it listens."""

    async def receive(request: InboundRequest) -> Reply:
        return await inbound.handle(Received(source=source, request=request))

    assert isinstance(source.adapter, Listener)
    try:
        async with source.adapter.listen(receive) as listener:
            yield str(listener.url)
    except OSError as error:
        raise ConfigurationError(f"source {source.name!r} cannot listen: {error}") from error
