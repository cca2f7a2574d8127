"""The application context of the handlers, and the caller of a request, by typed key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION
from msgspec import Struct, field

from handoff.api.handlers.context_cache import ContextCache
from handoff.domain.errors import Unauthenticated
from handoff.domain.identity import Assurance
from handoff.domain.policies import Policy
from handoff.services.admission.limits import LimitSettings
from handoff.services.admission.rates import RateLimits
from handoff.services.context.completeness import Monitor
from handoff.services.context.summary import Summariser
from handoff.services.events.feed import Hub
from handoff.services.handoffs.lifecycle import Handoffs
from handoff.services.metrics import Measures
from handoff.services.sessions import read_session, session_id, token_tenant
from handoff.services.sources.inbound import Inbound, Source
from handoff.services.sources.native import Caller
from handoff.services.timeline.batching import Intake
from handoff.store.store import Store

from .access import TENANT_HEADER, UNKNOWN_TOKEN, Access, Principal, bearer


class AppContext(Struct, frozen=True, kw_only=True):
    """Everything that handlers need. The composition root creates it once."""

    store: Store
    monitor: Monitor
    measures: Measures
    inbound: Inbound
    intake: Intake
    access: Access
    sources: Mapping[str, Source]
    channels: frozenset[str]
    public_url: str
    identity_spaces: Mapping[str, Sequence[tuple[str, str]]]
    """By tenant: the (type, space) pairs of its sources, which lookups without a space try."""
    regions: Mapping[str, tuple[str, ...]]
    """By tenant: the `default_region` of its sources, in which look-ups read national numbers."""
    ready: Callable[[], str | None]
    """The reason why the server is not ready, or None."""
    handoffs: Handoffs
    hub: Hub
    rates: RateLimits = field(default_factory=lambda: RateLimits(LimitSettings()))
    policies: Sequence[Policy] = ()
    allowed_origins: frozenset[str] = frozenset()
    """Origins of desktops, which may frame the panel and call the API from a browser."""
    summariser: Summariser | None = None
    recent: ContextCache = field(default_factory=ContextCache)

    def regions_of(self, tenant: str) -> tuple[str, ...]:
        return self.regions.get(tenant, ())

    def caller(self, principal: Principal) -> Caller:
        return Caller(name=principal.name, channels=self.channels)


SITE = web.AppKey("site", AppContext)
PRINCIPAL = web.RequestKey("principal", Principal)


async def authenticate(request: web.Request, site: AppContext) -> Principal:
    """The caller of a request: a configured token or a session. Unauthenticated otherwise."""
    authorization, asked = request.headers.get(AUTHORIZATION, ""), request.headers.get(TENANT_HEADER)
    principal = principal_of(site, authorization, asked)
    if principal is not None:
        return principal
    secret = bearer(authorization)
    tenant = token_tenant(secret) or ""
    session = None
    if site.access.has_tenant(tenant):
        session = await read_session(site.store, tenant, secret, time.time_ns() // 1000)
    if session is None or asked not in (None, tenant):
        raise Unauthenticated(UNKNOWN_TOKEN)
    return Principal(
        name=session.made_by,
        credential=b"session" + session_id(secret),
        tenant=session.tenant,
        scopes=frozenset(session.scopes),
        min_assurance=_assurance(session.min_assurance),
        agent=session.agent,
    )


def _assurance(name: str) -> Assurance:
    """A session's minimum assurance; the strictest if only a newer release knows the value."""
    return Assurance(name) if name in set(Assurance) else Assurance.VERIFIED


def principal_of(site: AppContext, authorization: str, asked_tenant: str | None) -> Principal | None:
    """The principal of a configured token; None for a session token, which only the store knows."""
    secret = bearer(authorization)
    if token_tenant(secret) is not None:
        return None
    return site.access.authenticate(secret, asked_tenant)
