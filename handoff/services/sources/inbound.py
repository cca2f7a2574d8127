"""The way in of a vendor's delivery, written once: verify, parse, quarantine, record, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from msgspec import Struct

from handoff.adapter.contract import Adapter, InboundRequest, Outcome, Parsed, SourceOptions
from handoff.domain.clock import Micros
from handoff.domain.errors import HandoffError, InvalidPayload, SignatureRefused, Unprocessable
from handoff.domain.touchpoint import Touchpoint
from handoff.services.callbacks.lifecycle import file_under_callback, follow, names_callback
from handoff.services.context.completeness import Monitor
from handoff.services.metrics import Measures
from handoff.services.timeline.batching import Intake
from handoff.services.timeline.recording import Result, record
from handoff.store.store import Store

from . import quarantine
from .quarantine import Rejected

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

    def __init__(self, store: Store, intake: Intake, monitor: Monitor, measures: Measures) -> None:
        self._store = store
        self._intake = intake
        self._monitor = monitor
        self._measures = measures

    async def deliver(self, source: Source, request: InboundRequest) -> Outcome:
        """Verify, parse and record one delivery.

        SignatureRefused and NotFound as the adapter says; InvalidPayload when the bytes are not
        this vendor's (they are kept in quarantine first); StoreUnavailable or Overloaded when
        nothing may be acknowledged.
        """
        reading = _Reading(source.adapter, request)
        try:
            if len(request.body) > THREAD_ABOVE:
                source.adapter.verify(request)
                reading.parsed = await asyncio.to_thread(_parse, source.adapter, request)
                touchpoints, results = await self._record(source.tenant, reading.parsed.touchpoints)
            else:
                size = len(request.body)
                results = await self._intake.record(source.tenant, reading.at_once, size)
                touchpoints = reading.parsed.touchpoints
                if len(results) < len(touchpoints):  # a call-back has to be asked for first
                    touchpoints, results = await self._record(source.tenant, touchpoints)
        except SignatureRefused as error:
            self._measures.refused.labels(source.name).inc()
            log.warning("signature_refused", source=source.name, reason=error.detail)
            raise
        except InvalidPayload as error:
            whole = Rejected(code=error.problem_code, detail=error.detail, item=request.body)
            await self._keep(source, request, [whole])
            raise
        return await self._finish(source, request, reading.parsed, touchpoints, results)

    async def _record(
        self, tenant: str, stated: Sequence[Touchpoint]
    ) -> tuple[Sequence[Touchpoint], list[Result]]:
        """Record the touchpoints, calls under the home of the call-back that they name; both."""
        touchpoints = [await file_under_callback(self._store, tenant, it) for it in stated]
        return touchpoints, await record(self._store, tenant, touchpoints)

    async def _finish(
        self,
        source: Source,
        request: InboundRequest,
        parsed: Parsed,
        touchpoints: Sequence[Touchpoint],
        results: Sequence[Result],
    ) -> Outcome:
        """Keep what was rejected, do what follows from the rest, and count all of it."""
        kept = [Rejected(code=it.code, detail=it.detail, item=it.item) for it in parsed.malformed]
        kept += [
            Rejected(code=result.code or "rejected", detail=result.detail or "", item=_describe(it))
            for it, result in zip(touchpoints, results, strict=True)
            if not result.ok
        ]
        if kept:
            await self._keep(source, request, kept)
        await follow(self._store, source.tenant, touchpoints, results)
        self._monitor.seen(source.tenant, source.name, request.received_at)
        self._measures.count(source.name, results)
        for name, count in parsed.ignored.items():
            self._measures.ignored.labels(source.name, _label(name)).inc(count)
        counted = [it.status for it in results]
        return Outcome(
            accepted=counted.count("accepted"),
            duplicates=counted.count("duplicate"),
            quarantined=len(kept),
            ignored=sum(parsed.ignored.values()),
        )

    async def _keep(self, source: Source, request: InboundRequest, items: Sequence[Rejected]) -> None:
        control = self._store.control(source.tenant)
        await quarantine.keep(control, source.name, request, tuple(items))
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
            parsed = _parse(source.adapter, request)
        except InvalidPayload as error:
            raise Unprocessable(error.detail, code="still_malformed") from error
        if parsed.malformed or not (parsed.touchpoints or parsed.ignored):
            detail = parsed.malformed[0].detail if parsed.malformed else "it holds nothing"
            raise Unprocessable(detail, code="still_malformed")
        touchpoints, results = await self._record(source.tenant, parsed.touchpoints)
        if any(not it.ok for it in results):
            raise Unprocessable(results[0].detail or "it was rejected again", code="still_malformed")
        await follow(self._store, source.tenant, touchpoints, results)
        await quarantine.dismiss(self._store.control(source.tenant), item)
        self._measures.count(source.name, results)
        return Outcome(
            accepted=sum(1 for it in results if it.status == "accepted"),
            duplicates=sum(1 for it in results if it.status == "duplicate"),
        )


class _Reading:
    """One delivery as it is read: `parsed` once it is."""

    def __init__(self, adapter: Adapter, request: InboundRequest) -> None:
        self._adapter = adapter
        self._request = request
        self.parsed = Parsed()

    def at_once(self) -> Sequence[Touchpoint]:
        """Verify and parse; what may be recorded at once: nothing where a call-back has to be asked for."""
        self._adapter.verify(self._request)
        self.parsed = _parse(self._adapter, self._request)
        found = self.parsed.touchpoints
        return () if any(map(names_callback, found)) else found


def _parse(adapter: Adapter, request: InboundRequest) -> Parsed:
    """What the adapter reads. InvalidPayload (`unreadable`) where it fails: a delivery that verified is
    kept in quarantine and can be replayed after the adapter is mended, so nothing is lost.
    """
    try:
        return adapter.parse(request)
    except HandoffError:
        raise
    except Exception as error:  # hostile bytes end here, whatever they found to break
        log.exception("adapter_failed", adapter=adapter.name)
        raise InvalidPayload("the delivery cannot be read", code="unreadable") from error


def _label(name: str) -> str:
    """A metric label from a sender's word: short and plain, so that senders cannot flood the metrics."""
    return name[:40] if name.replace(".", "").replace("_", "").replace("-", "").isalnum() else "other"


def _describe(it: Touchpoint) -> bytes:
    return msgspec.json.encode(it)
