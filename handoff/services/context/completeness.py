"""Completeness: a context states what it may be missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from handoff.domain.clock import SECOND, Micros, format_time
from handoff.store.reads import Command
from handoff.store.repositories.sources import SourceRecords
from handoff.store.store import Store

MAX_BEHIND_S = 60.0  # a source whose newest receipt is older than this when recorded is behind
MAX_FAN_OUT_S = 5.0
PACE_S = 2.5  # of backlog: well under MAX_FAN_OUT_S, above what other workers' saved cursors seem behind
MAX_PAUSE_S = 5.0  # a fan-out that does not get on slows imports down and never stops them
_LOOK_S = 0.05


class SourceFacts(Struct, frozen=True, kw_only=True):
    """Settings of a source that completeness depends on. `secret`: only holders of a key can send to it."""

    name: str
    tenant: str
    secret: bool
    expected_every_s: float | None


class SourceState(Struct, frozen=True, kw_only=True):
    """One source of the tenant as of now; `behind_s` is how late its newest delivery was recorded."""

    name: str
    last_seen: str | None
    behind_s: float
    spooled: int
    quarantined: int


class Completeness(Struct, frozen=True, kw_only=True):
    """`degraded` when something is known to be missing or late, with the sources that are why."""

    state: str
    sources: list[SourceState]


class Monitor:
    """When each source was last heard and whether the fan-out keeps up; shared through the store."""

    def __init__(self, store: Store, sources: Sequence[SourceFacts]) -> None:
        self._store = store
        self._sources = sources
        self._unsaved: dict[tuple[str, str], Micros] = {}
        self.fan_out_behind_s: Callable[[], float] = lambda: 0.0
        """Age of the oldest outbox entry not fanned out, asked for each answer."""
        self.fan_out_backlog_s: Callable[[], float] = lambda: 0.0
        """The same, counting what only has to be passed over."""

    def seen(self, tenant: str, source: str, at: Micros) -> None:
        """A source delivered something that is now durable."""
        self._unsaved[tenant, source] = at

    async def pace(self) -> None:
        """Wait until the fan-out has nearly caught up: an import must not delay what is live for long."""
        waited = 0.0
        while self.fan_out_backlog_s() > PACE_S and waited < MAX_PAUSE_S:
            await asyncio.sleep(_LOOK_S)
            waited += _LOOK_S

    async def save(self) -> None:
        """Make known to other workers when sources were last heard."""
        by_tenant: dict[str, dict[str, Micros]] = {}
        for (tenant, source), at in self._unsaved.items():
            by_tenant.setdefault(tenant, {})[source] = at
        for tenant, heard in by_tenant.items():
            await self._store.of(tenant).sources.save(heard)
            for source, at in heard.items():
                if self._unsaved.get((tenant, source)) == at:  # not heard again meanwhile
                    del self._unsaved[tenant, source]

    async def completeness(self, tenant: str, *, since: Micros | None, now: Micros) -> Completeness:
        """The state as of `now` for a customer whose oldest open conversation began at `since`.

        One round trip.
        """
        answers = await self._store.connection.answers(self.questions(tenant, since=since))
        return self.completeness_by(tenant, answers, now)

    def questions(self, tenant: str, *, since: Micros | None) -> tuple[Command, ...]:
        """The commands whose answers `completeness_by` takes."""
        names = [source.name for source in self._of(tenant)]
        return self._store.of(tenant).sources.commands(names, since=since)

    def completeness_by(self, tenant: str, answers: Sequence[Any], now: Micros) -> Completeness:
        """The state as of `now` by the store's answers."""
        activity = SourceRecords.decode(answers)
        states = []
        degraded = self.fan_out_behind_s() > MAX_FAN_OUT_S
        for source, quarantined in zip(self._of(tenant), activity.quarantined, strict=True):
            last = self._unsaved.get((tenant, source.name)) or activity.last_heard.get(source.name)
            silent = source.expected_every_s is not None and (
                last is None or now - last > source.expected_every_s * SECOND
            )
            degraded = degraded or silent or (source.secret and quarantined > 0)
            states.append(
                SourceState(
                    name=source.name,
                    last_seen=format_time(last) if last else None,
                    behind_s=round((now - last) / SECOND, 3) if silent and last else 0.0,
                    spooled=0,
                    quarantined=quarantined,
                )
            )
        return Completeness(state="degraded" if degraded else "complete", sources=states)

    def _of(self, tenant: str) -> list[SourceFacts]:
        return [it for it in self._sources if it.tenant == tenant]
