"""The current owner of a customer: an agent with an accepted handoff, else the queue of a pending one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from handoff.domain.handoff import Handoff
from handoff.domain.ledger.entry import LedgerEntry
from handoff.services.handoffs.records import read_handoffs
from handoff.store.tenant import TenantStore

NEWEST = 10  # handoffs of each identity; an open one is among the newest


class LedgerOwner(Struct, frozen=True, kw_only=True):
    """The owner of a customer: an agent, or a queue where nobody has accepted yet. All None: nobody."""

    agent: str | None = None
    queue: str | None = None
    handoff: str | None = None

    def matches(self, name: str) -> bool:
        return name in (self.agent, self.queue)


NO_OWNER = LedgerOwner()


def owner_of(handoffs: Iterable[Handoff]) -> tuple[LedgerOwner, tuple[str, ...]]:
    """The owner by the customer's handoffs, and the queues that the owner's handoff has been in."""
    newest = sorted(handoffs, key=lambda it: (it.requested_at, it.id), reverse=True)
    chosen = next((it for it in newest if it.owning), None) or next((it for it in newest if it.pending), None)
    if chosen is None:
        return NO_OWNER, ()
    queue = chosen.to.queue
    agent = chosen.owner if chosen.owning else (None if queue else chosen.to.agent)
    owner = LedgerOwner(agent=agent, queue=None if agent else queue, handoff=chosen.id)
    return owner, tuple(dict.fromkeys(it for it in (queue, *chosen.queues) if it))


async def owners_of(
    part: TenantStore, entries: Sequence[LedgerEntry]
) -> Mapping[bytes, tuple[LedgerOwner, tuple[str, ...]]]:
    """The owner of each entry's customer, by the entry's id, with the queues. Two round trips."""
    homes = list(dict.fromkeys(home for it in entries for home in it.homes))
    if not homes:
        return {}
    ids = dict.fromkeys(await part.handoffs.of_homes(homes, NEWEST))
    by_home: dict[bytes, list[Handoff]] = {}
    for handoff in await read_handoffs(part.handoffs, ids):
        by_home.setdefault(handoff.home, []).append(handoff)
    return {it.id: owner_of(one for home in it.homes for one in by_home.get(home, ())) for it in entries}
