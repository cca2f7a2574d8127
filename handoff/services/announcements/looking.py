"""Looks at announcements when their time has passed, and reports or hands over those that nothing followed.

Nothing is read before that: the touchpoints that the customer has then decide, so recording and relaying
them costs nothing. Further looks for what is late come at growing intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import structlog
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, TOUCHPOINT
from handoff.domain.brief.sections.announced import BY_POLICY, Announced, FollowUp, announced_of, follow_up
from handoff.domain.clock import Micros, format_time
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.errors import HandoffError, NotFound, Restricted, StoreUnavailable
from handoff.domain.handoff import Handoff, Party
from handoff.domain.ledger.announced import FULFILLED, AnnouncementEvent, dismissed, handed_over, looked_at
from handoff.domain.ledger.entry import ANNOUNCEMENT, EntryState, LedgerEntry
from handoff.domain.said.announcing import AnnouncedKind
from handoff.services.customers.customer import Customer, by_key
from handoff.services.events.payloads import AnnouncementAlarm
from handoff.services.events.publishing import Event, encode_event
from handoff.services.handoffs.lifecycle import HandoffRequest, Handoffs
from handoff.services.handoffs.records import read_of_homes
from handoff.services.ledger.entries import public_entry_id, write_entry
from handoff.services.ledger.owners import LedgerOwner, owner_of
from handoff.services.ledger.rounds import POSTPONED, AlarmRounds, Clocks
from handoff.services.ledger.settling import read_customer_story
from handoff.store.repositories.control import Change
from handoff.store.store import Store

from .settings import AnnouncementPolicies

REASONS: Mapping[AnnouncedKind, str] = {
    "transfer": "Announced transfer did not follow",
    "callback": "Announced call back did not follow",
    "mail": "Announced mail did not follow",
}

log = structlog.get_logger(__name__)


class _SeenAnnouncement(Struct, frozen=True):
    """The result of reading a customer for an announcement. `made` is None if its words are gone or
    changed."""

    customer: Customer
    made: Announced | None
    found: FollowUp | None


class AnnouncementLooks(AlarmRounds):
    """Looks at the announcements that are due."""

    kind = ANNOUNCEMENT

    def __init__(
        self,
        store: Store,
        tenants: Sequence[str],
        guard: ClockGuard,
        policies: AnnouncementPolicies,
        handoffs: Handoffs,
        clocks: Clocks | None = None,
    ) -> None:
        super().__init__(store, tenants, guard, clocks)
        self._policies = policies
        self._handoffs = handoffs

    def failed(self, error: HandoffError) -> None:
        log.warning("announcement_look_failed", code=error.problem_code)

    def crashed(self) -> None:
        log.exception("announcement_look_crashed")

    async def look(self, tenant: str, id_: bytes, now: Micros) -> bool:
        entry = await self.read(tenant, id_)
        if entry is None or entry.look_at is None or entry.look_at > now:
            await self.move_timer(tenant, id_)
            return False
        try:
            seen = await self._see(tenant, entry, now)
            handoffs = await read_of_homes(self._store.of(tenant).handoffs, list(seen.customer.group.members))
        except NotFound:
            return await self.drop(tenant, entry)
        except Restricted:
            await self.move_timer(tenant, id_, now + POSTPONED)
            return False
        if seen.made is None:
            return await self._move_on(tenant, entry, dismissed(entry, now, ""))
        entry = msgspec.structs.replace(
            entry, homes=tuple(seen.customer.group.members), conversation=seen.made.item.conversation
        )
        if entry.handoff_wanted and seen.found is None:
            handoff = await self._hand_over(tenant, entry, seen.made, handoffs)
            return await self._move_on(tenant, entry, handed_over(entry, handoff, now))
        after, event = looked_at(entry, seen.found, now, hand_over=self._hands_over(tenant, seen.made))
        return await self._move_on(tenant, entry, after, event, owner_of(handoffs), now)

    async def _see(self, tenant: str, entry: LedgerEntry, now: Micros) -> _SeenAnnouncement:
        store = self._store
        customer = await by_key(store, tenant, entry.home)
        story = await read_customer_story(store, tenant, customer, now)
        item = story.by_id.get(store.hashes(tenant).public(TOUCHPOINT, entry.home, entry.touchpoint))
        found = announced_of(story, item) if item is not None and not item.deleted else ()
        made = next((it for it in found if it.kind == entry.act), None)
        if made is None:
            return _SeenAnnouncement(customer, None, None)
        rule = store.brief_rules.follow_rules(tenant)[made.kind]
        return _SeenAnnouncement(customer, made, follow_up(story, made, rule))

    def _hands_over(self, tenant: str, made: Announced) -> bool:
        rule = self._policies.of(tenant, made.kind)
        return rule.on_unfulfilled == "handoff" and made.speaker in rule.speakers

    async def _hand_over(
        self, tenant: str, entry: LedgerEntry, made: Announced, handoffs: Sequence[Handoff]
    ) -> str | None:
        """Request the handoff of the policy, unless somebody has the customer or is about to; its id.

        A look that is repeated finds the handoff that the one before it requested.
        """
        by = BY_POLICY + public_entry_id(self._store.hashes(tenant), entry)
        known = next((it for it in handoffs if it.requested_by == by), None)
        if known is not None:
            return known.id
        whom, item = self._policies.of(tenant, made.kind).whom, made.item
        if whom is None or any(it.pending or it.owning for it in handoffs):
            return None
        wanted = HandoffRequest(
            sender=Party(channel=entry.channel, party=item.name or made.speaker),
            to=Party(channel=whom.channel or entry.channel, queue=whom.queue, agent=whom.agent),
            reason=REASONS[made.kind],
            by=by,
            conversation_id=entry.conversation,
            context={"announced": made.kind, "said_at": format_time(item.occurred_at)},
            deadline_s=whom.deadline_s,
        )
        try:
            return (await self._handoffs.request(tenant, wanted)).handoff.id
        except StoreUnavailable:
            raise
        except HandoffError as error:
            log.info("announcement_not_handed_over", code=error.problem_code)
            return None

    async def _move_on(
        self,
        tenant: str,
        before: LedgerEntry,
        after: LedgerEntry,
        event: AnnouncementEvent | None = None,
        owned: tuple[LedgerOwner, tuple[str, ...]] | None = None,
        now: Micros = 0,
    ) -> bool:
        """Store an entry, with its event; whether there was one, and this worker was first."""
        after = msgspec.structs.replace(after, version=before.version + 1)
        part, change = self._store.of(tenant), Change()
        write_entry(part, change, before, after)
        if event is not None and owned is not None:
            part.outbox.post(change, encode_event(self._event(tenant, after, event, owned, now)))
        return await self.attempt(tenant, change) and event is not None

    def _event(
        self,
        tenant: str,
        entry: LedgerEntry,
        name: AnnouncementEvent,
        owned: tuple[LedgerOwner, tuple[str, ...]],
        now: Micros,
    ) -> Event:
        hashes, (owner, queues) = self._store.hashes(tenant), owned
        id_ = public_entry_id(hashes, entry)
        fulfilled = name == FULFILLED
        return Event(
            key=f"announcement/{id_}/{name}",
            type="announcement.fulfilled" if fulfilled else "announcement.unfulfilled",
            subject=id_,
            at=now,
            data=AnnouncementAlarm(
                announcement=id_,
                kind=entry.act or "",
                state="fulfilled" if entry.state is EntryState.KEPT else "unfulfilled",
                late=fulfilled,
                customer_id=hashes.public(CUSTOMER, entry.home),
                conversation_id=entry.conversation,
                touchpoint=hashes.public(TOUCHPOINT, entry.home, entry.touchpoint),
                announced_by=entry.spoken_by,
                announced_at=format_time(entry.made_at),
                due=format_time(entry.due or now),
                fulfilled_at=format_time(entry.ended_at) if fulfilled and entry.ended_at else None,
                proof=entry.proof if fulfilled else None,
                agent=owner.agent,
                queue=owner.queue,
                handoff=owner.handoff,
            ),
            correlation=entry.conversation,
            channels=(entry.channel,),
            queues=queues,
        )
