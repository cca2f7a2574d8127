"""The results of a source's deliveries: counts of the last hour, and the last refusals with their reasons.

A worker collects both in memory and adds them to the store every few seconds; the store has the sums of all
workers. A flood of refused deliveries costs no writes: equal refusals are one entry, saved once a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from handoff.adapter.contract import Outcome
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import HandoffError, SignatureRefused
from handoff.domain.redaction.redaction import safe_detail
from handoff.domain.text.cleaning import clean
from handoff.store.errors import StoreError
from handoff.store.repositories.tenant.source_records import COUNTED_S, RefusedDeliveries
from handoff.store.store import Store

from .hiding import shown_url

DIFFERENT = 20  # refusals of one source that a worker distinguishes
AGAIN_S = 60.0  # between two saves of equal refusals
SHOWN = 20
FINISH_S = 1.0  # for the last save: a store that hangs does not hold up a stop


class SourceCounts(Struct, frozen=True, kw_only=True):
    """Deliveries and touchpoints of a source in the last hour. `refused` counts deliveries."""

    accepted: int = 0
    duplicates: int = 0
    expired: int = 0
    ignored: int = 0
    quarantined: int = 0
    refused: int = 0


class RefusalView(Struct, frozen=True, kw_only=True):
    """Deliveries that were refused for one reason.

    `signed_url` is the URL that the signature was checked for, with hidden values: the vendor must have
    signed exactly this one. null if the vendor signs no URL.
    """

    code: str
    detail: str
    signed_url: str | None
    count: int
    first_at: str
    last_at: str


class _NewCounts(Struct):
    """The counts of a source since the last save."""

    accepted: int = 0
    duplicates: int = 0
    expired: int = 0
    ignored: int = 0
    quarantined: int = 0
    refused: int = 0


_COUNTED = _NewCounts.__struct_fields__


class _Seen:
    """Equal refusals since they were last saved."""

    def __init__(self, at: Micros) -> None:
        self.first_at = self.at = at
        self.count = 0
        self.saved_at: float | None = None


_Reason = tuple[str, str, str | None]
"""Code, detail, and signed URL."""


class ActivityLog:
    """The activity of all sources. Call `save` every few seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._counts: dict[tuple[str, str], _NewCounts] = {}
        self._refusals: dict[tuple[str, str], dict[_Reason, _Seen]] = {}
        self._saving = asyncio.Lock()

    def recorded(self, tenant: str, source: str, outcome: Outcome) -> None:
        """A delivery was recorded. This takes a few hundred nanoseconds: every delivery passes here."""
        counted = self._counts.get((tenant, source)) or self._new(tenant, source)
        if outcome.accepted:
            counted.accepted += outcome.accepted
        if outcome.duplicates:
            counted.duplicates += outcome.duplicates
        if outcome.expired:
            counted.expired += outcome.expired
        if outcome.ignored:
            counted.ignored += outcome.ignored
        if outcome.quarantined:
            counted.quarantined += outcome.quarantined

    def quarantined(self, tenant: str, source: str) -> None:
        """A delivery is in quarantine as a whole."""
        self._new(tenant, source).quarantined += 1

    def refused(self, tenant: str, source: str, error: HandoffError) -> None:
        """A delivery was refused. Only the detail of a refused signature quotes nothing of the request."""
        self._new(tenant, source).refused += 1
        reason: _Reason = (error.problem_code, "", None)
        if isinstance(error, SignatureRefused):
            url = shown_url(error.signed_url) if error.signed_url is not None else None
            reason = (error.problem_code, safe_detail(clean(error.detail))[:200], url)
        known = self._refusals.setdefault((tenant, source), {})
        if reason not in known and len(known) >= DIFFERENT:
            reason = (error.problem_code, "", None)
        now = time.time_ns() // 1000
        seen = known.setdefault(reason, _Seen(now))
        if not seen.count:
            seen.first_at = now
        seen.at, seen.count = now, seen.count + 1

    def _new(self, tenant: str, source: str) -> _NewCounts:
        return self._counts.setdefault((tenant, source), _NewCounts())

    async def save(self, *, everything: bool = False) -> None:
        """Add what is new to the store. Anything that could not be saved is saved next time.

        `everything` saves refusals that wait for their minute, too. Raises the first failure once all
        tenants had their turn: on a Cluster, one of them may be out of reach alone.
        """
        failures: list[HandoffError | StoreError] = []
        for tenant in {key[0] for key in (*self._counts, *self._refusals)}:
            try:
                await self._save(tenant, everything=everything)
            except (HandoffError, StoreError) as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def finish(self) -> None:
        """Save everything before the worker stops, if the store answers in time."""
        with suppress(HandoffError, TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await self.save(everything=True)

    async def _save(self, tenant: str, *, everything: bool = False) -> None:
        async with self._saving:  # a second save would add the same again
            if self._store.health.reason is not None:
                return
            counts, due = self._unsaved_counts(tenant), self._due(tenant, everything=everything)
            if not counts and not due:
                return
            sent = [(seen, seen.count) for reasons in due.values() for _reason, seen in reasons]
            await self._store.of(tenant).sources.save_activity(
                counts,
                {source: [_refusal(*it) for it in reasons] for source, reasons in due.items()},
                time.time_ns() // 1000,
            )
            for (source, what), count in counts.items():  # keep what came meanwhile
                counted = self._counts[tenant, source]
                setattr(counted, what, getattr(counted, what) - count)
            for seen, count in sent:
                seen.count -= count
                seen.first_at, seen.saved_at = seen.at, self._clock()

    def _unsaved_counts(self, tenant: str) -> dict[tuple[str, str], int]:
        """The counts of a tenant's sources since the last save, by source and name."""
        return {
            (source, what): count
            for (owner, source), counted in self._counts.items()
            if owner == tenant
            for what in _COUNTED
            if (count := getattr(counted, what))
        }

    def _due(self, tenant: str, *, everything: bool) -> dict[str, list[tuple[_Reason, _Seen]]]:
        """A tenant's refusals to save, by source. Those that did not come again are forgotten."""
        now = self._clock()
        due: dict[str, list[tuple[_Reason, _Seen]]] = {}
        for (owner, source), reasons in self._refusals.items():
            if owner != tenant:
                continue
            for reason, seen in list(reasons.items()):
                waits = seen.saved_at is not None and now - seen.saved_at < AGAIN_S
                if seen.count and (everything or not waits):
                    due.setdefault(source, []).append((reason, seen))
                elif not seen.count and not waits:
                    del reasons[reason]
        return due

    async def counts(self, tenant: str) -> dict[str, SourceCounts]:
        """The counts of each source in the last hour, of all workers."""
        await self._save_before_reading(tenant)
        async with self._saving:  # what is saved meanwhile would count twice
            found = await self._store.of(tenant).sources.counts(time.time_ns() // 1000)
            unsaved = self._unsaved_counts(tenant)
        for (source, what), count in unsaved.items():
            counted = found.setdefault(source, {})
            counted[what] = counted.get(what, 0) + count
        return {
            source: SourceCounts(**{what: count for what, count in counted.items() if what in _COUNTED})
            for source, counted in found.items()
        }

    async def _save_before_reading(self, tenant: str) -> None:
        """Other workers see what this one shows. A store that takes no writes can still be read."""
        with suppress(HandoffError):
            await self._save(tenant)

    async def refusals(self, tenant: str, sources: Sequence[str]) -> list[list[RefusalView]]:
        """The last refusals of each source, of all workers, newest first."""
        await self._save_before_reading(tenant)
        async with self._saving:
            saved = await self._store.of(tenant).sources.refusals(sources)
            unsaved = [self._unsaved(tenant, it) for it in sources]
        return [
            [_view(it) for it in _merged([*found, *more])] for found, more in zip(saved, unsaved, strict=True)
        ]

    def _unsaved(self, tenant: str, source: str) -> list[RefusedDeliveries]:
        """Refusals of this worker that wait for their next save."""
        waiting = self._refusals.get((tenant, source), {})
        return [_refusal(reason, seen) for reason, seen in waiting.items() if seen.count]


def _refusal(reason: _Reason, seen: _Seen) -> RefusedDeliveries:
    code, detail, url = reason
    return RefusedDeliveries(
        code=code, detail=detail, signed_url=url, first_at=seen.first_at, at=seen.at, count=seen.count
    )


def per_minute(counts: SourceCounts) -> float:
    """Touchpoints a minute in the counted time, duplicates included."""
    return round((counts.accepted + counts.duplicates) * 60 / COUNTED_S, 2)


def _merged(found: Sequence[RefusedDeliveries]) -> list[RefusedDeliveries]:
    """Equal refusals summed, the last one first."""
    merged: dict[_Reason, RefusedDeliveries] = {}
    for refusal in found:
        reason = (refusal.code, refusal.detail, refusal.signed_url)
        other = merged.get(reason)
        merged[reason] = refusal if other is None else _sum(refusal, other)
    return sorted(merged.values(), key=lambda it: it.at, reverse=True)[:SHOWN]


def _sum(one: RefusedDeliveries, other: RefusedDeliveries) -> RefusedDeliveries:
    return RefusedDeliveries(
        code=one.code,
        detail=one.detail,
        signed_url=one.signed_url,
        first_at=min(one.first_at, other.first_at),
        at=max(one.at, other.at),
        count=one.count + other.count,
    )


def _view(refusal: RefusedDeliveries) -> RefusalView:
    return RefusalView(
        code=refusal.code,
        detail=refusal.detail,
        signed_url=refusal.signed_url,
        count=refusal.count,
        first_at=format_time(refusal.first_at),
        last_at=format_time(refusal.at),
    )
