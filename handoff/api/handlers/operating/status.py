"""`/v1/status` and `/v1/configuration`: the server's store, lag, workers, leases, and settings."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from msgspec import Struct

from handoff import __version__
from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.exchange import answer
from handoff.domain.clock import format_time
from handoff.services.webhooks import subscriptions
from handoff.store.repositories.lease_holders import lease_holders
from handoff.store.repositories.outbox import RELAY, partition_outboxes
from handoff.store.store import Store


class StoreStatus(Struct, frozen=True, kw_only=True):
    """The store as the worker that answers sees it.

    `problem` is why it takes no writes, null if it does. `memory_share` is the part of `maxmemory` that is
    used, null without a limit.
    """

    problem: str | None
    embedded: bool
    durability: str
    partitions: int
    format: int
    memory_share: float | None
    memory_limit: int | None


class LagStatus(Struct, frozen=True, kw_only=True):
    """Seconds for which the oldest change has waited to be fanned out; `backlog_s` with quiet imports."""

    behind_s: float
    backlog_s: float


class WorkerStatus(Struct, frozen=True, kw_only=True):
    """A worker that is alive. `format` is the highest that its release understands."""

    host: str
    pid: int
    release: str
    format: int


class LeaseHolder(Struct, frozen=True, kw_only=True):
    """A relay that fans out, and how many outboxes it has the lease of."""

    owner: str
    outboxes: int


class LeaseStatus(Struct, frozen=True, kw_only=True):
    """The leases on the outboxes. No worker consumes the `free` ones: normally there are none for long.

    `unread` counts those that could not be read.
    """

    holders: list[LeaseHolder]
    free: int
    unread: int


class WebhooksStatus(Struct, frozen=True, kw_only=True):
    """All subscriptions of the tenant together. `dead` counts dead letters since they were created."""

    subscriptions: int
    disabled: int
    failing: int
    pending: int
    dead: int
    oldest_pending_at: str | None


class ServerStatus(Struct, frozen=True, kw_only=True):
    """The state of the server. `problem` is why it is not ready, null if it is."""

    release: str
    problem: str | None
    store: StoreStatus
    lag: LagStatus
    workers: list[WorkerStatus]
    leases: LeaseStatus
    webhooks: WebhooksStatus


class ConfigurationView(Struct, frozen=True, kw_only=True):
    """The configuration as loaded, without secrets.

    `sections` has them under the names of the configuration file. A value that is set and not shown is
    `"(set)"`. Tokens with `admin` see everything, others what belongs to their tenant.
    """

    sections: dict[str, Any]


async def read_status(request: web.Request) -> web.Response:
    """`GET /v1/status`."""
    site, tenant = request.app[SITE], request[PRINCIPAL].tenant
    store = site.store
    workers = sorted(await store.workers.alive(), key=lambda it: (it.host, it.pid))
    view = ServerStatus(
        release=__version__,
        problem=store.health.reason or site.ready(),
        store=_store_status(store),
        lag=LagStatus(
            behind_s=round(site.monitor.fan_out_behind_s(), 3),
            backlog_s=round(site.monitor.fan_out_backlog_s(), 3),
        ),
        workers=[
            WorkerStatus(host=it.host, pid=it.pid, release=it.release, format=it.format) for it in workers
        ],
        leases=await _leases(store, tenant),
        webhooks=await _webhooks(site, tenant),
    )
    return answer(view)


def _store_status(store: Store) -> StoreStatus:
    memory = store.health.memory
    return StoreStatus(
        problem=store.health.reason,
        embedded=store.settings.url is None,
        durability=store.settings.durability,
        partitions=store.settings.partitions,
        format=store.workers.current,
        memory_share=round(memory.share, 4) if memory.limit else None,
        memory_limit=memory.limit or None,
    )


async def _leases(store: Store, tenant: str) -> LeaseStatus:
    part = store.of(tenant)
    outboxes = [*partition_outboxes(store.keys, RELAY), part.outbox.of_consumer(tenant, RELAY)]
    found = await lease_holders(store.connection, outboxes, await part.clock() // 1000)
    holders = [LeaseHolder(owner=owner, outboxes=count) for owner, count in sorted(found.held.items())]
    return LeaseStatus(holders=holders, free=found.free, unread=found.unread)


async def _webhooks(site: AppContext, tenant: str) -> WebhooksStatus:
    known = await subscriptions.read_all(site.store, tenant)
    states = await site.store.deliveries(tenant).states([it.id for it in known])
    oldest = min((it.oldest_pending for it in states if it.oldest_pending), default=0)
    return WebhooksStatus(
        subscriptions=len(known),
        disabled=sum(not it.enabled for it in states),
        failing=sum(it.failing_since > 0 for it in states),
        pending=sum(it.pending for it in states),
        dead=sum(it.dead for it in states),
        oldest_pending_at=format_time(oldest * 1000) if oldest else None,
    )


async def read_configuration(request: web.Request) -> web.Response:
    """`GET /v1/configuration`."""
    principal = request[PRINCIPAL]
    tenant = None if principal.admin else principal.tenant
    return answer(ConfigurationView(sections=request.app[SITE].configuration(tenant)))
