"""Builds and runs the server: store, services, HTTP, listeners, timers, delivery."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from msgspec import Struct

from handoff.adapter.contract import Listener
from handoff.adapter.transcriber import TranscriberFactory
from handoff.api.http.app_keys import AppContext
from handoff.delivery.delivery import DeliveryService, MadeSecret
from handoff.delivery.fetching import fetch
from handoff.delivery.polling.service import PollingService
from handoff.domain.brief import BriefRules
from handoff.domain.errors import HandoffError, StoreUnavailable
from handoff.domain.retention.rules import check_rules
from handoff.services.access.access import Access, Token, hash_secret
from handoff.services.access.credentials import Credentials
from handoff.services.access.oidc import Issuers
from handoff.services.access.watch import CHECK_S, CredentialWatch
from handoff.services.admission.rates import RateLimits
from handoff.services.announcements.looking import AnnouncementLooks
from handoff.services.announcements.settings import announcement_policies, check_announcements
from handoff.services.audit.trail import ANCHOR_S, RETENTION_S, SYNC_S
from handoff.services.context.completeness import Monitor
from handoff.services.context.summary import load_summariser
from handoff.services.events.feed import Hub
from handoff.services.events.reactions import Followers
from handoff.services.handoffs.lifecycle import Handoffs
from handoff.services.handoffs.timers import TICK_S, Timers
from handoff.services.ledger.alarms import TICK_S as ALARM_TICK_S
from handoff.services.ledger.alarms import PromiseAlarms
from handoff.services.ledger.settings import check_promises, ledger_rules
from handoff.services.metrics import Measures
from handoff.services.privacy.journal import Journal
from handoff.services.privacy.settings import check_masking
from handoff.services.retention.policy import RetentionPolicy
from handoff.services.sources.activity import ActivityLog
from handoff.services.sources.inbound import Inbound, Source
from handoff.services.sources.quarantine import Quarantine
from handoff.services.timeline.batching import Intake
from handoff.store.connection import Connection
from handoff.store.errors import reason_of
from handoff.store.formats import require_understood
from handoff.store.server.durability import prove
from handoff.store.store import Store, open_store
from handoff.store.workers import BEAT_S, NAME

from .auditing import keeping, open_trail, watch_codes
from .background.erasure_jobs import NOTICE_S, Erasures
from .background.key_epochs import keys_open, rotating
from .background.sweeps import TURN_S, Retention
from .background.tasks import in_background, repeating
from .doors import open_doors
from .language_packs import load_packs
from .opening import BoundServer, Options, opened
from .redaction import build_masking, build_redaction
from .reloading import Reloader, RunningParts
from .settings import Settings
from .shown_settings import shown_settings
from .sources import brief_rules, build_sources, facts, regions, spaces, tenants
from .store_probe import wait_for_store

__all__ = ["Options", "Server", "running", "running_in"]

SAVE_S = 1.0
ACTIVITY_S = 2.0  # of counts and refusals, which a worker that is killed loses
COUNT_S = 5.0
TRIM_S = 15.0
LEAVE_S = 0.5  # the store notices a worker that could not leave within 15 s

StoreTimers = tuple[Timers, PromiseAlarms, AnnouncementLooks]

log = structlog.get_logger(__name__)


class Server(Struct, frozen=True, kw_only=True):
    """A running server: its addresses and its parts."""

    url: str
    site: AppContext
    store: Store
    listeners: dict[str, str]
    admin_token: str | None
    """The generated token, if none was configured."""
    reloader: Reloader | None = None
    made_secrets: tuple[MadeSecret, ...] = ()
    """Generated secrets of configured webhooks that had none."""


@asynccontextmanager
async def running(settings: Settings, options: Options) -> AsyncIterator[Server]:
    """Start the server on entering and stop it cleanly on leaving."""
    async with opened(settings, options) as bound, running_in(bound, settings, options) as server:
        yield server


@asynccontextmanager
async def running_in(bound: BoundServer, settings: Settings, options: Options) -> AsyncIterator[Server]:
    """Run the server on a bound socket and, if there is one, the embedded store."""
    sources = build_sources(settings)
    names = tenants(settings, sources)
    _check(settings, names)
    made = None if options.admin_token else secrets.token_urlsafe(24)
    admin = _admin(options.admin_token or made or "")
    async with AsyncExitStack() as stack:
        url = _url(settings.server.host, bound.listening.getsockname()[1])
        briefs = brief_rules(settings, sources, options.packs or load_packs())
        store = await stack.enter_async_context(_store(settings, options, bound.embedded, briefs))
        health = await stack.enter_async_context(keys_open(store, names))
        credentials = _credentials(settings, store, admin, names)
        site = _site(settings, store, sources, credentials, url, health)
        stack.callback(site.inbound.close)
        followers = Followers(store, site.handoffs, settings.policies, site.ledger, site.announcements)
        retention = RetentionPolicy(settings.retention, names, settings.channel_names)
        parts = RunningParts(
            site=site,
            store=store,
            tenants=names,
            followers=followers,
            admin=admin,
            retention=retention,
        )
        reloader = _reloader(settings, options, parts)
        delivery = _delivery(site, settings, names, followers, options.transcribers)
        health.append(delivery.ready)
        erasures = Erasures(site, names)
        health.append(erasures.ready)
        await erasures.repeat()
        await stack.enter_async_context(_background(site, _timing(site, names), delivery, erasures))
        await stack.enter_async_context(_deleting_old(site, retention, settings))
        await stack.enter_async_context(rotating(store, settings.privacy.sealing, site.measures))
        listening = [it for it in sources.values() if options.first and isinstance(it.adapter, Listener)]
        listeners = await stack.enter_async_context(
            open_doors(bound.listening, site, listening, settings.limits, shutdown_s=options.shutdown_s)
        )
        gc.freeze()  # objects from the start live as long as the server
        yield Server(
            url=url,
            site=site,
            store=store,
            listeners=listeners,
            admin_token=made,
            made_secrets=delivery.made_secrets,
            reloader=reloader,
        )


def _check(settings: Settings, tenants: Sequence[str]) -> None:
    """ConfigurationError for rules that name an unknown tenant or channel."""
    check_rules(settings.retention, tenants, settings.channel_names)
    check_masking(settings.privacy.masking, tenants)
    check_promises(settings.promises, tenants)
    check_announcements(settings.announcements, tenants)


def _delivery(
    site: AppContext,
    settings: Settings,
    tenants: Sequence[str],
    followers: Followers,
    plugins: Mapping[str, TranscriberFactory] | None,
) -> DeliveryService:
    return DeliveryService(
        site.store,
        site.monitor,
        site.measures,
        settings.webhooks,
        tenants,
        site.public_url,
        followers=followers,
        connectors=settings.connectors,
        transcribers=settings.transcribers,
        plugins=plugins,
        clock_guard=site.handoffs.clock_guard,
    )


def _timing(site: AppContext, tenants: list[str]) -> StoreTimers:
    """The timers that go by the store's clock. All hear of the same jumps."""
    store, guard = site.store, site.handoffs.clock_guard
    return (
        Timers(store, site.handoffs, tenants),
        PromiseAlarms(store, tenants, guard, site.ledger),
        AnnouncementLooks(store, tenants, guard, site.announcements, site.handoffs),
    )


@asynccontextmanager
async def _background(
    site: AppContext, timing: StoreTimers, delivery: DeliveryService, erasures: Erasures
) -> AsyncIterator[None]:
    """Everything that runs beside the requests."""
    store, (timers, alarms, looks) = site.store, timing
    async with (
        in_background("live", site.hub.run()),
        delivery.running(),
        PollingService(store, site.inbound, site.monitor, lambda: site.sources).running(),
        repeating("timers", TICK_S, timers.fire_due),
        repeating("promises", ALARM_TICK_S, alarms.send_due),
        repeating("announcements", ALARM_TICK_S, looks.send_due),
        in_background("health", store.health.watch()),
        repeating("credentials", CHECK_S, site.watch.check),
        repeating("worker", BEAT_S, store.workers.beat),
        repeating("erased", NOTICE_S, erasures.notice),
        in_background("erasures", erasures.run()),
        keeping(site.audit),
        repeating("audit_sync", SYNC_S, site.audit.sync),
        repeating("audit_anchor", ANCHOR_S, site.audit.anchor),
        repeating("audit_retention", RETENTION_S, site.audit.remove_old),
        repeating("count", COUNT_S, _counting(store, timers, site.measures)),
        repeating("save", SAVE_S, site.monitor.save, at_the_end=True),
        _saving_activity(site.inbound.activity),
    ):
        yield


@asynccontextmanager
async def _saving_activity(activity: ActivityLog) -> AsyncIterator[None]:
    """Save what sources deliver, and the rest on leaving: no other worker has it."""
    try:
        async with repeating("activity", ACTIVITY_S, activity.save):
            yield
    finally:
        await activity.finish()


@asynccontextmanager
async def _deleting_old(site: AppContext, policy: RetentionPolicy, settings: Settings) -> AsyncIterator[None]:
    """Delete what was kept long enough."""
    await site.store.horizons.refresh()
    sweeps = Retention(site, policy)
    async with (
        repeating("retention", TURN_S, sweeps.turn),
        repeating("quarantine", TRIM_S, _trimming(settings, site)),
    ):
        yield


def _credentials(settings: Settings, store: Store, admin: Token, tenants: Sequence[str]) -> Credentials:
    access = Access([admin, *(it.token() for it in settings.tokens)], tenants)
    return Credentials(store, access, Issuers(settings.oidc, fetch))


def _reloader(settings: Settings, options: Options, parts: RunningParts) -> Reloader | None:
    """The reloader of a server that has a configuration file."""
    if options.load is None:
        parts.site.configuration = partial(shown_settings, settings)
        return None
    reloader = Reloader(settings, options.load, parts, options.announce_reload)
    parts.site.reload = reloader.reload_all
    parts.site.configuration = lambda tenant: shown_settings(reloader.settings, tenant)
    return reloader


def _site(
    settings: Settings,
    store: Store,
    sources: Mapping[str, Source],
    credentials: Credentials,
    url: str,
    health: Sequence[Callable[[], str | None]],
) -> AppContext:
    """The context of the HTTP handlers. The server is ready if no check in `health` returns a reason."""
    measures = Measures()
    store.unknown.counted = lambda what: measures.unknown.labels(what).inc()
    if store.sealing is not None:
        store.sealing.counted = lambda what: measures.unreadable.labels(what).inc()
    store.redaction.counted = lambda kind, way, count: measures.redacted.labels(kind, way).inc(count)
    audit = open_trail(settings, measures)
    watch_codes(store.codes, measures, audit, frozenset(sources))
    monitor = Monitor(store, facts(sources))
    intake, kept = Intake(store), Quarantine(store, settings.limits)
    rates = RateLimits(settings.limits)
    return AppContext(
        store=store,
        monitor=monitor,
        measures=measures,
        inbound=Inbound(store, intake, monitor, measures, kept, rates),
        intake=intake,
        credentials=credentials,
        watch=CredentialWatch(credentials),
        sources=sources,
        channels=settings.channel_names,
        public_url=(settings.server.public_url or url).rstrip("/"),
        identity_spaces=spaces(sources),
        regions=regions(sources),
        ready=lambda: next((why for check in health if (why := check())), None),
        handoffs=Handoffs(store, monitor, measures, consent=settings.privacy.consent_policy),
        hub=Hub(store),
        ledger=ledger_rules(settings.promises),
        announcements=announcement_policies(settings.announcements),
        rates=rates,
        journal=Journal(Path(settings.store.data_dir)),
        privacy=settings.privacy,
        policies=settings.policies,
        protect_metrics=settings.server.protect_metrics,
        allowed_origins=frozenset(settings.panel.allowed_origins),
        sign_in_url=settings.panel.sign_in_url,
        summariser=load_summariser(),
        audit=audit,
    )


def _trimming(settings: Settings, site: AppContext) -> Callable[[], Awaitable[None]]:
    kept = Quarantine(site.store, settings.limits)
    return lambda: kept.trim([(it.tenant, it.name) for it in site.sources.values()], time.time_ns() // 1000)


def _admin(secret: str) -> Token:
    """The token with all scopes."""
    scopes = frozenset({"admin"})
    return Token(name="admin", tenant="default", scopes=scopes, secret_hash=hash_secret(secret))


@asynccontextmanager
async def _store(
    settings: Settings, options: Options, embedded: str | None, briefs: BriefRules
) -> AsyncIterator[Store]:
    """Open the configured or the embedded store, and check its durability first."""
    async with Connection(settings.store, url=embedded, name=NAME) as connection:
        await wait_for_store(connection)
        for note in await prove(connection, settings.store, embedded=embedded is not None):
            log.info("store", note=note)
        opening = open_store(
            settings.store,
            connection,
            settings.identity,
            briefs,
            understood=options.understood,
            sealed=settings.privacy.sealing,
            redaction=build_redaction(settings.redaction),
        )
        async with opening as store, _registered(store):
            store.masking = build_masking(settings.privacy.masking)
            yield store


@asynccontextmanager
async def _registered(store: Store) -> AsyncIterator[None]:
    """Register as a worker of the store. ConfigurationError if the store's format is too new.

    A server also starts on a store that takes no writes: it answers reads, its next beats try again, and it
    is not ready until one succeeds.
    """
    try:
        await store.workers.beat()
    except StoreUnavailable as error:
        log.warning("worker_not_registered", code=error.problem_code, reason=reason_of(error))
    try:
        require_understood(store.workers.current, store.workers.understood)
        yield
    finally:
        with contextlib.suppress(HandoffError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await store.workers.leave(store.connection)


def _counting(store: Store, timers: Timers, measures: Measures) -> Callable[[], Awaitable[object]]:
    async def count() -> None:
        measures.store_up.set(0 if store.health.reason else 1)
        measures.unviewed.set(await timers.count_unviewed())

    return count


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
