"""Building and running the whole server: store, services, HTTP, listeners, timers, delivery."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from msgspec import Struct

from handoff.api.access import Access, Token, hash_secret
from handoff.api.app import make_app, make_fast_path
from handoff.api.keys import Site
from handoff.api.protocol import Protocol
from handoff.delivery.delivery import Delivery, MadeSecret
from handoff.delivery.timers import TICK_S, Timers
from handoff.domain.brief import BriefRules
from handoff.domain.errors import ConfigurationError, HandoffError, InvalidPayload, StoreUnavailable
from handoff.domain.handoff import Handoff
from handoff.services.adapter import InboundRequest, Listener, Outcome
from handoff.services.announcing import record_handoff_events
from handoff.services.completeness import Monitor
from handoff.services.following import Followers
from handoff.services.inbound import Inbound, Source
from handoff.services.intake import Intake
from handoff.services.live import Hub
from handoff.services.measures import Measures
from handoff.services.summaries import load_summariser
from handoff.store.connection import Connection
from handoff.store.durability import prove
from handoff.store.store import Store, open_store

from .accepting import accepting
from .language_packs import load_packs
from .opening import Options, Place, opened
from .settings import Settings
from .sources import build_sources, facts, source_rules, spaces, tenants

__all__ = ["Options", "Server", "running", "running_in"]

SHUTDOWN_S = 8.0  # requests in flight get this long; an orchestrator kills after ten
SAVE_S = 1.0
COUNT_S = 5.0
KEEP_S = 5.0
START_WAIT_S = 10.0  # how long a store that is still starting is waited for

log = structlog.get_logger(__name__)


class Server(Struct, frozen=True, kw_only=True):
    """A running server: where it listens, and what it was built from."""

    url: str
    site: Site
    store: Store
    listeners: dict[str, str]
    admin_token: str | None
    """The token made at start, where none was configured."""
    made_secrets: tuple[MadeSecret, ...] = ()
    """Secrets made for configured webhooks that had none."""


@asynccontextmanager
async def running(settings: Settings, options: Options) -> AsyncIterator[Server]:
    """The server, started on entering and stopped cleanly on leaving."""
    async with opened(settings, options) as place, running_in(place, settings, options) as server:
        yield server


@asynccontextmanager
async def running_in(place: Place, settings: Settings, options: Options) -> AsyncIterator[Server]:
    """The server over what was opened for it."""
    sources = build_sources(settings)
    names = tenants(settings, sources)
    made = None if options.admin_token else secrets.token_urlsafe(24)
    admin = _admin(options.admin_token or made or "")
    async with AsyncExitStack() as stack:
        url = _url(settings.server.host, place.listening.getsockname()[1])
        briefs = BriefRules(packs=load_packs(), sources=source_rules(sources))
        store = await stack.enter_async_context(_store(settings, place.embedded, briefs))
        access = Access([admin, *(it.token() for it in settings.tokens)], names)
        health: list[Callable[[], str | None]] = []
        site = _site(settings, store, sources, access, url, health)
        monitor, measures = site.monitor, site.measures
        await stack.enter_async_context(_running("live", site.hub.run()))
        timers = Timers(store, monitor, names, site.announce)
        followers = Followers(store, monitor, settings.policies, site.announce)
        delivery = Delivery(
            store,
            monitor,
            measures,
            settings.webhooks,
            names,
            site.public_url,
            followers=followers,
            connectors=settings.connectors,
        )
        health.append(delivery.ready)
        await stack.enter_async_context(delivery.running())
        await stack.enter_async_context(_repeating("timers", TICK_S, timers.fire_due))
        await stack.enter_async_context(_repeating("keep", KEEP_S, store.keep))
        await stack.enter_async_context(_repeating("count", COUNT_S, _counting(timers, measures)))
        await stack.enter_async_context(_repeating("save", SAVE_S, monitor.save, at_the_end=True))
        await stack.enter_async_context(_http(place.listening, site))
        listening = (
            [it for it in sources.values() if isinstance(it.adapter, Listener)] if options.first else []
        )
        listeners = {it.name: await stack.enter_async_context(_listen(site.inbound, it)) for it in listening}
        gc.freeze()  # what a start leaves lives as long as the server
        yield Server(
            url=url,
            site=site,
            store=store,
            listeners=listeners,
            admin_token=made,
            made_secrets=delivery.made_secrets,
        )


def _site(
    settings: Settings,
    store: Store,
    sources: Mapping[str, Source],
    access: Access,
    url: str,
    health: Sequence[Callable[[], str | None]],
) -> Site:
    """What the handlers work with; the server is ready when no check of `health` says why not."""
    measures = Measures()
    monitor = Monitor(store, facts(sources))
    intake = Intake(store)
    return Site(
        store=store,
        monitor=monitor,
        measures=measures,
        inbound=Inbound(store, intake, monitor, measures),
        intake=intake,
        access=access,
        sources=sources,
        channels=settings.channel_names,
        public_url=(settings.server.public_url or url).rstrip("/"),
        identity_spaces=spaces(sources),
        ready=lambda: next((why for check in health if (why := check())), None),
        announce=_announcer(store, measures),
        hub=Hub(store),
        policies=settings.policies,
        allowed_origins=frozenset(settings.panel.allowed_origins),
        summariser=load_summariser(),
    )


def _admin(secret: str) -> Token:
    """The token that may everything."""
    scopes = frozenset({"admin"})
    return Token(name="admin", tenant="default", scopes=scopes, secret_hash=hash_secret(secret))


@asynccontextmanager
async def _store(settings: Settings, embedded: str | None, briefs: BriefRules) -> AsyncIterator[Store]:
    """The configured store, or the embedded one; its promise is proved before anything uses it."""
    async with Connection(settings.store, url=embedded) as connection:
        await _reachable(connection)
        for note in await prove(connection, settings.store, embedded=embedded is not None):
            log.info("store", note=note)
        async with open_store(settings.store, connection, settings.identity, briefs) as store:
            yield store


async def _reachable(connection: Connection) -> None:
    """Wait for a store that is still starting. ConfigurationError when it does not come."""
    try:
        async with asyncio.timeout(START_WAIT_S):
            while True:
                try:
                    await connection.call("PING")
                    return
                except StoreUnavailable as error:
                    last = error
                    await asyncio.sleep(0.2)
    except TimeoutError:
        raise ConfigurationError(f"the store at store.url does not answer: {last.detail}") from last


def _counting(timers: Timers, measures: Measures) -> Callable[[], Awaitable[object]]:
    async def count() -> None:
        measures.unviewed.set(await timers.count_unviewed())

    return count


def _announcer(
    store: Store, measures: Measures
) -> Callable[[Sequence[tuple[str, Handoff]]], Awaitable[None]]:
    """Touchpoints of changed hand-offs at once; whatever fails here comes again from the outbox."""

    async def announce(changed: Sequence[tuple[str, Handoff]]) -> None:
        for type_, _handoff in changed:
            measures.handoffs.labels(type_).inc()
        try:
            await record_handoff_events(store, changed)
        except HandoffError as error:
            log.warning("announcing_left_to_outbox", code=error.problem_code)

    return announce


@asynccontextmanager
async def _running(name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` in a task that is ended on leaving."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _repeating(
    name: str, every_s: float, work: Callable[[], Awaitable[object]], *, at_the_end: bool = False
) -> AsyncIterator[None]:
    """Run `work` again and again; a failure is logged and the next turn comes all the same.

    Once more `at_the_end` only where nobody else would do it: a store that hangs takes a whole deadline.
    """

    async def loop() -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await work()
            except HandoffError as error:
                log.warning("background_failed", work=name, code=error.problem_code)
            except Exception:  # the outermost loop
                log.exception("background_crashed", work=name)

    task = asyncio.create_task(loop(), name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if at_the_end:
            with contextlib.suppress(HandoffError):
                await work()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def _http(listening: socket.socket, site: Site) -> AsyncIterator[None]:
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

    async def receive(request: InboundRequest) -> Outcome:
        try:
            return await inbound.deliver(source, request)
        except InvalidPayload:
            return Outcome(quarantined=1)  # kept, so that it may be acknowledged

    assert isinstance(source.adapter, Listener)
    try:
        async with source.adapter.listen(receive) as listener:
            yield str(listener.url)
    except OSError as error:
        raise ConfigurationError(f"source {source.name!r} cannot listen: {error}") from error
