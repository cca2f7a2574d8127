"""Queue an outbox entry for every subscription that wants it. Repeating it adds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

import structlog
from msgspec import Struct

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.codec.member import FLAG_ANNOUNCES, FLAG_PARTICIPANTS, FLAG_QUIET, type_code, type_name
from handoff.domain.brief.sections.announced import DISMISSED_TYPE
from handoff.domain.brief.sections.decided import DECIDING
from handoff.domain.brief.signals import SENT
from handoff.domain.clock import parse_time
from handoff.domain.errors import NotFound, Restricted
from handoff.domain.handoff import Handoff
from handoff.domain.ledger.proof import CHANGING
from handoff.domain.touchpoint import TYPES
from handoff.services.events.publishing import (
    Event,
    HandoffEntry,
    decode_entry,
    event_id,
    pack_event,
    stored_event,
)
from handoff.services.events.reactions import Followers, StoredTouchpoint
from handoff.services.handoffs.announcements import record_handoff_events
from handoff.services.handoffs.listing import current_customer_id
from handoff.services.handoffs.records import handoff_view
from handoff.services.timeline.pages import read_touchpoint
from handoff.services.webhooks.subscriptions import Directory, Subscription
from handoff.store.repositories.deliveries import NO_DEADLINE
from handoff.store.repositories.deliveries import QueueEntry as QueueEntry
from handoff.store.repositories.outbox import (
    CONTROL_ENTRY,
    MIN_REFERENCE,
    TOUCHPOINT_ENTRY,
    Outbox,
    OutboxEntry,
    Reference,
    announces,
    is_quiet,
    names_others,
    read_home,
    read_reference,
    read_tenant,
    read_type,
)
from handoff.store.store import Store

from .payloads import handoff_event, touchpoint_event

log = structlog.get_logger(__name__)


class FanOutJob(Struct, frozen=True):
    """The work for one entry. Jobs with the same `key` run one after the other."""

    key: str
    run: Callable[[], Awaitable[None]]


class FanOut:
    """Queues events for subscriptions and hands touchpoints to `followers`. `wake` is called with a tenant
    that has new deliveries."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        public_url: str,
        wake: Callable[[str], None],
        followers: Followers | None = None,
    ) -> None:
        self._followers = followers
        self._store = store
        self._directory = directory
        self._public_url = public_url
        self._wake = wake
        self._subscriptions: dict[str, tuple[Subscription, ...]] = {}
        self._types: dict[str, tuple[Sequence[Subscription], frozenset[str]]] = {}
        self._quiet: frozenset[bytes] = frozenset()
        """Tenants where only the ledger and touchpoints with participants have effects, as of the last
        refresh."""
        self._watched: frozenset[bytes] = frozenset()
        """Tenants whose ledger watches customers, as of the last refresh."""

    @property
    def follows(self) -> bool:
        """Whether touchpoints are read even if no subscription wants them."""
        return self._followers is not None

    async def wants_touchpoints(self, tenants: Iterable[str]) -> bool:
        """Whether any subscription of any tenant wants touchpoints."""
        for tenant in tenants:
            if self._types_wanted(tenant, await self._directory.of(tenant)):
                return True
        return False

    async def refresh(self, tenants: Collection[str], entries: Iterable[OutboxEntry] = ()) -> None:
        """Read the current subscriptions, for entries read before; one round trip per tenant, and a few for
        what the ledger knows about the touchpoints among them."""
        found = await asyncio.gather(*(self._directory.of(tenant) for tenant in tenants))
        self._subscriptions |= dict(zip(tenants, found, strict=True))
        if self._followers is not None:
            await self._followers.look(tenants)
        self._quiet = frozenset(it.encode() for it in tenants if self._is_quiet(it))
        if self._followers is not None:
            await self._look_ahead(self._followers, tenants, entries)

    async def _look_ahead(
        self, followers: Followers, tenants: Iterable[str], entries: Iterable[OutboxEntry]
    ) -> None:
        homes = {it.encode(): set[bytes]() for it in tenants if followers.watches(it)}
        self._watched = frozenset(homes)
        for entry in entries if homes else ():
            payload = entry.payload
            if entry.kind == TOUCHPOINT_ENTRY and len(payload) >= MIN_REFERENCE and self._may_change(payload):
                homes[read_tenant(payload)].add(read_home(payload))
        looks = (followers.look_ahead(it.decode(), found) for it, found in homes.items() if found)
        await asyncio.gather(*looks)

    def _is_quiet(self, tenant: str) -> bool:
        followed = self._followers is not None and self._followers.reacts(tenant)
        return not followed and not self._types_wanted(tenant, self._subscriptions[tenant])

    def _types_wanted(self, tenant: str, subscriptions: Sequence[Subscription]) -> frozenset[str]:
        """Touchpoint types that any subscription wants, computed once per change of subscriptions."""
        known = self._types.get(tenant)
        if known is None or known[0] is not subscriptions:
            types = frozenset(
                type_
                for type_ in _PUBLISHED_TYPES
                if any(it.wants(type_, it.wishes.channels, it.wishes.queues) for it in subscriptions)
            )
            known = self._types[tenant] = (subscriptions, types)
        return known[1]

    def job(self, outbox: Outbox, entry: OutboxEntry) -> FanOutJob | None:
        """The job for an entry, or None. Raises any error for an unreadable entry."""
        if entry.kind != (TOUCHPOINT_ENTRY if outbox.tenant is None else CONTROL_ENTRY):
            self._store.unknown.met("outbox_kind", entry.kind[:16])
            return None
        if outbox.tenant is None:
            asks_for_nothing = is_quiet(entry.payload) or read_tenant(entry.payload) in self._quiet
            if asks_for_nothing and not (names_others(entry.payload) or self._in_ledger(entry.payload)):
                return None
            return self._touchpoint(read_reference(entry.payload))
        content, recorded_at = decode_entry(entry.payload), _milliseconds(entry.id) * 1000
        if isinstance(content, HandoffEntry):
            return self._handoff(outbox.tenant, content, recorded_at)
        if isinstance(content, Event):
            return self._event(outbox.tenant, content, recorded_at)
        if self._store.unknown.met("outbox_family", content.family[:40]):
            log.warning("outbox_family_unknown")
        return None

    def _in_ledger(self, payload: bytes) -> bool:
        """Whether the ledger may follow the entry's touchpoint: it is about a promise or a complaint, may
        announce something, or may change an entry of its customer's."""
        followers, code = self._followers, read_type(payload)
        if followers is None:
            return False
        if code in _DECIDING or announces(payload):
            return True
        return self._may_change(payload) and (code in _SENT or not followers.passes_over(read_home(payload)))

    def _may_change(self, payload: bytes) -> bool:
        """Whether the entry's touchpoint may change promises and complaints of a watched customer."""
        return (
            read_type(payload) in _CHANGING
            and not is_quiet(payload)
            and read_tenant(payload) in self._watched
        )

    def _touchpoint(self, reference: Reference) -> FanOutJob | None:
        """Most touchpoints need no job, which is decided here without a round trip."""
        stored = StoredTouchpoint(
            tenant=reference.tenant,
            home=reference.home,
            id=reference.id,
            type=type_name(reference.type_code),
            participants=bool(reference.flags & FLAG_PARTICIPANTS),
            quiet=bool(reference.flags & FLAG_QUIET),
            announces=bool(reference.flags & FLAG_ANNOUNCES),
        )
        published = not stored.quiet and stored.type in self._types_wanted(
            stored.tenant, self._subscriptions.get(stored.tenant, ())
        )
        followers = self._followers if self._followers and self._followers.concerns(stored) else None
        if not published and followers is None:
            return None

        async def run() -> None:
            if followers is not None:
                await followers.follow(stored)
            if published:
                await self._publish_touchpoint(stored)

        return FanOutJob(stored.home.hex(), run)

    async def _publish_touchpoint(self, stored: StoredTouchpoint) -> None:
        public_id = self._store.hashes(stored.tenant).public(TOUCHPOINT, stored.home, stored.id)
        try:
            view = await read_touchpoint(self._store, stored.tenant, public_id)
        except (NotFound, Restricted):  # removed by retention or erasure, or not to be shown
            return
        event = touchpoint_event(view, self._public_url)
        recorded_at = parse_time(view.recorded_at)
        await self._queue(stored.tenant, event, recorded_at, self._subscriptions[stored.tenant])

    def _handoff(self, tenant: str, content: HandoffEntry, recorded_at: int) -> FanOutJob:
        type_, handoff = content.type, content.handoff
        return FanOutJob(handoff.id, lambda: self._publish_handoff(tenant, type_, handoff, recorded_at))

    async def _publish_handoff(self, tenant: str, type_: str, handoff: Handoff, recorded_at: int) -> None:
        """Queue the event and record its touchpoint. If recording fails, the event is still queued."""
        results = await asyncio.gather(
            self._queue_handoff(tenant, type_, handoff, recorded_at),
            self._record_handoff(type_, handoff),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _record_handoff(self, type_: str, handoff: Handoff) -> None:
        try:
            await record_handoff_events(self._store, [(type_, handoff)])
        except NotFound:  # erased: the customer has no timeline any more
            log.info("handoff_without_customer", type=type_)

    async def _queue_handoff(self, tenant: str, type_: str, handoff: Handoff, recorded_at: int) -> None:
        found = self._subscriptions.get(tenant, ())
        if not found:
            return
        customer_id = await current_customer_id(self._store, tenant, handoff)
        view = handoff_view(handoff, self._store.hashes(tenant), customer_id)
        event = handoff_event(type_, handoff, view, self._public_url)
        await self._queue(tenant, event, recorded_at, found)

    def _event(self, tenant: str, event: Event, recorded_at: int) -> FanOutJob:
        async def publish() -> None:
            await self._queue(tenant, event, recorded_at, self._subscriptions.get(tenant, ()))

        return FanOutJob(event.line or event.key, publish)

    async def _queue(
        self, tenant: str, event: Event, recorded_at: int, subscriptions: Sequence[Subscription]
    ) -> None:
        """Queue the event for every subscription that wants it, and keep it for replays.

        Subscriptions created after it was recorded do not get it, however long it waited in the outbox.
        """
        recipients = [
            it.id
            for it in subscriptions
            if it.id != event.untold
            and it.created_at // 1000 <= recorded_at // 1000  # an entry's id has milliseconds only
            and it.wants(event.type, event.channels, event.queues)
        ]
        if not recipients:
            return
        hashes = self._store.hashes(tenant)
        entry = QueueEntry(
            event=event_id(hashes, event.key),
            blob=pack_event(stored_event(event, hashes, recorded_at)),
            type=event.type,
            line=event.line.encode(),
            order=event.version,
            deadline=event.deadline // 1000 if event.deadline is not None else NO_DEADLINE,
        )
        if await self._store.deliveries(tenant).put(entry, recipients):
            self._wake(tenant)


_DECIDING = frozenset(map(type_code, (*DECIDING, DISMISSED_TYPE)))
_CHANGING, _SENT = frozenset(map(type_code, CHANGING)), frozenset(map(type_code, SENT))

# Handoff events are published from the control partition, with the handoff's full state.
_PUBLISHED_TYPES = frozenset(type_ for type_ in TYPES if not type_.startswith("handoff."))


def _milliseconds(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])
