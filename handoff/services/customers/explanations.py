"""Candidates of a customer, each with the reasons in words: what an agent asks before confirming one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import UNSET, Struct, UnsetType

from handoff.codec.keyed_hash import CUSTOMER, EVIDENCE, KeyedHash
from handoff.codec.member import channel_name
from handoff.domain.clock import format_time
from handoff.domain.evidence import Evidence, Objections
from handoff.domain.identities.likeness import is_likeness
from handoff.domain.identity import Assurance
from handoff.store.repositories.components import walk
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store

from .customer import MAX_CANDIDATES, Customer, LinkCandidate, candidates_of, resolve_component
from .spellings import is_spelling, spelling_evidence


class CandidateReason(Struct, frozen=True, kw_only=True):
    """One reason why a candidate may be the customer.

    `kind` is `claimed`, `same_number`, or `same_name_and_address`; `text` is the English wording.
    Withdraw `link` to refuse the reason.
    """

    kind: str
    text: str
    link: str | UnsetType = UNSET
    channel: str | UnsetType = UNSET
    at: str | UnsetType = UNSET


class ExplainedCandidate(Struct, frozen=True, kw_only=True):
    """A customer who may be the same person. Link `identity` to confirm, first with `dry_run`."""

    customer_id: str
    identity: str
    assurance: str
    touchpoints: int
    reasons: list[CandidateReason]


async def explain_candidates(
    store: Store, tenant: str, customer: Customer
) -> tuple[list[ExplainedCandidate], int]:
    """The candidates of a customer, the surest first, and the number of claims that were not read.

    Takes two round trips for claims, two or more for look-alikes.
    """
    hashes = store.hashes(tenant)
    found = candidates_of(store, tenant, customer)
    spellings = spelling_evidence(hashes, customer.component, customer.group.members)
    stated = (*customer.component.evidence, *spellings)
    pieces = {hashes.public(EVIDENCE, it.one, it.id): it for it in stated}
    channels = await _channels(store, [pieces[link] for it in found for link in it.links])
    explained = {it.id: _explained(customer, it, pieces, channels) for it in found}
    for candidate, reason in await _look_alikes(store, tenant, customer):
        known = explained.setdefault(candidate.customer_id, candidate)
        known.reasons.append(reason)
    return list(explained.values())[:MAX_CANDIDATES], customer.claims_left_out


async def _channels(store: Store, pieces: Iterable[Evidence]) -> dict[bytes, str]:
    """The channel of the touchpoint behind each piece, by the piece's id."""
    known = [(it, it.touchpoint) for it in pieces if it.touchpoint]
    if not known:
        return {}
    members = await read_places(store.connection, store.keys, [(it.one, id_) for it, id_ in known])
    return {
        it.id: channel_name(member, member.body())
        for (it, _id), member in zip(known, members, strict=True)
        if member is not None
    }


def _explained(
    customer: Customer,
    candidate: LinkCandidate,
    pieces: Mapping[str, Evidence],
    channels: Mapping[bytes, str],
) -> ExplainedCandidate:
    reasons = [_reason(customer, pieces[link], link, channels) for link in candidate.links]
    return ExplainedCandidate(
        customer_id=candidate.id,
        identity=str(candidate.identity),
        assurance=candidate.assurance,
        touchpoints=candidate.touchpoints,
        reasons=reasons,
    )


def _reason(customer: Customer, piece: Evidence, link: str, channels: Mapping[bytes, str]) -> CandidateReason:
    records = customer.component.records
    if is_spelling(piece):
        theirs, ours = sorted(piece.pair, key=customer.group.members.__contains__)
        text = f"{records[theirs].identity.value} may be {records[ours].identity.value} in another notation"
        return CandidateReason(kind="same_number", text=text, link=link)
    one, other = (str(records[key].identity) for key in (piece.one, piece.other))
    channel = channels.get(piece.id)
    where = f"in {channel}" if channel else f"by {piece.source}"
    how = "Claimed" if piece.assurance is Assurance.CLAIMED else "Guessed"
    at = format_time(piece.recorded_at)
    return CandidateReason(
        kind="claimed",
        text=f"{how} {where} on {at[:10]}, not verified: {one} is the person with {other}",
        link=link,
        channel=channel or UNSET,
        at=at,
    )


async def _look_alikes(
    store: Store, tenant: str, customer: Customer
) -> list[tuple[ExplainedCandidate, CandidateReason]]:
    """The customers with the same name and postal address as this one."""
    hashes, members = store.hashes(tenant), set(customer.group.members)
    stated = {
        it.other: it
        for it in customer.component.evidence
        if it.finds and not it.withdrawn and it.one in members
    }
    if not stated:
        return []
    reading = store.of(tenant).people.reader()
    await reading.read(stated)
    likenesses = [it for it in stated if it in reading.records and is_likeness(reading.records[it].identity)]
    ends = {end.home: key for key in likenesses for end in reading.records[key].pointers}
    others = [it for it in ends if it not in members][:MAX_CANDIDATES]
    component = await walk(reading, [customer.group.root, *others])
    resolution, objections = resolve_component(store, component), Objections(component.evidence)
    valid = {(it.one, it.other) for it in component.evidence if it.finds and not it.withdrawn}
    found = []
    for end in others:
        likeness = ends[end]
        if end not in component.reached or end in resolution.shared or (end, likeness) not in valid:
            continue
        group = resolution.group_of(end)
        if group.root in members or objections.between(members, group.members):
            continue
        candidate = ExplainedCandidate(
            customer_id=hashes.public(CUSTOMER, group.root),
            identity=str(component.records[group.root].identity),
            assurance=Assurance.INFERRED,
            touchpoints=sum(component.records[it].touchpoints for it in group.members),
            reasons=[],
        )
        found.append((candidate, _alike(hashes, stated[likeness], reading.records[likeness].identity.value)))
    return found


def _alike(hashes: KeyedHash, piece: Evidence, shown: str) -> CandidateReason:
    return CandidateReason(
        kind="same_name_and_address",
        text=f"Same name and address: {shown}",
        link=hashes.public(EVIDENCE, piece.one, piece.id),
        at=format_time(piece.recorded_at),
    )
