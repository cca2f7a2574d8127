"""What follows from a touchpoint that was stored: references, hand-offs by policy, news for owners.

Driven by the outbox, so that nothing is lost and everything may come twice: each step is idempotent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog
from msgspec import Struct

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.clock import format_time
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.handoff import Handoff, Party
from handoff.domain.policies import Policy, unresolved
from handoff.services.context.assembly import conversations_of
from handoff.services.context.completeness import Monitor
from handoff.services.customers.lookup import Customer, by_key
from handoff.services.handoffs.announcements import Announce
from handoff.services.handoffs.lifecycle import HandoffRequest, request
from handoff.services.handoffs.records import read_chains, read_of_homes
from handoff.services.handoffs.targets import read_conversation_id
from handoff.services.timeline.participation import refer
from handoff.services.timeline.reading import read_touchpoint
from handoff.services.timeline.views import TouchpointView
from handoff.store.repositories.control import count_lists
from handoff.store.store import Store

from .payloads import ChangeKind, ContextChange, ContextChanged
from .publishing import Event, publish

OURS = ("handoff.", "context.", "callback.due")
"""Our own bookkeeping: nothing follows from it."""
_LINKING: dict[str, ChangeKind] = {"identity.linked": "linked", "identity.unlinked": "unlinked"}

log = structlog.get_logger(__name__)


class StoredTouchpoint(Struct, frozen=True, kw_only=True):
    """A touchpoint as the outbox names it."""

    tenant: str
    home: bytes
    id: bytes
    type: str
    participants: bool
    quiet: bool = False


class Followers:
    """All that follows. `announce` makes known the hand-offs that policies ask for."""

    def __init__(
        self, store: Store, monitor: Monitor, policies: Sequence[Policy], announce: Announce
    ) -> None:
        self._store = store
        self._monitor = monitor
        self._policies = [it for it in policies if it.when.transfers is None]
        self._announce = announce
        self._owning: dict[str, bool] = {}

    async def look(self, tenants: Iterable[str]) -> None:
        """See in which tenants anybody owns anything, after entries were read and before they are
        followed, so that no acceptance that came before a touchpoint is missed; one round trip."""
        names = list(tenants)
        keys = [self._store.control(it).keys.set("state:accepted") for it in names]
        sizes = await count_lists(self._store.connection, keys)
        self._owning |= {it: size != 0 for it, size in zip(names, sizes, strict=True)}

    def concerns(self, it: StoredTouchpoint) -> bool:
        """Whether anything may follow from a touchpoint, as of the last `look`; asks nobody."""
        if it.participants:
            return True
        if it.quiet or it.type.startswith(OURS):
            return False
        return self.follow_all(it.tenant)

    def follow_all(self, tenant: str) -> bool:
        """Whether something may follow from any touchpoint of a tenant, as of the last `look`."""
        return self._owning.get(tenant, True) or any(it.tenant == tenant for it in self._policies)

    async def follow(self, it: StoredTouchpoint) -> None:
        """Everything that follows from one touchpoint. Fails only where it should be tried again."""
        if it.participants:
            await refer(self._store, it.tenant, it.home, it.id)
        if it.quiet or it.type.startswith(OURS):
            return
        detecting = any(policy.tenant == it.tenant for policy in self._policies)
        if not detecting and not self._owning.get(it.tenant, True):
            return
        hashes = self._store.hashes(it.tenant)
        try:
            view = await read_touchpoint(self._store, it.tenant, hashes.public(TOUCHPOINT, it.home, it.id))
            customer = await by_key(self._store, it.tenant, it.home)
        except NotFound:  # retention or erasure was faster
            return
        await self._tell_owners(it.tenant, customer, view)
        if detecting and view.direction == "inbound" and not view.late:
            await self._detect(it.tenant, customer, view)

    async def _tell_owners(self, tenant: str, customer: Customer, view: TouchpointView) -> None:
        """`context.changed` for whoever owns a conversation of the customer."""
        late = view.late
        if not (late or view.direction == "inbound" or view.type.startswith("identity.")):
            return  # what we ourselves said is no news to us
        homes = [it.key for it in customer.members]
        for handoff in await read_of_homes(self._store.control(tenant), homes):
            if handoff.owning and handoff.snapshots and view.recorded_at > _pinned(handoff):
                await self._publish_change(tenant, customer, handoff, view)

    async def _publish_change(
        self, tenant: str, customer: Customer, handoff: Handoff, view: TouchpointView
    ) -> None:
        change = ContextChange(
            kind=_LINKING.get(view.type) or ("late" if view.late else "new"),
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
            at=await self._store.control(tenant).clock(),
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
        """Hand over where a policy says that this customer should not have to begin anew."""
        mine = [it for it in self._policies if it.tenant == tenant and it.to == view.channel]
        if not mine:
            return
        store, hashes = self._store, self._store.hashes(tenant)
        here = read_conversation_id(hashes, view.conversation_id)
        conversations = await conversations_of(store, tenant, customer)
        chains = await read_chains(store.control(tenant), [it.id for it in conversations])
        if here in chains:
            return  # handed over already, or on its way
        now = await store.control(tenant).clock()
        for policy in mine:
            found = unresolved(policy, conversations, here, now)
            before = chains.get(found.id) if found else None
            if found is None or (before and before.pending):
                continue
            asked = HandoffRequest(
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
                moved = await request(store, self._monitor, tenant, asked)
            except Conflict as error:
                log.info("policy_had_no_effect", policy=policy.name, code=error.problem_code)
                continue
            await self._announce(moved.changed)
            return


def _pinned(handoff: Handoff) -> str:
    return format_time(handoff.snapshots[-1].taken_at)
