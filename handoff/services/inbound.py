"""The way in of a vendor's delivery, written once: verify, parse, quarantine, record, answer."""

from __future__ import annotations

import asyncio

import msgspec
import structlog
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import InvalidPayload, SignatureRefused, Unprocessable
from handoff.domain.touchpoint import Touchpoint
from handoff.store.store import Store

from . import quarantine
from .adapter import Adapter, InboundRequest, Outcome, Parsed, SourceOptions
from .callbacks import follow, rehome
from .completeness import Monitor
from .measures import Measures
from .quarantine import Rejected
from .recording import record

THREAD_ABOVE = 64 * 1024  # bytes: above it parsing would hold the event loop for milliseconds

log = structlog.get_logger(__name__)


class Source(Struct, frozen=True, kw_only=True):
    """One configured source and the adapter that reads it."""

    options: SourceOptions
    adapter: Adapter

    @property
    def name(self) -> str:
        return self.options.name

    @property
    def tenant(self) -> str:
        return self.options.tenant


class Inbound:
    """Takes deliveries of all sources. `deliver` returns when everything it counts is durable."""

    def __init__(self, store: Store, monitor: Monitor, measures: Measures) -> None:
        self._store = store
        self._monitor = monitor
        self._measures = measures

    async def deliver(self, source: Source, request: InboundRequest) -> Outcome:
        """Verify, parse and record one delivery.

        SignatureRefused and NotFound as the adapter says; InvalidPayload when the bytes are not
        this vendor's (they are kept in quarantine first); StoreUnavailable or Overloaded when
        nothing may be acknowledged.
        """
        try:
            source.adapter.verify(request)
        except SignatureRefused as error:
            self._measures.refused.labels(source.name).inc()
            log.warning("signature_refused", source=source.name, reason=error.detail)
            raise
        try:
            parsed = await self._parse(source, request)
        except InvalidPayload as error:
            await self._keep(
                source, request, (Rejected(code=error.problem_code, detail=error.detail, item=request.body),)
            )
            raise
        return await self._record(source, request, parsed)

    async def _parse(self, source: Source, request: InboundRequest) -> Parsed:
        if len(request.body) > THREAD_ABOVE:
            return await asyncio.to_thread(source.adapter.parse, request)
        return source.adapter.parse(request)

    async def _record(self, source: Source, request: InboundRequest, parsed: Parsed) -> Outcome:
        touchpoints = [await rehome(self._store, source.tenant, it) for it in parsed.touchpoints]
        results = await record(self._store, source.tenant, touchpoints)
        rejected = tuple(
            Rejected(code=result.code or "rejected", detail=result.detail or "", item=_describe(it))
            for it, result in zip(touchpoints, results, strict=True)
            if not result.ok
        )
        malformed = tuple(Rejected(code=it.code, detail=it.detail, item=it.item) for it in parsed.malformed)
        if rejected or malformed:
            await self._keep(source, request, malformed + rejected)
        await follow(self._store, source.tenant, touchpoints, results)
        self._monitor.seen(source.tenant, source.name, request.received_at)
        self._measures.count(source.name, results)
        for name, count in parsed.ignored.items():
            self._measures.ignored.labels(source.name, _label(name)).inc(count)
        return Outcome(
            accepted=sum(1 for it in results if it.status == "accepted"),
            duplicates=sum(1 for it in results if it.status == "duplicate"),
            quarantined=len(rejected) + len(malformed),
            ignored=sum(parsed.ignored.values()),
        )

    async def _keep(self, source: Source, request: InboundRequest, items: tuple[Rejected, ...]) -> None:
        control = self._store.control(source.tenant)
        await quarantine.keep(control, source.name, request, items)
        self._measures.quarantined.labels(source.name).inc(len(items))
        log.warning(
            "quarantined", source=source.name, count=len(items), codes=sorted({i.code for i in items})
        )

    async def replay(self, source: Source, item: quarantine.Quarantined, now: Micros) -> Outcome:
        """Parse a quarantined item again, without its signature, which was checked when it came.

        Unprocessable (`still_malformed`) leaves it where it is.
        """
        content = item.content()
        request = InboundRequest(
            method=item.method,
            path=item.path,
            url="",
            query=item.query,
            headers={"content-type": item.content_type},
            raw=content,
            body=content,
            received_at=item.received_at,
        )
        try:
            parsed = source.adapter.parse(request)
        except InvalidPayload as error:
            raise Unprocessable(error.detail, code="still_malformed") from error
        if parsed.malformed or not (parsed.touchpoints or parsed.ignored):
            detail = parsed.malformed[0].detail if parsed.malformed else "it holds nothing"
            raise Unprocessable(detail, code="still_malformed")
        touchpoints = [await rehome(self._store, source.tenant, it) for it in parsed.touchpoints]
        results = await record(self._store, source.tenant, touchpoints)
        if any(not it.ok for it in results):
            raise Unprocessable(results[0].detail or "it was rejected again", code="still_malformed")
        await follow(self._store, source.tenant, touchpoints, results)
        await quarantine.dismiss(self._store.control(source.tenant), item)
        self._measures.count(source.name, results)
        return Outcome(
            accepted=sum(1 for it in results if it.status == "accepted"),
            duplicates=sum(1 for it in results if it.status == "duplicate"),
        )


def _label(name: str) -> str:
    """A metric label from a sender's word: short and plain, so that senders cannot flood the metrics."""
    return name[:40] if name.replace(".", "").replace("_", "").replace("-", "").isalnum() else "other"


def _describe(it: Touchpoint) -> bytes:
    return msgspec.json.encode(it)
