"""Completeness: a context states what it may be missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.clock import SECOND, Micros, format_time
from handoff.store.reads import Command
from handoff.store.repositories.tenant.source_records import SourceRecords
from handoff.store.store import Store

MAX_BEHIND_S = 60.0  # a source whose newest receipt is older than this when recorded is behind
MAX_FAN_OUT_S = 5.0
PACE_S = 2.5  # of backlog: well under MAX_FAN_OUT_S, above what other workers' saved cursors seem behind
MAX_PAUSE_S = 5.0  # a fan-out that does not get on slows imports down and never stops them
_LOOK_S = 0.05
_ENCODE = msgspec.msgpack.Encoder().encode


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


class _Judged(Struct, frozen=True):
    """A source, and whether something of it is late or missing."""

    name: str
    last: Micros | None
    quarantined: int
    silent: bool
    missing: bool


class Monitor:
    """When each source was last heard and whether the fan-out keeps up; shared through the store."""

    def __init__(self, store: Store, sources: Sequence[SourceFacts]) -> None:
        self._store = store
        self._by_tenant: dict[str, list[SourceFacts]] = {}
        for source in sources:
            self._by_tenant.setdefault(source.tenant, []).append(source)
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
        judged = self._judged(tenant, answers, now)
        states = [
            SourceState(
                name=it.name,
                last_seen=format_time(it.last) if it.last else None,
                behind_s=round((now - it.last) / SECOND, 3) if it.silent and it.last else 0.0,
                spooled=0,
                quarantined=it.quarantined,
            )
            for it in judged
        ]
        return Completeness(state=self._state(judged), sources=states)

    def still_by(self, tenant: str, answers: Sequence[Any], now: Micros) -> bytes:
        """`still` of `completeness_by`, without making it."""
        judged = self._judged(tenant, answers, now)
        return _ENCODE((self._state(judged), [(it.name, 0, it.quarantined) for it in judged]))

    def _judged(self, tenant: str, answers: Sequence[Any], now: Micros) -> list[_Judged]:
        activity = SourceRecords.decode(answers)
        judged = []
        for source, quarantined in zip(self._of(tenant), activity.quarantined, strict=True):
            last = self._unsaved.get((tenant, source.name)) or activity.last_heard.get(source.name)
            silent = source.expected_every_s is not None and (
                last is None or now - last > source.expected_every_s * SECOND
            )
            missing = silent or (source.secret and quarantined > 0)
            judged.append(_Judged(source.name, last, quarantined, silent, missing))
        return judged

    def _state(self, judged: Sequence[_Judged]) -> str:
        late = self.fan_out_behind_s() > MAX_FAN_OUT_S
        return "degraded" if late or any(it.missing for it in judged) else "complete"

    def _of(self, tenant: str) -> Sequence[SourceFacts]:
        return self._by_tenant.get(tenant, ())


def still(completeness: Completeness) -> bytes:
    """Completeness without the last receipt of each source, which changes nothing for the customer."""
    sources = [(source.name, source.spooled, source.quarantined) for source in completeness.sources]
    return _ENCODE((completeness.state, sources))
