"""Completeness: a context states what it may be missing, as far as it concerns its customer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from handoff.codec.member import channel_code
from handoff.domain.clock import HOUR, SECOND, Micros, format_time
from handoff.store.reads import Command
from handoff.store.repositories.tenant.quarantine_records import ConcerningItems, QuarantineRecords
from handoff.store.repositories.tenant.source_records import SourceActivity, SourceRecords
from handoff.store.store import Store

MAX_BEHIND_S = 60.0  # a source whose newest receipt is older than this when recorded is behind
MAX_FAN_OUT_S = 5.0
PACE_S = 2.5  # of backlog: well under MAX_FAN_OUT_S, above what other workers' saved cursors seem behind
MAX_PAUSE_S = 5.0  # a fan-out that does not get on slows imports down and never stops them
AROUND: Micros = HOUR
"""A delivery that names nobody may concern the customers who were active on its source from this long before
it on. A delivery up to this long before a conversation may have opened it."""
_LOOK_S = 0.05
_ENCODE = msgspec.msgpack.Encoder().encode


class SourceFacts(Struct, frozen=True, kw_only=True):
    """Settings of a source that completeness depends on. `secret`: only holders of a key can send to it."""

    name: str
    tenant: str
    secret: bool
    expected_every_s: float | None
    channel: str


class SourceState(Struct, frozen=True, kw_only=True):
    """One source of the tenant as of now; `behind_s` is how late its newest delivery was recorded.

    `quarantined` counts its quarantined items that may concern this customer. Of these, `possible` name
    nobody that could be read: they may concern anyone who was active on the source then. `newest_possible_at`
    is when the last of them arrived. `concerns` is true if this source is why the state is `degraded`.
    `unreachable_since` is since when the server cannot fetch the source.
    """

    name: str
    last_seen: str | None
    behind_s: float
    spooled: int
    quarantined: int
    possible: int = 0
    newest_possible_at: str | None = None
    concerns: bool = False
    unreachable_since: str | None = None


class Completeness(Struct, frozen=True, kw_only=True):
    """`degraded` when something that may concern the customer is missing or late, with the sources."""

    state: str
    sources: list[SourceState]


class Concern(Struct, frozen=True, kw_only=True):
    """The customer of a context, as far as completeness depends on them.

    `since` is the start of their oldest open conversation. `hashes` are their identities and conversations.
    `channels` are the codes of those that they have used; None if nobody is known to be the customer.
    `newest` finds their newest touchpoint of each source, as far back as a time.
    """

    since: Micros | None = None
    hashes: Sequence[bytes] = ()
    channels: frozenset[int] | None = None
    newest: Callable[[frozenset[str], Micros | None], Mapping[str, Micros]] = lambda _sources, _after: {}

    @property
    def start(self) -> Micros:
        """The arrival from which on quarantined items count."""
        return max(0, self.since - AROUND) if self.since is not None else 0


class _Asked(Struct, frozen=True, kw_only=True):
    """One source, with the `questions` about its quarantine unless that is empty.

    Items without a name may concern the customer if they arrived up to `until`. `reached` is whether the
    source's silence concerns them, and None unless it was silent.
    """

    source: SourceFacts
    questions: tuple[Command, ...] = ()
    until: Micros | None = None
    reached: bool | None = None


class CompletenessBasis(Struct, frozen=True, kw_only=True):
    """The basis of a completeness, which shows later whether it would be the same.

    `questions` are the commands whose answers `Monitor.still_by` takes. It returns `still` unless something
    has changed.
    """

    tenant: str
    questions: tuple[Command, ...]
    asked: tuple[_Asked, ...]
    still: bytes


class Assessment(Struct, frozen=True, kw_only=True):
    """The completeness of a context, and its basis."""

    completeness: Completeness
    basis: CompletenessBasis


class _Judged(Struct, frozen=True):
    """A source, and whether something of it that concerns the customer is late or missing.

    `total` counts its quarantine, `found` what may concern the customer; None if that was not asked.
    """

    name: str
    last: Micros | None
    silent: bool
    total: int
    found: ConcerningItems | None
    missing: bool
    unreachable: Micros | None


class Monitor:
    """When each source was last heard and whether the fan-out keeps up; shared through the store."""

    def __init__(self, store: Store, sources: Sequence[SourceFacts]) -> None:
        self._store = store
        self._by_tenant: dict[str, list[SourceFacts]] = {}
        self.replace(sources)
        self._unsaved: dict[tuple[str, str], Micros] = {}
        self.fan_out_behind_s: Callable[[], float] = lambda: 0.0
        """Age of the oldest outbox entry not fanned out, asked for each answer."""
        self.fan_out_backlog_s: Callable[[], float] = lambda: 0.0
        """The same, counting what only has to be passed over."""

    def replace(self, sources: Sequence[SourceFacts]) -> None:
        """Use other sources from now on."""
        self._by_tenant.clear()
        for source in sources:
            self._by_tenant.setdefault(source.tenant, []).append(source)

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

    async def completeness(self, tenant: str, *, concern: Concern, now: Micros) -> Assessment:
        """The state as of `now` for a customer. One round trip, two if something is in quarantine."""
        sources = self._of(tenant)
        questions = self._questions(tenant, sources, concern.start)
        answers = await self._store.connection.answers(questions)
        asked = self._asked(tenant, sources, concern, answers, now)
        further = tuple(it for about in asked for it in about.questions)
        if further:
            questions += further
            answers = [*answers, *await self._store.connection.answers(further)]
        judged = self._judged(tenant, asked, answers, now)
        sources_now = [_state_of(it, it.found or ConcerningItems(), now) for it in judged]
        return Assessment(
            completeness=Completeness(state=self._state(judged), sources=sources_now),
            basis=CompletenessBasis(
                tenant=tenant, questions=questions, asked=asked, still=self._still(judged)
            ),
        )

    async def source_states(self, tenant: str, *, now: Micros) -> list[SourceState]:
        """Each source as of `now` with everything that is in quarantine. One round trip."""
        sources = self._of(tenant)
        answers = await self._store.connection.answers(self._questions(tenant, sources, 0))
        asked = [_Asked(source=it) for it in sources]
        judged = self._judged(tenant, asked, answers, now)
        return [_state_of(it, ConcerningItems(named=it.total), now) for it in judged]

    def still_by(self, basis: CompletenessBasis, answers: Sequence[Any], now: Micros) -> bytes:
        """The value of `basis.still` by the store's answers to its questions now."""
        return self._still(self._judged(basis.tenant, basis.asked, answers, now))

    def _questions(self, tenant: str, sources: Sequence[SourceFacts], start: Micros) -> tuple[Command, ...]:
        return self._store.of(tenant).sources.commands([it.name for it in sources], since=start)

    def _asked(
        self,
        tenant: str,
        sources: Sequence[SourceFacts],
        concern: Concern,
        answers: Sequence[Any],
        now: Micros,
    ) -> tuple[_Asked, ...]:
        """The sources, with the questions about those that may concern the customer."""
        activity, records = SourceRecords.decode(answers), self._store.of(tenant).quarantine
        kept = frozenset(it.name for it, count in zip(sources, activity.quarantined, strict=True) if count)
        silent = frozenset(it.name for it in sources if self._silent(it, activity, now))
        newest = concern.newest(kept, concern.start - AROUND) if kept else {}
        known = concern.channels is not None
        used = concern.newest(silent, None) if silent and known else {}
        asked = []
        for source in sources:
            until = newest[source.name] + AROUND if source.name in newest else None
            commands: tuple[Command, ...] = ()
            if source.name in kept:
                commands = records.concerning(source.name, concern.hashes, concern.start, until)
            uses = (
                not known or channel_code(source.channel) in (concern.channels or ()) or source.name in used
            )
            reached = uses if source.name in silent else None
            asked.append(_Asked(source=source, questions=commands, until=until, reached=reached))
        return tuple(asked)

    def _judged(
        self, tenant: str, asked: Sequence[_Asked], answers: Sequence[Any], now: Micros
    ) -> list[_Judged]:
        """The sources by the answers to `_questions` and to what is asked about each."""
        at = 1 + len(asked)
        activity, judged = SourceRecords.decode(answers[:at]), []
        for about, total in zip(asked, activity.quarantined, strict=True):
            found, count = None, len(about.questions)
            if count:
                found = QuarantineRecords.decode_concerning(answers[at : at + count], about.until)
                at += count
            silent = self._silent(about.source, activity, now)
            kept = about.source.secret and found is not None and found.count > 0
            missing = kept or (silent and about.reached is not False)
            last = self._last(about.source, activity)
            since = activity.unreachable.get(about.source.name)
            judged.append(_Judged(about.source.name, last, silent, total, found, missing, since))
        return judged

    def _last(self, source: SourceFacts, activity: SourceActivity) -> Micros | None:
        return self._unsaved.get((source.tenant, source.name)) or activity.last_heard.get(source.name)

    def _silent(self, source: SourceFacts, activity: SourceActivity, now: Micros) -> bool:
        if source.name in activity.unreachable:
            return True
        if source.expected_every_s is None:
            return False
        last = self._last(source, activity)
        return last is None or now - last > source.expected_every_s * SECOND

    def _state(self, judged: Sequence[_Judged]) -> str:
        late = self.fan_out_behind_s() > MAX_FAN_OUT_S
        return "degraded" if late or any(it.missing for it in judged) else "complete"

    def _still(self, judged: Sequence[_Judged]) -> bytes:
        """Everything that the customer sees of it, without the last receipt of each source.

        Where nothing was asked about a quarantine, a new item in it counts as a change.
        """
        seen = [(it.name, it.silent, it.found or it.total > 0) for it in judged]
        return _ENCODE((self._state(judged), seen))

    def _of(self, tenant: str) -> Sequence[SourceFacts]:
        return self._by_tenant.get(tenant, ())


def _state_of(judged: _Judged, found: ConcerningItems, now: Micros) -> SourceState:
    last = judged.last
    return SourceState(
        name=judged.name,
        last_seen=format_time(last) if last else None,
        behind_s=round((now - last) / SECOND, 3) if judged.silent and last else 0.0,
        spooled=0,
        quarantined=found.count,
        possible=found.possible,
        newest_possible_at=format_time(found.newest) if found.newest is not None else None,
        concerns=judged.missing,
        unreachable_since=format_time(judged.unreachable) if judged.unreachable is not None else None,
    )
