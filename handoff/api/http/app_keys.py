"""The application context of the handlers, and the caller of a request, by typed key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION
from msgspec import Struct, field

from handoff.api.handlers.context_cache import ContextCache
from handoff.domain.policies import Policy
from handoff.services.access.access import TENANT_HEADER, bearer
from handoff.services.access.credentials import Credentials
from handoff.services.access.principal import Principal
from handoff.services.access.watch import CredentialWatch
from handoff.services.admission.limits import LimitSettings
from handoff.services.admission.rates import RateLimits
from handoff.services.admission.turns import Turns
from handoff.services.announcements.settings import AnnouncementPolicies
from handoff.services.audit.settings import AuditSettings
from handoff.services.audit.trail import AuditTrail
from handoff.services.context.completeness import Monitor
from handoff.services.context.summary import Summariser
from handoff.services.events.feed import Hub
from handoff.services.handoffs.lifecycle import Handoffs
from handoff.services.ledger.settling import LedgerRules
from handoff.services.metrics import Measures
from handoff.services.privacy.journal import Journal
from handoff.services.privacy.settings import PrivacySettings
from handoff.services.sources.inbound import Inbound, Source
from handoff.services.sources.native import Caller
from handoff.services.timeline.batching import Intake
from handoff.store.store import Store


class Reloaded(Struct, frozen=True, kw_only=True):
    """The result of reading the configuration again.

    `tenants` are those that were added. `needs_restart` names the sections that changed and take effect only
    after a restart.
    """

    tenants: list[str]
    tokens: int
    sources: int
    needs_restart: list[str]


class AppContext(Struct, kw_only=True, eq=False):
    """Everything that handlers need. The composition root creates it once, and changes it on a reload."""

    store: Store
    monitor: Monitor
    measures: Measures
    inbound: Inbound
    intake: Intake
    credentials: Credentials
    watch: CredentialWatch
    sources: Mapping[str, Source]
    channels: frozenset[str]
    public_url: str
    identity_spaces: Mapping[str, tuple[tuple[str, str], ...]]
    """By tenant: the (type, space) pairs of its sources, which lookups without a space try."""
    regions: Mapping[str, tuple[str, ...]]
    """By tenant: the `default_region` of its sources, in which look-ups read national numbers."""
    ready: Callable[[], str | None]
    """The reason why the server is not ready, or None."""
    handoffs: Handoffs
    hub: Hub
    ledger: LedgerRules = field(default_factory=LedgerRules)
    announcements: AnnouncementPolicies = field(default_factory=AnnouncementPolicies)
    reload: Callable[[], Awaitable[Reloaded]] | None = None
    """Reads the configuration again; None if the server was not started from one."""
    configuration: Callable[[str | None], dict[str, Any]] = lambda _tenant: {}
    """The configuration as loaded, without secrets: of one tenant, or the whole (None)."""
    on_reload: list[Callable[[], None]] = field(default_factory=list)
    protect_metrics: bool = False
    turns: Turns = field(default_factory=Turns)
    journal: Journal
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    erased: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an erasure was requested here: its job begins at once."""
    rates: RateLimits = field(default_factory=lambda: RateLimits(LimitSettings()))
    audit: AuditTrail = field(default_factory=lambda: AuditTrail(AuditSettings(), None))
    policies: Sequence[Policy] = ()
    allowed_origins: frozenset[str] = frozenset()
    """Origins of desktops, which may frame the panel and call the API from a browser."""
    sign_in_url: str | None = None
    """The page on which agents get a session, for the panel."""
    summariser: Summariser | None = None
    recent: ContextCache = field(default_factory=ContextCache)

    def regions_of(self, tenant: str) -> tuple[str, ...]:
        return self.regions.get(tenant, ())

    def caller(self, principal: Principal) -> Caller:
        return Caller(name=principal.name, channels=self.channels)


SITE = web.AppKey("site", AppContext)
PRINCIPAL = web.RequestKey("principal", Principal)


async def authenticate(request: web.Request, site: AppContext) -> Principal:
    """The caller of a request. Unauthenticated without a valid credential."""
    headers, credentials = request.headers, site.credentials
    secret, asked = bearer(headers.get(AUTHORIZATION, "")), headers.get(TENANT_HEADER)
    return credentials.configured(secret, asked) or await credentials.authenticate(
        secret, asked, request.remote
    )


def principal_of(site: AppContext, authorization: str, asked_tenant: str | None) -> Principal | None:
    """The principal of a configured token; None for credentials that are not in memory."""
    return site.credentials.configured(bearer(authorization), asked_tenant)
