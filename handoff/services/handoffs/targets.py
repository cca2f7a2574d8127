"""The target of a handoff: a conversation, found by identity, by customer or by its id."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import CONVERSATION, SIZE, KeyedHash
from handoff.domain.clock import Micros
from handoff.domain.conversation import Conversation
from handoff.domain.errors import Conflict, NotFound, Restricted
from handoff.domain.evidence import Objections
from handoff.domain.handoff import Handoff
from handoff.domain.identities.sharing import Ownership, by_code, in_code_time
from handoff.domain.identity import STRONG_TYPES, Identity
from handoff.services.context.story import Matters, matters_of
from handoff.services.customers.customer import Customer, by_id, by_key, require_current
from handoff.services.customers.lookup import LookUp, Match, find
from handoff.services.timeline.recording import ensure_identity
from handoff.store.reads import Reads
from handoff.store.repositories.timelines import read_conversation_home
from handoff.store.store import Store

from .records import read_of_homes


class TargetSelector(Struct, frozen=True, kw_only=True):
    """Selects a target by exactly one of the three, and by the channel that it is handed over from."""

    identity: Identity | None = None
    customer_id: str | None = None
    conversation_id: str | None = None
    channel: str | None = None


class Target(Struct, frozen=True, kw_only=True):
    """A conversation, with its home and its customer. `look_up` is that of a shared identity."""

    home: bytes
    conversation: bytes
    identity: Identity
    customer: Customer | None
    look_up: LookUp | None = None


async def find_target(store: Store, tenant: str, wanted: TargetSelector) -> Target:
    """The conversation that a selector selects. Raises NotFound, or Conflict for an ambiguous identity.

    A conversation that continues another customer's by a code is handed over as that customer's.
    """
    return await _as_continued(store, tenant, await _find_target(store, tenant, wanted))


async def _find_target(store: Store, tenant: str, wanted: TargetSelector) -> Target:
    hashes = store.hashes(tenant)
    if wanted.conversation_id is not None:
        return await _target_conversation(store, tenant, wanted.conversation_id)
    if wanted.customer_id is not None:
        customer = await by_id(store, tenant, wanted.customer_id)
        require_current(customer, wanted.customer_id)
        return await _choose(store, tenant, customer, wanted)
    assert wanted.identity is not None
    look_up = await find(store, tenant, [wanted.identity])
    if look_up.shared is not None:
        target = await _choose(store, tenant, look_up.shared, wanted)
        return msgspec.structs.replace(target, look_up=look_up)
    if look_up.match is Match.SEVERAL:
        raise Conflict(
            "several customers have this identity",
            code="ambiguous_identity",
            candidates=[it.id for it in look_up.candidates],
            question=look_up.question,
        )
    if look_up.customer is None:
        home = await ensure_identity(store, tenant, wanted.identity)
        channel = wanted.channel or "web"
        conversation = home + hashes.episode(home, channel)
        return Target(home=home, conversation=conversation, identity=wanted.identity, customer=None)
    return await _choose(store, tenant, look_up.customer, wanted)


async def _as_continued(store: Store, tenant: str, target: Target) -> Target:
    """The target with the customer whose conversation it continues. No round trip without a code."""
    customer = target.customer
    if customer is None:
        return target
    if not any(map(by_code, customer.component.evidence)):
        return target
    now = await store.of(tenant).clock()
    owner = continued_by_code(customer, target.home, target.conversation, now)
    if owner is None or owner in customer.group.members:
        return target
    try:
        known = await by_key(store, tenant, owner)
    except (NotFound, Restricted):
        return target
    record = next((it for it in known.members if it.key == owner), known.members[0])
    return Target(home=record.key, conversation=target.conversation, identity=record.identity, customer=known)


def continued_by_code(customer: Customer, home: bytes, conversation: bytes, now: Micros) -> bytes | None:
    """A key of the person to whom a continuity code gave a conversation on one of a customer's identities."""
    evidence = customer.component.evidence
    pieces = [it for it in evidence if it.one == home and it.conversation == conversation and by_code(it)]
    if not pieces:
        return None
    newest = max(pieces, key=lambda it: (it.recorded_at, it.id))
    if not in_code_time(newest.recorded_at, now):
        return None
    return None if Objections(evidence).between([home], [newest.other]) else newest.other


async def _target_conversation(store: Store, tenant: str, conversation_id: str) -> Target:
    hashes = store.hashes(tenant)
    conversation = read_conversation_id(hashes, conversation_id)
    home = await home_of(store, conversation)
    customer = await by_key(store, tenant, home)
    record = next((it for it in customer.members if it.key == home), customer.members[0])
    target = Target(home=home, conversation=conversation, identity=record.identity, customer=customer)
    return await _or_twin(store, tenant, target, customer, None)


def read_conversation_id(hashes: KeyedHash, conversation_id: str) -> bytes:
    """The hash (16 bytes), or home and episode (32 bytes), behind a public id. Raises NotFound otherwise."""
    for count in (1, 2):
        try:
            return b"".join(hashes.private(CONVERSATION, conversation_id, count))
        except NotFound:
            continue
    raise NotFound("there is no such conversation")


async def home_of(store: Store, conversation: bytes) -> bytes:
    """The home of the first touchpoint in a conversation; one round trip for a thread."""
    if len(conversation) == 2 * SIZE:
        return conversation[:SIZE]
    home = await read_conversation_home(store.connection, store.keys, conversation)
    if home is None:
        raise NotFound("there is no such conversation")
    return home


async def _choose(store: Store, tenant: str, customer: Customer, wanted: TargetSelector) -> Target:
    """Choose the customer's conversation.

    In this order: the open one in which the customer last asked (`Conversation.rank`), one that a handoff
    opened, a new one. A conversation to which only our side contributed is none of the customer's.
    """
    hashes, channel = store.hashes(tenant), wanted.channel
    matters = await matters_of(store, tenant, customer)
    known = {record.key: record.identity for record in customer.members}
    for chosen in await _ranked(store, tenant, matters, wanted):
        home = await _home_in(store, chosen, customer, matters)
        if home is not None:
            target = Target(home=home, conversation=chosen.id, identity=known[home], customer=customer)
            return await _or_twin(store, tenant, target, customer, matters)
    under_way = await _opened_by_handoff(store, tenant, customer, matters.conversations)
    if under_way is not None:
        return Target(
            home=under_way.home,
            conversation=under_way.conversation,
            identity=known[under_way.home],
            customer=customer,
        )
    record = customer.members[0]
    ends = [place for place, name in record.episodes if name == (channel or "web")]
    episode = hashes.episode(record.key, channel or "web", ends[-1][SIZE:] if ends else b"")
    return Target(
        home=record.key, conversation=record.key + episode, identity=record.identity, customer=customer
    )


async def _or_twin(
    store: Store, tenant: str, target: Target, customer: Customer, matters: Matters | None
) -> Target:
    """The target; or a conversation that shows an act of it, and that is under way already.

    One mail in two conversations is one matter: nobody hands it over twice.
    """
    if matters is not None and sum(it.open for it in matters.conversations) < 2:
        return target
    handoffs = await read_of_homes(store.of(tenant).handoffs, [it.key for it in customer.members])
    live = [it for it in handoffs if it.pending or it.owning]
    if not live or any(it.conversation == target.conversation for it in live):
        return target
    matters = matters or await matters_of(store, tenant, customer)
    twins = await matters.twins(target.conversation, await store.of(tenant).clock())
    known = {record.key: record.identity for record in customer.members}
    found = next((it for it in live if it.conversation in twins and it.home in known), None)
    if found is None:
        return target
    return Target(
        home=found.home, conversation=found.conversation, identity=known[found.home], customer=customer
    )


async def _ranked(store: Store, tenant: str, matters: Matters, wanted: TargetSelector) -> list[Conversation]:
    """The customer's open conversations, the one to hand over first."""
    found = [it for it in matters.conversations if it.open and it.last_inbound_at is not None]
    if not found or (len(found) == 1 and "form.submitted" not in found[0].types):
        return found
    asked, waiting = await matters.asking(await store.of(tenant).clock())
    own: set[bytes] = set()
    if wanted.identity is not None and wanted.identity.type not in STRONG_TYPES:
        own = await matters.of_handle(wanted.identity)
    unanswered = {"form.submitted", "identified"}  # alone they ask nothing: a newsletter's form
    found = [it for it in found if it.id in asked or it.types - unanswered or it.last_asked_at is None]
    return sorted(
        found,
        key=lambda it: it.rank(
            asks=it.id in asked, channel=wanted.channel, own=it.id in own, waits=it.id in waiting
        ),
        reverse=True,
    )


async def _opened_by_handoff(
    store: Store, tenant: str, customer: Customer, conversations: Sequence[Conversation]
) -> Handoff | None:
    """The newest pending or owned handoff of a conversation without touchpoints.

    That handoff opened the conversation. A further request, even from another channel, is for the same one.
    """
    known = {it.id for it in conversations}
    found = await read_of_homes(store.of(tenant).handoffs, [it.key for it in customer.members])
    return next((it for it in found if (it.pending or it.owning) and it.conversation not in known), None)


async def _home_in(
    store: Store, conversation: Conversation, customer: Customer, matters: Matters
) -> bytes | None:
    """The customer's identity under which a conversation is handed over, None if it is not their own.

    A stranger's mail may name any thread. A conversation assigned to the customer is their own.
    """
    members = customer.group.members
    if conversation.home in members and await home_of(store, conversation.id) in members:
        return conversation.home
    return members[0] if matters.is_given(conversation) else None


async def customer_of(
    store: Store, tenant: str, home: bytes, conversation: bytes, reads: Reads | None = None
) -> Customer:
    """The customer of a conversation: of its home, or of the person to whom an agent assigned it if several
    people share the home. Raises NotFound if the home was erased."""
    customer = await by_key(store, tenant, home, reads)
    if customer.group.shared:
        piece = Ownership(home, customer.component.evidence).assignment_of_conversation(conversation)
        if piece is not None:
            return await by_key(store, tenant, piece.other, reads)
    return customer


async def target_of(store: Store, tenant: str, handoff: Handoff) -> Target:
    """The target of an existing handoff."""
    try:
        customer = await customer_of(store, tenant, handoff.home, handoff.conversation)
    except (NotFound, Restricted):  # the party that takes over gets no history
        customer = None
    identity = customer.members[0].identity if customer else Identity("reference", "", handoff.id)
    return Target(home=handoff.home, conversation=handoff.conversation, identity=identity, customer=customer)
