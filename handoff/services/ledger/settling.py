"""Brings a customer's entries of the ledger up to date with the touchpoints. Repeating it changes nothing.

Entries are read before touchpoints, and committed against the versions that were read: whatever another
worker does in between makes this one start again. A proof that arrives while an entry is opened finds no
entry yet, so an opened entry is looked at once more.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog
from msgspec import Struct, field

from handoff.codec.keyed_hash import TOUCHPOINT, KeyedHash
from handoff.domain.brief import Story
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.clock import Micros
from handoff.domain.errors import HandoffError
from handoff.domain.ledger.entry import (
    COMPLAINT,
    PROMISE,
    EntryState,
    LedgerEntry,
    opened,
    with_complaint,
    with_promise,
)
from handoff.domain.ledger.facts import ComplaintFact, PromiseFact, complaints_of, promises_of
from handoff.domain.ledger.proof import PROOFS, ProofRule
from handoff.services.context.history import read_history
from handoff.services.context.story import story_of
from handoff.services.context.views import ContextSelection
from handoff.services.customers.customer import Customer, by_key
from handoff.store.repositories.control import Change, Changed
from handoff.store.store import Store

from .entries import entries_of, write_entry
from .recording import record_kept

ATTEMPTS = 10  # looks at one customer while others change the same entries

log = structlog.get_logger(__name__)


class LedgerRules(Struct, kw_only=True):
    """How promises are proved, by tenant, and where they need no confirmation. A reload changes it in
    place."""

    by_tenant: dict[str, Mapping[str, ProofRule]] = field(default_factory=dict)
    agents_confirm: frozenset[str] = frozenset()
    """Tenants where what an agent writes counts as promised."""

    def of(self, tenant: str) -> Mapping[str, ProofRule]:
        return self.by_tenant.get(tenant) or PROOFS

    def replace(self, other: LedgerRules) -> None:
        """Use other rules from now on."""
        self.by_tenant, self.agents_confirm = other.by_tenant, other.agents_confirm


class _Look(Struct, kw_only=True):
    """One look at a customer: what is in the ledger, and what should be."""

    before: dict[bytes, LedgerEntry]
    after: dict[bytes, LedgerEntry] = field(default_factory=dict)
    proofs: list[tuple[PromiseFact, TimelineItem]] = field(default_factory=list)

    @property
    def changed(self) -> list[LedgerEntry]:
        return [it for it in self.after.values() if self.before.get(it.id) != it]


async def settle(
    store: Store,
    tenant: str,
    home: bytes,
    rules: LedgerRules,
    *,
    quiet: bool = False,
    known_only: bool = False,
    now: Micros | None = None,
) -> bool:
    """Bring the ledger of the customer with this identity up to date; whether anything changed.

    `quiet`: promises that are overdue already raise no alarm. `known_only`: do nothing for a customer without
    entries that touchpoints may change. `now`: the store's clock, if it was read. Raises NotFound for an
    unknown or erased identity, Restricted for a restricted customer.
    """
    part, changed = store.of(tenant), False
    for _attempt in range(ATTEMPTS):
        customer = await by_key(store, tenant, home)
        homes = list(customer.group.members)
        before = await entries_of(part, homes)
        now = now or await part.clock()
        if known_only and not any((it.watched_until or 0) >= now for it in before.values()):
            return changed
        story = await read_customer_story(store, tenant, customer, now)
        look = _look(store.hashes(tenant), story, before, homes, rules.of(tenant), quiet=quiet)
        if not look.changed:
            return changed
        for fact, proof in look.proofs:
            await record_kept(store, tenant, fact, proof, quiet=quiet)
        change = Change()
        for entry in look.changed:
            after = msgspec.structs.replace(entry, version=entry.version + 1)
            write_entry(part, change, before.get(entry.id), after)
        try:
            await part.commit(change)
        except Changed:
            continue
        changed = True
        if all(it.id in before for it in look.changed):
            return changed
    raise HandoffError("the customer's promises change too fast", code="busy_ledger")


async def read_customer_story(store: Store, tenant: str, customer: Customer, now: Micros) -> Story:
    """The customer's newest touchpoints as the rules read them, with signals and matters."""
    everything = ContextSelection()
    history = await read_history(store, tenant, customer, everything)
    return await story_of(store, history, now, None, (), everything)


def _look(
    hashes: KeyedHash,
    story: Story,
    before: dict[bytes, LedgerEntry],
    homes: list[bytes],
    rules: Mapping[str, ProofRule],
    *,
    quiet: bool,
) -> _Look:
    look = _Look(before=before)
    for fact in promises_of(story, rules):
        home, id_ = hashes.private(TOUCHPOINT, fact.id, 2)
        known = before.get(id_)
        if known is None and (fact.ended == EntryState.DISMISSED or home not in homes):
            continue
        entry = known or opened(_new_promise(fact, (home, id_), homes), story.now, quiet=quiet)
        look.after[id_] = with_promise(entry, fact, story.now)
        if fact.unrecorded is not None and look.after[id_] != known:
            look.proofs.append((fact, fact.unrecorded))
    known_ids = {hashes.public(TOUCHPOINT, it.home, it.id) for it in before.values()}
    for complaint in complaints_of(story, known_ids):
        _add_complaint(look, hashes, complaint, homes)
    for id_, entry in look.after.items():
        if entry.homes != tuple(homes):
            look.after[id_] = msgspec.structs.replace(entry, homes=tuple(homes))
    return look


def _new_promise(fact: PromiseFact, place: tuple[bytes, bytes], homes: list[bytes]) -> LedgerEntry:
    return LedgerEntry(
        id=place[1],
        kind=PROMISE,
        home=place[0],
        homes=tuple(homes),
        state=EntryState.OPEN,
        version=0,
        filed_at=fact.filed_at,
        made_at=fact.made_at,
        renewed_at=fact.renewed_at,
        conversation=fact.conversation,
        channel=fact.channel,
        due=fact.due,
        act=fact.act,
    )


def _add_complaint(look: _Look, hashes: KeyedHash, fact: ComplaintFact, homes: list[bytes]) -> None:
    home, id_ = hashes.private(TOUCHPOINT, fact.id, 2)
    known = look.before.get(id_)
    if known is None and (fact.ended == EntryState.DISMISSED or home not in homes):
        return
    entry = known or LedgerEntry(
        id=id_,
        kind=COMPLAINT,
        home=home,
        homes=tuple(homes),
        state=EntryState.OPEN,
        version=0,
        filed_at=fact.filed_at,
        made_at=fact.since,
        renewed_at=fact.since,
        conversation=fact.conversation,
        channel=fact.channel,
    )
    look.after[id_] = with_complaint(entry, fact)
    for other in fact.others:  # an entry of its own before both were known to be about one matter
        _home, other_id = hashes.private(TOUCHPOINT, other, 2)
        joined = look.before.get(other_id)
        if joined is not None:
            look.after[other_id] = msgspec.structs.replace(joined, state=EntryState.DISMISSED)
