"""`handoff retention status|sweep`: shows and runs the deletion of what was kept long enough."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from handoff.bootstrap.settings import load_settings
from handoff.bootstrap.sources import build_sources, tenants
from handoff.cli.maintenance import running_store
from handoff.domain.clock import format_time
from handoff.domain.errors import ConfigurationError
from handoff.domain.retention.rules import check_rules
from handoff.services.context.extent import deleted_by_policy
from handoff.services.retention.policy import RetentionPolicy
from handoff.services.retention.sweep import Sweeper, SweepState, read_state
from handoff.store.connection import Connection
from handoff.store.store import Store, open_store


def show_status(options: argparse.Namespace) -> int:
    """Show what is deleted, and the current or the last sweep."""

    async def run() -> dict[str, Any]:
        async with _opened(options) as (store, policy):
            await store.horizons.refresh()
            return {
                "rules": [msgspec.to_builtins(it) for it in policy.rules],
                "deleted": {
                    tenant: msgspec.to_builtins(deleted_by_policy(store.horizons.of(tenant)))
                    for tenant in policy.tenants
                },
                "sweep": _view(read_state(await store.sweeps.read())),
            }

    found = asyncio.run(run())
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"{len(found['rules'])} rules")
    for tenant, horizons in found["deleted"].items():
        for horizon in horizons:
            which = f"{', '.join(horizon['channels'])}: {', '.join(horizon['types'])}"
            print(f"  {tenant}: before {horizon['before']}: {which}")
    _print(found["sweep"])
    return 0


def sweep(options: argparse.Namespace) -> int:
    """Sweep the whole store now, or count what a sweep would delete."""

    async def run() -> SweepState:
        async with _opened(options) as (store, policy):
            if not policy.rules:
                raise ConfigurationError("the configuration has no [[retention]]: everything is kept forever")
            return await Sweeper(store, policy, "command line").sweep(dry_run=options.dry_run)

    view = _view(asyncio.run(run()))
    if options.json:
        print(json.dumps(view, indent=2))
    else:
        _print(view, "would delete" if options.dry_run else "deleted")
    return 0


@asynccontextmanager
async def _opened(options: argparse.Namespace) -> AsyncIterator[tuple[Store, RetentionPolicy]]:
    settings = load_settings(options.config)
    names = tenants(settings, build_sources(settings))
    check_rules(settings.retention, names, settings.channel_names)
    chosen, url = running_store(options)
    async with (
        Connection(chosen, url=url) as connection,
        open_store(chosen, connection, sealed=settings.privacy.sealing) as store,
    ):
        await store.prepare_tenants(names)
        yield store, RetentionPolicy(settings.retention, names, settings.channel_names)


def _view(state: SweepState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "started_at": format_time(state.started_at),
        "finished_at": format_time(state.finished_at) if state.finished_at else None,
        "identities": state.seen,
        "deleted": state.deleted.touchpoints,
        "control_deleted": state.deleted.records,
        "identities_deleted": state.deleted.identities,
    }


def _print(view: dict[str, Any] | None, verb: str = "deleted") -> None:
    if view is None:
        print("no sweep yet")
        return
    until = view["finished_at"] or "running"
    print(f"sweep {view['started_at']} to {until}: {view['identities']} identities looked at")
    for name, count in sorted(view["deleted"].items()):
        print(f"  {verb} {count} {name}")
    for name, count in sorted(view["control_deleted"].items()):
        print(f"  {verb} {count} {name}")
    print(f"  {verb} {sum(view['deleted'].values())} touchpoints, {view['identities_deleted']} identities")
