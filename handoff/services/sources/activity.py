"""The results of a source's deliveries: counts of the last hour, and the last refusals with their reasons.

A worker collects both in memory and adds them to the store every few seconds; the store has the sums of all
workers. A flood of refused deliveries costs no writes: equal refusals are one entry, saved once a minute.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from handoff.adapter.contract import Outcome
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import HandoffError, SignatureRefused
from handoff.domain.redaction.redaction import safe_detail
from handoff.domain.text.cleaning import clean
from handoff.domain.text.urls import split_url
from handoff.store.repositories.tenant.source_records import COUNTED_S, RefusedDeliveries
from handoff.store.store import Store

DIFFERENT = 20  # refusals of one source that a worker distinguishes
AGAIN_S = 60.0  # between two saves of equal refusals
SHOWN = 20
MAX_URL = 300  # characters
_LONG_NUMBER = re.compile(r"\d{7,}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,40}")
HIDDEN = "…"


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
        self._counts: dict[tuple[str, str, str], int] = {}
        self._refusals: dict[tuple[str, str], dict[_Reason, _Seen]] = {}
        self._saving = asyncio.Lock()

    def recorded(self, tenant: str, source: str, outcome: Outcome) -> None:
        """A delivery was recorded."""
        for what in ("accepted", "duplicates", "expired", "ignored", "quarantined"):
            count = getattr(outcome, what)
            if count:
                self._count(tenant, source, what, count)

    def quarantined(self, tenant: str, source: str) -> None:
        """A delivery is in quarantine as a whole."""
        self._count(tenant, source, "quarantined", 1)

    def refused(self, tenant: str, source: str, error: HandoffError) -> None:
        """A delivery was refused. Only the detail of a refused signature quotes nothing of the request."""
        self._count(tenant, source, "refused", 1)
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

    def _count(self, tenant: str, source: str, what: str, count: int) -> None:
        key = (tenant, source, what)
        self._counts[key] = self._counts.get(key, 0) + count

    async def save(self) -> None:
        """Add what is new to the store. Anything that could not be saved is saved next time."""
        async with self._saving:  # a second save would add the same again
            if self._store.health.reason is None:
                due = self._due()
                for tenant in {key[0] for key in self._counts} | set(due):
                    await self._save(tenant, due.get(tenant, {}))

    async def _save(self, tenant: str, due: Mapping[str, Sequence[tuple[_Reason, _Seen]]]) -> None:
        counts = {key: count for key, count in self._counts.items() if key[0] == tenant}
        sent = [(seen, seen.count) for reasons in due.values() for _reason, seen in reasons]
        await self._store.of(tenant).sources.save_activity(
            {(source, what): count for (_tenant, source, what), count in counts.items()},
            {source: [_refusal(*it) for it in reasons] for source, reasons in due.items()},
            time.time_ns() // 1000,
        )
        for key, count in counts.items():  # keep what came meanwhile
            self._counts[key] -= count
            if not self._counts[key]:
                del self._counts[key]
        for seen, count in sent:
            seen.count -= count
            seen.first_at, seen.saved_at = seen.at, self._clock()

    def _due(self) -> dict[str, dict[str, list[tuple[_Reason, _Seen]]]]:
        """Refusals to save, by tenant and source. Those that did not come again are forgotten."""
        now = self._clock()
        due: dict[str, dict[str, list[tuple[_Reason, _Seen]]]] = {}
        for (tenant, source), reasons in self._refusals.items():
            for reason, seen in list(reasons.items()):
                if seen.saved_at is not None and now - seen.saved_at < AGAIN_S:
                    continue
                if seen.count:
                    due.setdefault(tenant, {}).setdefault(source, []).append((reason, seen))
                else:
                    del reasons[reason]
        return due

    async def counts(self, tenant: str) -> dict[str, SourceCounts]:
        """The counts of each source in the last hour, of all workers."""
        await self.save()
        found = await self._store.of(tenant).sources.counts(time.time_ns() // 1000)
        known = set(SourceCounts.__struct_fields__)
        return {
            source: SourceCounts(**{what: count for what, count in counted.items() if what in known})
            for source, counted in found.items()
        }

    async def refusals(self, tenant: str, sources: Sequence[str]) -> list[list[RefusalView]]:
        """The last refusals of each source, of all workers, newest first."""
        await self.save()
        saved = await self._store.of(tenant).sources.refusals(sources)
        return [
            [_view(it) for it in _merged([*found, *self._unsaved(tenant, source)])]
            for source, found in zip(sources, saved, strict=True)
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


def shown_url(url: str) -> str:
    """A URL without what may name a person or open a door: user, password, values of the query, numbers."""
    parts = split_url(url)
    if parts is None:
        return HIDDEN
    host = parts.netloc.rpartition("@")[2]
    path = "/".join(HIDDEN if _names_somebody(part) else part for part in parts.path.split("/"))
    names = [pair.partition("=")[0] for pair in parts.query.split("&") if pair]
    query = "&".join(f"{name if _PLAIN_NAME.fullmatch(name) else HIDDEN}={HIDDEN}" for name in names)
    whole = f"{parts.scheme}://{host}{path}" + (f"?{query}" if query else "")
    return whole if len(whole) <= MAX_URL else whole[: MAX_URL - 1] + HIDDEN


def _names_somebody(part: str) -> bool:
    """Whether a part of a path may be an address or a number: a stranger can write anything there."""
    return "@" in part or "%" in part or len(part) > 64 or _LONG_NUMBER.search(part) is not None
