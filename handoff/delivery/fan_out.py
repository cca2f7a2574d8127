"""From an outbox entry to the queue of every subscription that wants it; doing it again adds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

import structlog
from msgspec import Struct

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.codec.member import FLAG_PARTICIPANTS, FLAG_QUIET, type_name
from handoff.domain.clock import parse_time
from handoff.domain.errors import NotFound
from handoff.domain.handoff import Handoff
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
from handoff.services.timeline.reading import read_touchpoint
from handoff.services.webhooks.subscriptions import Directory, Subscription
from handoff.store.repositories.deliveries import NO_DEADLINE
from handoff.store.repositories.deliveries import QueueEntry as QueueEntry
from handoff.store.repositories.outbox import (
    CONTROL_ENTRY,
    TOUCHPOINT_ENTRY,
    Outbox,
    OutboxEntry,
    Reference,
    is_quiet,
    names_others,
    read_reference,
    read_tenant,
)
from handoff.store.store import Store

from .payloads import handoff_event, touchpoint_event

log = structlog.get_logger(__name__)


class Work(Struct, frozen=True):
    """What an entry asks for. Works of one `key` are done one after the other."""

    key: str
    run: Callable[[], Awaitable[None]]


class FanOut:
    """`wake` is called with a tenant that has something new to deliver; `followers` do what follows
    from touchpoints inside the product."""

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
        self._seen: dict[str, tuple[Subscription, ...]] = {}
        self._wanted: dict[str, tuple[Sequence[Subscription], frozenset[str]]] = {}
        self._quiet: frozenset[bytes] = frozenset()
        """Tenants in which nothing follows from a touchpoint that names nobody else, as of the last look."""

    @property
    def follows(self) -> bool:
        """Whether touchpoints are looked at whoever is subscribed to what."""
        return self._followers is not None

    async def wants_touchpoints(self, tenants: Iterable[str]) -> bool:
        """Whether any subscription of any tenant is told of touchpoints."""
        for tenant in tenants:
            if self._types_wanted(tenant, await self._directory.of(tenant)):
                return True
        return False

    async def look(self, tenants: Collection[str]) -> None:
        """See who wants what as of now, for entries that were read before; one round trip a tenant."""
        found = await asyncio.gather(*(self._directory.of(tenant) for tenant in tenants))
        self._seen |= dict(zip(tenants, found, strict=True))
        if self._followers is not None:
            await self._followers.look(tenants)
        self._quiet = frozenset(it.encode() for it in tenants if self._is_quiet(it))

    def _is_quiet(self, tenant: str) -> bool:
        followed = self._followers is not None and self._followers.follow_all(tenant)
        return not followed and not self._types_wanted(tenant, self._seen[tenant])

    def _types_wanted(self, tenant: str, subscriptions: Sequence[Subscription]) -> frozenset[str]:
        """The touchpoint types that somebody is told of; worked out once per change of subscriptions."""
        known = self._wanted.get(tenant)
        if known is None or known[0] is not subscriptions:
            types = frozenset(
                type_
                for type_ in _TOLD_TYPES
                if any(it.wants(type_, it.wishes.channels, it.wishes.queues) for it in subscriptions)
            )
            known = self._wanted[tenant] = (subscriptions, types)
        return known[1]

    def work(self, outbox: Outbox, entry: OutboxEntry) -> Work | None:
        """What to do for an entry; None for nothing. Any error says that it cannot be read."""
        if entry.kind != (TOUCHPOINT_ENTRY if outbox.tenant is None else CONTROL_ENTRY):
            self._store.unknown.met("outbox_kind", entry.kind[:16])
            return None
        if outbox.tenant is None:
            asks_for_nothing = is_quiet(entry.payload) or read_tenant(entry.payload) in self._quiet
            if asks_for_nothing and not names_others(entry.payload):
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

    def _touchpoint(self, reference: Reference) -> Work | None:
        """Most touchpoints ask for nothing: that is seen here, without asking anybody."""
        stored = StoredTouchpoint(
            tenant=reference.tenant,
            home=reference.home,
            id=reference.id,
            type=type_name(reference.type_code),
            participants=bool(reference.flags & FLAG_PARTICIPANTS),
            quiet=bool(reference.flags & FLAG_QUIET),
        )
        told = not stored.quiet and stored.type in self._types_wanted(
            stored.tenant, self._seen.get(stored.tenant, ())
        )
        followers = self._followers if self._followers and self._followers.concerns(stored) else None
        if not told and followers is None:
            return None

        async def run() -> None:
            if followers is not None:
                await followers.follow(stored)
            if told:
                await self._tell_touchpoint(stored)

        return Work(stored.home.hex(), run)

    async def _tell_touchpoint(self, it: StoredTouchpoint) -> None:
        public_id = self._store.hashes(it.tenant).public(TOUCHPOINT, it.home, it.id)
        try:
            view = await read_touchpoint(self._store, it.tenant, public_id)
        except NotFound:  # retention or erasure was faster
            return
        event = touchpoint_event(view, self._public_url)
        await self._queue(it.tenant, event, parse_time(view.recorded_at), self._seen[it.tenant])

    def _handoff(self, tenant: str, content: HandoffEntry, recorded_at: int) -> Work:
        type_, handoff = content.type, content.handoff
        return Work(handoff.id, lambda: self._tell_handoff(tenant, type_, handoff, recorded_at))

    async def _tell_handoff(self, tenant: str, type_: str, handoff: Handoff, recorded_at: int) -> None:
        """Queue first, then its touchpoint; what cannot be recorded is told all the same."""
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
        except NotFound:  # erased: there is no timeline that it could stand in
            log.info("handoff_without_customer", type=type_)

    async def _queue_handoff(self, tenant: str, type_: str, handoff: Handoff, recorded_at: int) -> None:
        found = self._seen.get(tenant, ())
        if not found:
            return
        customer_id = await current_customer_id(self._store, tenant, handoff.home)
        view = handoff_view(handoff, self._store.hashes(tenant), customer_id)
        event = handoff_event(type_, handoff, view, self._public_url)
        await self._queue(tenant, event, recorded_at, found)

    def _event(self, tenant: str, event: Event, recorded_at: int) -> Work:
        async def tell() -> None:
            await self._queue(tenant, event, recorded_at, self._seen.get(tenant, ()))

        return Work(event.line or event.key, tell)

    async def _queue(
        self, tenant: str, event: Event, recorded_at: int, subscriptions: Sequence[Subscription]
    ) -> None:
        """Keep the event, for replays, if there is anybody to tell, and queue it for those who want it.

        Who subscribed after it was recorded is not told, however long it waited in the outbox.
        """
        told = [
            it.id
            for it in subscriptions
            if it.id != event.untold
            and it.created_at // 1000 <= recorded_at // 1000  # an entry's id says no more than milliseconds
            and it.wants(event.type, event.channels, event.queues)
        ]
        if not told:
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
        if await self._store.deliveries(tenant).put(entry, told):
            self._wake(tenant)


# What happens to a hand-off is told from the control partition, with its full state.
_TOLD_TYPES = frozenset(type_ for type_ in TYPES if not type_.startswith("handoff."))


def _milliseconds(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])
