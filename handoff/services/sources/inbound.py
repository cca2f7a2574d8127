"""Vendors' deliveries, for every transport: verify, parse, quarantine, record, reply.

`Inbound.handle` is the one entry. The HTTP handler and the mail listener make a `Received` from what they
read, and send the `Reply` in their own protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import structlog
from msgspec import Struct

from handoff.adapter.contract import (
    Adapter,
    CallLeg,
    InboundRequest,
    Outcome,
    Parsed,
    Reply,
    SourceOptions,
)
from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.errors import (
    HandoffError,
    InvalidPayload,
    RateLimited,
    SignatureRefused,
    Unprocessable,
)
from handoff.domain.touchpoint import Touchpoint
from handoff.services.admission.limits import LimitSettings
from handoff.services.admission.rates import RateLimits
from handoff.services.callbacks.call_events import names_callback, record_call_events
from handoff.services.context.completeness import Monitor
from handoff.services.metrics import Measures
from handoff.services.timeline.batching import Intake
from handoff.services.timeline.recording import Result, redacted
from handoff.store.store import Store

from . import quarantine
from .activity import ActivityLog
from .hiding import kept_headers
from .naming import named_by, named_in
from .parsing import THREAD_ABOVE, Parsing, parse
from .quarantine import ItemTurns, Rejected
from .settling import depends_on_history, settle

log = structlog.get_logger(__name__)


class Source(Struct, frozen=True, kw_only=True):
    """A configured source and its adapter."""

    options: SourceOptions
    adapter: Adapter

    @property
    def name(self) -> str:
        return self.options.name

    @property
    def tenant(self) -> str:
        return self.options.tenant


class Received(Struct, frozen=True, kw_only=True):
    """One delivery of a source, received by any transport."""

    source: Source
    request: InboundRequest


def _log_first(source: str, outcome: Outcome) -> None:
    log.info("first_delivery", source=source, accepted=outcome.accepted, duplicates=outcome.duplicates)


class Inbound:
    """Takes the deliveries of all sources, regardless of the transport."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        monitor: Monitor,
        measures: Measures,
        kept: quarantine.Quarantine | None = None,
        rates: RateLimits | None = None,
        activity: ActivityLog | None = None,
    ) -> None:
        self._store = store
        self.activity = activity or ActivityLog(store)
        self._parsing = Parsing()
        self._rates = rates or RateLimits(LimitSettings())
        self._quarantine = kept or quarantine.Quarantine(store, LimitSettings())
        self._intake = intake
        self._monitor = monitor
        self._measures = measures
        self._heard: set[str] = set()
        self.on_first: Callable[[str, Outcome], None] = _log_first
        """Called with the first accepted delivery of each source since the process started."""

    def close(self) -> None:
        """End the process that parses large deliveries."""
        self._parsing.close()

    def check_rate(self, source: Source) -> None:
        """RateLimited while the source or its tenant sends too fast."""
        try:
            self._rates.check_source(source.tenant, source.name)
        except RateLimited as error:
            self.activity.refused(source.tenant, source.name, error)
            raise

    def refuse_early(self, received: Received) -> Reply | None:
        """The reply to a delivery that its head alone shows to be invalid; None for any other."""
        adapter, request = received.source.adapter, received.request
        try:
            if adapter.handshake(request) is None:
                adapter.check_head(request)
        except HandoffError as error:
            if isinstance(error, SignatureRefused):
                self._count_refused(received.source, error)
            return self._refusal(received, error)
        return None

    def _refusal(self, received: Received, error: HandoffError) -> Reply:
        source = received.source
        self.activity.refused(source.tenant, source.name, error)
        return Reply(status=400, headers=source.adapter.headers(received.request), error=error)

    def _count_refused(self, source: Source, error: SignatureRefused) -> None:
        self._measures.refused.labels(source.name).inc()
        log.warning("signature_refused", source=source.name, reason=error.detail)

    async def handle(self, received: Received) -> Reply:
        """Record a delivery and return its reply, with an `error` if it was refused or not recorded.

        The transport has called `check_rate`, before it read the body.
        """
        adapter, request = received.source.adapter, received.request
        try:
            early = adapter.handshake(request)
            if early is not None:
                return early
            parsed, outcome = await self._record(received.source, request)
        except InvalidPayload as error:
            return _reply_to_kept(adapter, request, error)
        except HandoffError as error:
            return self._refusal(received, error)
        return adapter.reply(request, parsed, outcome)

    async def take(self, source: Source, request: InboundRequest) -> Outcome:
        """Record a delivery that this server fetched itself: there is nothing to verify.

        Durable when it returns, in the timelines or in quarantine.
        """
        try:
            _parsed, outcome = await self._record(source, request, fetched=True)
        except InvalidPayload:
            return Outcome(quarantined=1)
        return outcome

    async def _record(
        self, source: Source, request: InboundRequest, *, fetched: bool = False
    ) -> tuple[Parsed, Outcome]:
        """Verify, parse and record one delivery; everything that the outcome counts is durable.

        Raises SignatureRefused and NotFound as the adapter does, InvalidPayload if the bytes are not this
        vendor's (they are quarantined first), and StoreUnavailable or Overloaded if nothing is recorded.
        """
        delivery, size = _Delivery(source.adapter, request, fetched), len(request.body)
        try:
            if size > THREAD_ABOVE:
                if not fetched:
                    await self._parsing.verify(source.adapter, request)
                delivery.parsed = await self._parsing.parse(source.options, source.adapter, request)
                delivery.parsed = await self._settle(source, delivery.parsed)
                touchpoints, results = await self._record_parsed(source, delivery.parsed)
            else:
                results = await self._intake.record(source.tenant, delivery.read, size)
                touchpoints = delivery.parsed.touchpoints
                if delivery.needs_lookup:
                    delivery.parsed = await self._settle(source, delivery.parsed)
                    touchpoints, results = await self._record_parsed(source, delivery.parsed)
        except SignatureRefused as error:
            self._count_refused(source, error)
            raise
        except InvalidPayload as error:
            self._rates.charge_source(source.tenant, source.name, 1)
            named = named_in(source.adapter, request, self._store.hashes(source.tenant))
            whole = Rejected(code=error.problem_code, detail=error.detail, item=request.body, named=named)
            await self._keep(source, request, [whole])
            self.activity.quarantined(source.tenant, source.name)
            raise
        outcome = await self._finish(source, request, delivery.parsed, touchpoints, results)
        return delivery.parsed, outcome

    async def _settle(self, source: Source, parsed: Parsed) -> Parsed:
        if not depends_on_history(parsed):
            return parsed
        return await settle(self._store, source.tenant, self._masked(source.tenant, parsed))

    def _masked(self, tenant: str, parsed: Parsed) -> Parsed:
        """With everything masked, since it is compared with what is stored."""

        def mask(touchpoint: Touchpoint) -> Touchpoint:
            return redacted(self._store, tenant, [touchpoint])[0]

        legs = [
            CallLeg(
                passed_on=mask(it.passed_on),
                alone=it.alone if isinstance(it.alone, str) else mask(it.alone),
            )
            for it in parsed.legs
        ]
        touchpoints = tuple(map(mask, parsed.touchpoints))
        return msgspec.structs.replace(parsed, touchpoints=touchpoints, legs=tuple(legs))

    async def _record_parsed(
        self, source: Source, parsed: Parsed
    ) -> tuple[Sequence[Touchpoint], list[Result]]:
        return await record_call_events(self._store, source.tenant, parsed.touchpoints)

    async def _finish(
        self,
        source: Source,
        request: InboundRequest,
        parsed: Parsed,
        touchpoints: Sequence[Touchpoint],
        results: Sequence[Result],
    ) -> Outcome:
        """Quarantine the rejected items and count everything."""
        events = len(touchpoints) + len(parsed.malformed)
        self._rates.charge_source(source.tenant, source.name, events or 1)
        kept = [
            *await self._malformed(source, request, parsed),
            *_refused(touchpoints, results, self._store.hashes(source.tenant)),
        ]
        if kept:
            await self._keep(source, request, kept)
        self._monitor.seen(source.tenant, source.name, request.received_at)
        self._measures.count(source.name, results)
        for name, count in parsed.ignored.items():
            self._measures.ignored.labels(source.name, _label(name)).inc(count)
        outcome = _outcome(results, quarantined=len(kept), ignored=sum(parsed.ignored.values()))
        self.activity.recorded(source.tenant, source.name, outcome)
        if (outcome.accepted or outcome.duplicates) and source.name not in self._heard:
            self._heard.add(source.name)
            self.on_first(source.name, outcome)
        return outcome

    async def _malformed(self, source: Source, request: InboundRequest, parsed: Parsed) -> list[Rejected]:
        """The items of a delivery that could not be read, with the people they name."""
        kept, hashes = [], self._store.hashes(source.tenant)
        turns = ItemTurns()
        for malformed in parsed.malformed:
            alone = msgspec.structs.replace(request, raw=malformed.item, body=malformed.item)
            named = named_in(source.adapter, alone, hashes)
            kept.append(
                Rejected(code=malformed.code, detail=malformed.detail, item=malformed.item, named=named)
            )
            await turns.after(malformed.item)
        return kept

    async def _keep(self, source: Source, request: InboundRequest, items: Sequence[Rejected]) -> None:
        headers = kept_headers(source.adapter.manifest, request.headers, source.options)
        await self._quarantine.keep(source.tenant, source.name, request, items, headers)
        self._measures.quarantined.labels(source.name).inc(len(items))
        log.warning(
            "quarantined", source=source.name, count=len(items), codes=sorted({item.code for item in items})
        )

    async def replay(self, source: Source, item: quarantine.Quarantined) -> Outcome:
        """Parse a quarantined item again. Its signature was verified when it was received.

        Raises Unprocessable (`still_malformed`) if it still cannot be recorded; it then stays in quarantine.
        """
        request = item.request()
        try:
            if len(request.body) > THREAD_ABOVE:
                parsed = await self._parsing.parse(source.options, source.adapter, request)
            else:
                parsed = parse(source.adapter, request)
        except InvalidPayload as error:
            raise Unprocessable(error.detail, code="still_malformed") from error
        if parsed.malformed or not (parsed.touchpoints or parsed.legs or parsed.ignored):
            detail = parsed.malformed[0].detail if parsed.malformed else "the item contains no events"
            raise Unprocessable(detail, code="still_malformed")
        _touchpoints, results = await self._record_parsed(source, await self._settle(source, parsed))
        refused = next((result for result in results if not result.ok), None)
        if refused is not None:
            raise Unprocessable(refused.detail or "the item was rejected again", code="still_malformed")
        await quarantine.dismiss(self._store, source.tenant, item)
        self._measures.count(source.name, results)
        return _outcome(results)


def _reply_to_kept(adapter: Adapter, request: InboundRequest, error: InvalidPayload) -> Reply:
    """The reply to a delivery that is in quarantine as a whole: the adapter's, if it acknowledges it."""
    reply = adapter.reply(request, None, Outcome(quarantined=1))
    if reply.status < 400:
        return msgspec.structs.replace(reply, kept=True)
    return Reply(status=400, headers=adapter.headers(request), error=error, kept=True)


def _refused(
    touchpoints: Sequence[Touchpoint], results: Sequence[Result], hashes: KeyedHash
) -> list[Rejected]:
    """The touchpoints of a delivery that were not recorded."""
    return [
        Rejected(
            code=result.code or "rejected",
            detail=result.detail or "",
            item=msgspec.json.encode(touchpoint),
            named=named_by(touchpoint, hashes),
        )
        for touchpoint, result in zip(touchpoints, results, strict=True)
        if not result.ok
    ]


class _Delivery:
    """One delivery while it is read. `parsed` and `needs_lookup` are set by `read`."""

    def __init__(self, adapter: Adapter, request: InboundRequest, fetched: bool) -> None:
        self._adapter = adapter
        self._request = request
        self._fetched = fetched
        self.parsed = Parsed()
        self.needs_lookup = False

    def read(self) -> Sequence[Touchpoint]:
        """Verify and parse; returns the touchpoints that can be recorded directly.

        Returns none if something has to be looked up before recording: a callback that one of them
        names, or what `settle` needs.
        """
        if not self._fetched:
            self._adapter.verify(self._request)
        self.parsed = parse(self._adapter, self._request)
        named = any(map(names_callback, self.parsed.touchpoints))
        self.needs_lookup = named or depends_on_history(self.parsed)
        return () if self.needs_lookup else self.parsed.touchpoints


def _outcome(results: Sequence[Result], *, quarantined: int = 0, ignored: int = 0) -> Outcome:
    counted = [result.status for result in results]
    return Outcome(
        accepted=counted.count("accepted"),
        duplicates=counted.count("duplicate") + counted.count("erased"),
        expired=counted.count("expired"),
        quarantined=quarantined,
        ignored=ignored,
    )


def _label(name: str) -> str:
    """A metric label from a sender's word: short and plain, so that senders cannot flood the metrics."""
    return name[:40] if name.replace(".", "").replace("_", "").replace("-", "").isalnum() else "other"
