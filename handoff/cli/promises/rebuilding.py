"""`handoff promises rebuild`: brings the ledger up to date with all touchpoints."""

from __future__ import annotations

import argparse
import asyncio
import json

from handoff.bootstrap.language_packs import load_packs
from handoff.bootstrap.settings import load_settings
from handoff.bootstrap.sources import brief_rules, build_sources, tenants
from handoff.cli.maintenance import running_store
from handoff.services.ledger.rebuilding import RebuildState
from handoff.services.ledger.rebuilding import rebuild as rebuild_ledger
from handoff.services.ledger.settings import ledger_rules
from handoff.store.connection import Connection
from handoff.store.store import open_store


def rebuild(options: argparse.Namespace) -> int:
    """Rebuild the ledger, or continue a rebuild that was interrupted."""

    async def run() -> RebuildState:
        settings = load_settings(options.config)
        sources = build_sources(settings)
        names = tenants(settings, sources)
        chosen, url = running_store(options)
        briefs = brief_rules(settings, sources, load_packs())
        state = RebuildState()
        async with (
            Connection(chosen, url=url) as connection,
            open_store(
                chosen, connection, settings.identity, briefs, sealed=settings.privacy.sealing
            ) as store,
        ):
            await store.prepare_tenants(names)
            await store.horizons.refresh()
            async for step in rebuild_ledger(store, names, ledger_rules(settings.promises)):
                state = step
        return state

    state = asyncio.run(run())
    found = {"identities": state.seen, "settled": state.settled, "changed": state.changed}
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(
            f"{state.seen} identities, {state.settled} with promises or complaints, {state.changed} changed"
        )
    return 0
