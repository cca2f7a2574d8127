"""Words of unknown senders about this customer's order or case: shown, and marked as a claim.

A mail from a second address names the claim number that the customer named too. The two stay apart until an
agent links them, but the next agent must know of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from handoff.domain.brief import CandidateWords, Story, TimelineItem
from handoff.domain.brief.signals.references import references_of
from handoff.domain.errors import Unprocessable
from handoff.domain.evidence import Statement
from handoff.domain.identity import Assurance
from handoff.services.customers.customer import Customer
from handoff.services.timeline.mentions import mention
from handoff.services.timeline.reading import decode
from handoff.store.reads import Reads
from handoff.store.repositories.components import read_records
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import Window, read_page
from handoff.store.store import Store

from .items import timeline_item

MAX_REFERENCES = 5  # of the customer's live matters, the newest
MAX_SENDERS = 5  # unknown senders that are looked at
MAX_TOUCHPOINTS = 20  # of all of them together, the newest


async def candidate_words(
    store: Store, reads: Reads, tenant: str, customer: Customer, story: Story
) -> list[CandidateWords]:
    """Messages of unproved senders that name a reference of a live matter, oldest first.

    No round trip without references, one where nobody else names them, three and those of `decode` else.
    """
    hashes = store.hashes(tenant)
    wanted: dict[bytes, str] = {}
    for it in story.references()[:MAX_REFERENCES]:
        try:
            wanted[hashes.identity(mention(it.shown))] = it.value
        except Unprocessable:
            continue
    known = await read_records(reads, store.keys, wanted)
    members = {it.key for it in customer.members}
    homes = [it.home for record in known.values() for it in record.pointers if it.home not in members]
    records = await read_records(reads, store.keys, list(dict.fromkeys(homes))[:MAX_SENDERS])
    senders = {key: record for key, record in records.items() if _unproved(record, wanted, members)}
    if not senders:
        return []
    page = await read_page(store.connection, store.keys, list(senders), Window(limit=MAX_TOUCHPOINTS))
    decoded = await decode(store, hashes, senders, page.members)
    items = [timeline_item(decoded.rendering, it) for it in reversed(decoded.entries) if not it.is_reference]
    return list(_naming(items, set(wanted.values()), story))


def _unproved(record: IdentityRecord, references: Iterable[bytes], members: set[bytes]) -> bool:
    """Whether an identity only claims things, and no statement gives it to somebody else."""
    if record.own_assurance is Assurance.VERIFIED:
        return False
    standing = [it for it in record.evidence if not it.withdrawn]
    if any(it.statement is not Statement.SAME and it.touches(members) for it in standing):
        return False
    if any(it.assurance is Assurance.VERIFIED and not it.finds for it in standing):
        return False
    return any(it.finds and it.other in references for it in standing)


def _naming(items: Iterable[TimelineItem], values: set[str], story: Story) -> Iterable[CandidateWords]:
    for it in items:
        if it.deleted or it.direction != "inbound" or it.visibility != "public" or not it.text:
            continue
        named = next((one for one in references_of(it, story.rules.packs) if one.value in values), None)
        if named is not None:
            yield CandidateWords(item=it, reference=named.shown)
