"""Reactions to a stored touchpoint: references, handoffs by policy, notices to owners.

The outbox drives them, so that none is lost and any may be repeated: each step is idempotent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence

import structlog
from msgspec import Struct

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.brief.sections.announced import DISMISSED_TYPE
from handoff.domain.clock import format_time
from handoff.domain.errors import Conflict, NotFound, Restricted
from handoff.domain.evidence import MAX_STRONG_NEIGHBOURS
from handoff.domain.handoff import Handoff, Party
from handoff.domain.identities.sharing import by_code
from handoff.domain.identity import ANONYMOUS, Assurance
from handoff.domain.policies import Policy, unresolved
from handoff.services.announcements.noticing import AnnouncementFollower
from handoff.services.announcements.settings import AnnouncementPolicies
from handoff.services.context.history import conversations_of
from handoff.services.customers.customer import Customer, by_id, by_key
from handoff.services.customers.lookup import find
from handoff.services.handoffs.lifecycle import HandoffRequest, Handoffs
from handoff.services.handoffs.records import read_chains, read_of_homes
from handoff.services.handoffs.targets import continued_by_code, read_conversation_id
from handoff.services.ledger.following import LedgerFollower
from handoff.services.ledger.settling import LedgerRules
from handoff.services.timeline.pages import read_touchpoint
from handoff.services.timeline.participation import refer
from handoff.services.timeline.views import TouchpointView
from handoff.store.repositories.tenant.listed import count_each
from handoff.store.store import Store

from .payloads import ChangeKind, ContextChange, ContextChanged
from .publishing import Event, publish

OURS = ("handoff.", "context.", "callback.due")
"""Our own bookkeeping, which triggers no reactions."""
_LINKING: dict[str, ChangeKind] = {"identity.linked": "linked", "identity.unlinked": "unlinked"}

log = structlog.get_logger(__name__)


class StoredTouchpoint(Struct, frozen=True, kw_only=True):
    """A stored touchpoint, as the outbox refers to it."""

    tenant: str
    home: bytes
    id: bytes
    type: str
    participants: bool
    quiet: bool = False
    announces: bool = False
    """Whether its words may announce what has to follow."""


class Followers:
    """All reactions to touchpoints. Policies request their handoffs through `handoffs`."""

    def __init__(
        self,
        store: Store,
        handoffs: Handoffs,
        policies: Sequence[Policy],
        ledger: LedgerRules | None = None,
        announcements: AnnouncementPolicies | None = None,
    ) -> None:
        self._store = store
        self._announcements = AnnouncementFollower(store, announcements or AnnouncementPolicies())
        self._ledger = LedgerFollower(store, ledger or LedgerRules())
        self._handoffs = handoffs
        self._policies: list[Policy] = []
        self._owning: dict[str, bool] = {}
        self.replace(policies)

    def replace(self, policies: Sequence[Policy]) -> None:
        """Use these policies from now on."""
        self._policies = [it for it in policies if it.when.transfers is None]

    async def look(self, tenants: Iterable[str]) -> None:
        """Find out in which tenants a handoff has an owner, and which the ledger watches; one round trip.

        Called after entries are read and before their reactions run, so that no acceptance that precedes a
        touchpoint is missed.
        """
        names = list(tenants)
        lists = [self._store.of(it).handoffs.accepted for it in names]
        sizes, _ = await asyncio.gather(count_each(self._store.connection, lists), self._ledger.look(names))
        self._owning |= {it: size != 0 for it, size in zip(names, sizes, strict=True)}

    async def look_ahead(self, tenant: str, homes: Collection[bytes]) -> None:
        """Find out which of these homes the ledger need not follow; see `LedgerFollower.look_ahead`."""
        await self._ledger.look_ahead(tenant, homes)

    def passes_over(self, home: bytes) -> bool:
        """Whether the ledger has nothing about the customer with this home, as of the last `look_ahead`."""
        return self._ledger.passes_over(home)

    def concerns(self, touchpoint: StoredTouchpoint) -> bool:
        """Whether a touchpoint may trigger reactions, as of the last `look`. No round trip."""
        if touchpoint.participants or self._in_ledger(touchpoint) or _announces(touchpoint):
            return True
        if touchpoint.quiet or touchpoint.type.startswith(OURS):
            return False
        return self.reacts(touchpoint.tenant)

    def _in_ledger(self, touchpoint: StoredTouchpoint) -> bool:
        return self._ledger.concerns(
            touchpoint.tenant, touchpoint.home, touchpoint.type, quiet=touchpoint.quiet
        )

    def watches(self, tenant: str) -> bool:
        """Whether the ledger follows touchpoints of types in CHANGING, as of the last `look`."""
        return self._ledger.watches(tenant)

    def reacts(self, tenant: str) -> bool:
        """Whether any touchpoint of a tenant may trigger reactions beside the ledger's."""
        return self._owning.get(tenant, True) or any(it.tenant == tenant for it in self._policies)

    async def follow(self, touchpoint: StoredTouchpoint) -> None:
        """Run all reactions to a touchpoint. Raises an error only if the reactions should be tried again."""
        if touchpoint.participants:
            await refer(self._store, touchpoint.tenant, touchpoint.home, touchpoint.id)
        place = (touchpoint.home, touchpoint.id)
        await self._ledger.follow(touchpoint.tenant, place, touchpoint.type, quiet=touchpoint.quiet)
        if _announces(touchpoint):
            await self._announcements.follow(touchpoint.tenant, place, touchpoint.type)
        if touchpoint.quiet or touchpoint.type.startswith(OURS):
            return
        detecting = any(policy.tenant == touchpoint.tenant for policy in self._policies)
        if not detecting and not self._owning.get(touchpoint.tenant, True):
            return
        hashes = self._store.hashes(touchpoint.tenant)
        try:
            view = await read_touchpoint(
                self._store, touchpoint.tenant, hashes.public(TOUCHPOINT, touchpoint.home, touchpoint.id)
            )
            customer = await by_key(self._store, touchpoint.tenant, touchpoint.home)
            await self._notify_owners(touchpoint.tenant, customer, view)
            if detecting and view.direction == "inbound" and not view.late:
                await self._detect(touchpoint.tenant, customer, view)
        except (NotFound, Restricted):  # removed by retention or erasure in the meantime, or not to be shown
            return

    async def _notify_owners(self, tenant: str, customer: Customer, view: TouchpointView) -> None:
        """Publish `context.changed` for each owned conversation of the customer."""
        late = view.late
        if not (late or view.direction == "inbound" or view.type.startswith("identity.")):
            return  # owners know what their own side did
        concerned = [
            customer,
            *await self._people(tenant, customer, view),
            *await self._continued(tenant, customer, view),
        ]
        for one in concerned:
            homes = [it.key for it in one.members]
            for handoff in await read_of_homes(self._store.of(tenant).handoffs, homes):
                if handoff.owning and handoff.snapshots and view.recorded_at > _pinned(handoff):
                    await self._publish_change(tenant, one, handoff, view, shared=one is not customer)

    async def _people(self, tenant: str, customer: Customer, view: TouchpointView) -> list[Customer]:
        """The people who share the identity that a customer's message or call came from.

        Nobody for a device, on which nothing waits, and for a mailbox of more than MAX_STRONG_NEIGHBOURS.
        """
        if not customer.group.shared or customer.members[0].identity.type == ANONYMOUS:
            return []
        if view.type.startswith("identity."):
            return []  # recorded on the person's own timeline too
        look_up = await find(
            self._store, tenant, [it.identity for it in customer.members], Assurance.VERIFIED
        )
        if len(look_up.candidates) > MAX_STRONG_NEIGHBOURS:
            return []
        return [
            await by_id(self._store, tenant, it.id)
            for it in look_up.candidates
            if it.assurance is Assurance.VERIFIED and it.id != customer.id
        ]

    async def _continued(self, tenant: str, customer: Customer, view: TouchpointView) -> list[Customer]:
        """The customer whose conversation this one continues by a code, if it is another one."""
        hashes = self._store.hashes(tenant)
        home, _id = hashes.private(TOUCHPOINT, view.id, 2)
        conversation = read_conversation_id(hashes, view.conversation_id)
        if not any(map(by_code, customer.component.evidence)):
            return []
        now = await self._store.of(tenant).clock()
        owner = continued_by_code(customer, home, conversation, now)
        if owner is None or owner in customer.group.members:
            return []
        try:
            return [await by_key(self._store, tenant, owner)]
        except (NotFound, Restricted):
            return []

    async def _publish_change(
        self, tenant: str, customer: Customer, handoff: Handoff, view: TouchpointView, *, shared: bool
    ) -> None:
        change = ContextChange(
            kind="shared" if shared else _LINKING.get(view.type) or ("late" if view.late else "new"),
            touchpoint=view.id,
            type=view.type,
            channel=view.channel,
            occurred_at=view.occurred_at,
            subject=view.subject,
            text=view.text,
            assurance=view.assurance,
        )
        event = Event(
            key=f"{handoff.id}/context/{view.id}",
            type="context.changed",
            subject=handoff.id,
            at=await self._store.of(tenant).clock(),
            data=ContextChanged(
                handoff=handoff.id,
                agent=handoff.owner,
                customer_id=customer.id,
                since=handoff.snapshots[-1].position,
                change=change,
            ),
            correlation=handoff.id,
            queues=handoff.queues,
        )
        await publish(self._store, tenant, event)

    async def _detect(self, tenant: str, customer: Customer, view: TouchpointView) -> None:
        """Request a handoff if a policy matches: this customer should not have to start over."""
        mine = [it for it in self._policies if it.tenant == tenant and it.to == view.channel]
        if not mine:
            return
        store, hashes = self._store, self._store.hashes(tenant)
        here = read_conversation_id(hashes, view.conversation_id)
        conversations = await conversations_of(store, tenant, customer)
        chains = await read_chains(store.of(tenant).handoffs, [it.id for it in conversations])
        if here in chains:
            return  # already handed over, or requested
        now = await store.of(tenant).clock()
        for policy in mine:
            found = unresolved(policy, conversations, here, now)
            before = chains.get(found.id) if found else None
            if found is None or (before and before.pending):
                continue
            wanted = HandoffRequest(
                sender=Party(channel=policy.sender, party=(before and before.owner) or "self-service"),
                to=Party(
                    channel=policy.whom.channel or policy.to,
                    queue=policy.whom.queue,
                    agent=policy.whom.agent,
                ),
                reason=policy.name,
                by=f"policy:{policy.name}",
                conversation_id=view.conversation_id,
                previous=found.id,
                deadline_s=policy.whom.deadline_s,
            )
            try:
                await self._handoffs.request(tenant, wanted)
            except Conflict as error:
                log.info("policy_had_no_effect", policy=policy.name, code=error.problem_code)
                continue
            return


def _announces(touchpoint: StoredTouchpoint) -> bool:
    return (touchpoint.announces and not touchpoint.quiet) or touchpoint.type == DISMISSED_TYPE


def _pinned(handoff: Handoff) -> str:
    return format_time(handoff.snapshots[-1].taken_at)
