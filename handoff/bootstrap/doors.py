"""Opens and closes the server's HTTP port and the listeners of its sources.

All of them close in parallel, so that a stop takes as long as the slowest one, not as long as their sum.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web

from handoff.adapter.admission import ByteBudget
from handoff.adapter.contract import InboundRequest, Listener, Reply
from handoff.api.app import make_app, make_fast_path, make_fast_routes
from handoff.api.http.app_keys import AppContext
from handoff.api.http.connections import Connections, Deadlines
from handoff.api.http.protocol import HttpProtocol
from handoff.domain.errors import ConfigurationError, RateLimited
from handoff.services.admission.limits import LimitSettings
from handoff.services.sources.inbound import Inbound, Received, Source

from .accepting import accepting
from .background.memory import allow_connections, giving_back


@asynccontextmanager
async def open_doors(
    listening: socket.socket,
    site: AppContext,
    sources: Iterable[Source],
    limits: LimitSettings,
    *,
    shutdown_s: float,
) -> AsyncIterator[dict[str, str]]:
    """Serve HTTP on a bound socket, and open the sources' listeners. Yields their addresses by source.

    On leaving, requests in flight get `shutdown_s` to finish.
    """
    doors: list[AsyncExitStack] = []

    async def opened(door: Any) -> Any:
        stack = AsyncExitStack()
        entered = await stack.enter_async_context(door)
        doors.append(stack)
        return entered

    try:
        budget = ByteBudget(limits.max_bytes_in_flight)
        await opened(giving_back(budget))
        await opened(_http(listening, site, limits, budget, shutdown_s))
        yield {it.name: await opened(_listen(site.inbound, it, budget)) for it in sources}
    finally:
        for failure in await asyncio.gather(*(it.aclose() for it in doors), return_exceptions=True):
            if failure is not None:
                raise failure


@asynccontextmanager
async def _http(
    listening: socket.socket, site: AppContext, limits: LimitSettings, budget: ByteBudget, shutdown_s: float
) -> AsyncIterator[None]:
    deadlines = Deadlines(head_s=limits.header_timeout_s, body_s=limits.body_timeout_s)
    allow_connections(limits.max_connections)
    connections = Connections(limits.max_connections, budget, deadlines)
    runner = web.AppRunner(make_app(site), shutdown_timeout=shutdown_s, handle_signals=False)
    await runner.setup()
    assert runner.server is not None
    # Our own code decompresses bodies within limits; the parser would not.
    given: Mapping[str, Any] = {
        "access_log": None,
        "auto_decompress": False,
        "lingering_time": limits.body_timeout_s,
    }
    loop = asyncio.get_running_loop()
    protocol = partial(HttpProtocol, runner.server, loop=loop, connections=connections, **given)
    fast = make_fast_path(site, protocol, connections)
    site.on_reload.append(lambda: fast.replace(make_fast_routes(site)))
    try:
        async with accepting(listening, fast.protocol):
            yield
    finally:
        # aiohttp waits twice as long for a client that does not read its response.
        cutting = asyncio.get_running_loop().call_later(shutdown_s, _cut_off, runner.server)
        await asyncio.gather(fast.end(shutdown_s), runner.cleanup())
        cutting.cancel()


def _cut_off(server: web.Server) -> None:
    for connection in server.connections:
        if connection.transport is not None:
            connection.transport.abort()


class _Receiver:
    """Records the deliveries of one listener."""

    def __init__(self, inbound: Inbound, source: Source, budget: ByteBudget) -> None:
        self._inbound = inbound
        self._source = source
        self.budget = budget

    async def __call__(self, request: InboundRequest) -> Reply:
        try:
            self._inbound.check_rate(self._source)
        except RateLimited as error:
            return Reply(error=error)
        return await self._inbound.handle(Received(source=self._source, request=request))


@asynccontextmanager
async def _listen(inbound: Inbound, source: Source, budget: ByteBudget) -> AsyncIterator[str]:
    """Open a source's listener. Yields its URL."""
    receive = _Receiver(inbound, source, budget)
    assert isinstance(source.adapter, Listener)
    try:
        async with source.adapter.listen(receive) as listener:
            yield str(listener.url)
    except OSError as error:
        raise ConfigurationError(f"source {source.name!r} cannot listen: {error}") from error
