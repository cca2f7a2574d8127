"""`/v1/sources`: what each source delivers, and why its deliveries are refused."""

from __future__ import annotations

import time
from collections.abc import Mapping

from aiohttp import web
from msgspec import Struct

from handoff.adapter.contract import Listener
from handoff.adapter.poller import Poller
from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.exchange import answer
from handoff.domain.errors import NotFound
from handoff.services.context.completeness import SourceState
from handoff.services.sources.activity import RefusalView, SourceCounts, per_minute
from handoff.services.sources.inbound import Source


class SourceView(Struct, frozen=True, kw_only=True):
    """A configured source with its activity, of all workers.

    `url` is where its vendor delivers, null for a mail listener and a source that the server fetches.
    `authenticated`: only holders of a secret can send to it. `late` is true if it has been silent for longer
    than `expected_every_s`. `quarantined` counts the items that are in quarantine now, `per_minute`
    touchpoints in the last hour. `unreachable_since` and `unreachable_reason` are set while the server cannot
    fetch the source.
    """

    name: str
    adapter: str
    channel: str
    url: str | None
    authenticated: bool
    last_heard: str | None
    expected_every_s: float | None
    late: bool
    quarantined: int
    last_hour: SourceCounts
    per_minute: float
    last_refusal: RefusalView | None
    unreachable_since: str | None = None
    unreachable_reason: str | None = None


class SourceDetail(SourceView, frozen=True, kw_only=True):
    """A source with its refusals of the last 7 days, at most 20, the last one first."""

    refusals: list[RefusalView]


class SourcesView(Struct, frozen=True, kw_only=True):
    """All sources of the tenant, by name."""

    sources: list[SourceView]
    returned: int


def source_of(site: AppContext, tenant: str, name: str) -> Source:
    """A source of the tenant. NotFound if it is not configured."""
    source = site.sources.get(name)
    if source is None or source.tenant != tenant:
        raise NotFound("There is no such source")
    return source


async def list_sources(request: web.Request) -> web.Response:
    """`GET /v1/sources`."""
    site, tenant = request.app[SITE], request[PRINCIPAL].tenant
    chosen = sorted((it for it in site.sources.values() if it.tenant == tenant), key=lambda it: it.name)
    details = await _details(site, tenant, chosen)
    views = [
        SourceView(**{name: getattr(it, name) for name in SourceView.__struct_fields__}) for it in details
    ]
    return answer(SourcesView(sources=views, returned=len(views)))


async def read_source(request: web.Request) -> web.Response:
    """`GET /v1/sources/{name}`."""
    site, tenant = request.app[SITE], request[PRINCIPAL].tenant
    (detail,) = await _details(site, tenant, [source_of(site, tenant, request.match_info["name"])])
    return answer(detail)


async def _details(site: AppContext, tenant: str, sources: list[Source]) -> list[SourceDetail]:
    """The sources with their activity; three round trips, and one more if any is fetched."""
    activity = site.inbound.activity
    now = time.time_ns() // 1000
    states = {it.name: it for it in await site.monitor.source_states(tenant, now=now)}
    counts = await activity.counts(tenant)
    refusals = await activity.refusals(tenant, [it.name for it in sources])
    reasons = await _reasons(site, tenant, sources)
    return [
        _detail(site, source, states.get(source.name), counts.get(source.name), found, reasons)
        for source, found in zip(sources, refusals, strict=True)
    ]


async def _reasons(site: AppContext, tenant: str, sources: list[Source]) -> dict[str, str]:
    """Why each fetched source was not reached last."""
    names = [it.name for it in sources if isinstance(it.adapter, Poller)]
    if not names:
        return {}
    found = await site.store.of(tenant).polls.states(names)
    return {name: it.reason for name, it in zip(names, found, strict=True)}


def _detail(
    site: AppContext,
    source: Source,
    state: SourceState | None,
    counts: SourceCounts | None,
    refusals: list[RefusalView],
    reasons: Mapping[str, str],
) -> SourceDetail:
    options, counted = source.options, counts or SourceCounts()
    takes_none = isinstance(source.adapter, Listener | Poller)
    last = state.last_seen if state else None
    silent = last is None or (state is not None and state.behind_s > 0)
    return SourceDetail(
        name=source.name,
        adapter=options.adapter,
        channel=source.adapter.channel,
        url=None if takes_none else f"{_without_user(site.public_url)}/in/{source.name}",
        authenticated=options.authenticated,
        last_heard=last,
        expected_every_s=options.expected_every_s,
        late=options.expected_every_s is not None and silent,
        quarantined=state.quarantined if state else 0,
        last_hour=counted,
        per_minute=per_minute(counted),
        last_refusal=refusals[0] if refusals else None,
        unreachable_since=state.unreachable_since if state else None,
        unreachable_reason=reasons.get(source.name) if state and state.unreachable_since else None,
        refusals=refusals,
    )


def _without_user(url: str) -> str:
    """The URL without a user and password, which vendors may sign."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
