"""Messages by unknown senders about this customer's order or case, shown and marked as claims.

For example, an email from a second address names the same claim number as the customer. The two identities
stay separate until an agent links them, but the next agent must know about the email.
"""

from __future__ import annotations

from collections.abc import Iterable

from handoff.domain.brief import CandidateWords, Story, TimelineItem
from handoff.domain.brief.signals import NamedReference, Speaker
from handoff.domain.brief.signals.references import references_of
from handoff.domain.errors import Unprocessable
from handoff.domain.evidence import Statement
from handoff.domain.identity import Assurance
from handoff.services.customers.customer import Customer
from handoff.services.customers.mentions import mention
from handoff.services.timeline.reading import decode
from handoff.store.reads import Reads
from handoff.store.repositories.components import read_records
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import Window, read_page
from handoff.store.store import Store

from .items import timeline_item

MAX_REFERENCES = 5  # of the customer's live matters, and of their contracts, the newest
MAX_SENDERS = 5  # unknown senders that are read
MAX_TOUCHPOINTS = 20  # of all senders together, the newest


async def candidate_words(
    store: Store, reads: Reads, tenant: str, customer: Customer, story: Story
) -> list[CandidateWords]:
    """Messages by unproved senders that name a reference of a live matter or a number of the customer's
    contracts, oldest first.

    Takes no round trip without references, one if no other sender names them, else three plus `decode`'s.
    """
    hashes = store.hashes(tenant)
    wanted: dict[bytes, str] = {}
    for reference in [*story.references()[:MAX_REFERENCES], *_own_numbers(story)]:
        try:
            wanted[hashes.identity(mention(reference.shown))] = reference.value
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


def _own_numbers(story: Story) -> list[NamedReference]:
    """The newest contract and account numbers that the customer stated while verified."""
    found = {
        it.value: it
        for signal in story.signals.values()
        if signal.speaker is Speaker.CUSTOMER and not signal.claimed
        for it in signal.references
        if it.kind == "separating"
    }
    return list(reversed(found.values()))[:MAX_REFERENCES]


def _unproved(record: IdentityRecord, references: Iterable[bytes], members: set[bytes]) -> bool:
    """Whether an identity only has claims, and no evidence assigns it to someone else."""
    if record.own_assurance is Assurance.VERIFIED:
        return False
    about_people = (it for it in record.evidence if it.statement is not Statement.SEPARATE)
    valid = [it for it in about_people if not it.withdrawn]
    if any(it.statement is not Statement.SAME and it.touches(members) for it in valid):
        return False
    if any(it.assurance is Assurance.VERIFIED and not it.finds for it in valid):
        return False
    return any(it.finds and it.other in references for it in valid)


def _naming(items: Iterable[TimelineItem], values: set[str], story: Story) -> Iterable[CandidateWords]:
    for item in items:
        if item.deleted or item.direction != "inbound" or item.visibility != "public" or not item.text:
            continue
        named = next((one for one in references_of(item, story.rules.packs) if one.value in values), None)
        if named is not None:
            yield CandidateWords(item=item, reference=named.shown)
