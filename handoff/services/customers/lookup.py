"""Customer lookup: find the customer with the given identities, or the candidates if they are ambiguous."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, EVIDENCE, KeyedHash
from handoff.domain.evidence import Evidence, Objections, Resolution
from handoff.domain.identity import ANONYMOUS, REFERENCE, Assurance, Identity
from handoff.store.reads import Reads
from handoff.store.repositories.components import Component, EvidenceReader, walk
from handoff.store.repositories.identities import EntryKind, IdentityRecord
from handoff.store.store import Store

from .customer import (
    MAX_CANDIDATES,
    Customer,
    LinkCandidate,
    assurance_of,
    is_link,
    rank,
    read_customer,
    refuse_restricted,
    resolve_component,
)
from .spellings import respelt

MAX_LINKED = 500  # identities linked with a shared identity or a reference that are read to rank them


class Match(StrEnum):
    """The result of a lookup."""

    ONE = "one"
    SEVERAL = "several"
    NONE = "none"


class LookUp(Struct, frozen=True, kw_only=True):
    """The result of a lookup: a `customer` if one matches, or `candidates` if several do.

    `left_out` is the number of candidates that are not named.
    """

    match: Match
    assurance: Assurance | None = None
    customer: Customer | None = None
    candidates: tuple[LinkCandidate, ...] = ()
    question: str | None = None
    requested_id: str | None = None
    left_out: int = 0
    shared: Customer | None = None
    """The requested identity itself, if several people share it: what happened on it can be read."""
    asked: tuple[bytes, ...] = ()
    """The hashes of the requested identities, unless the match is `one`."""


class _Choice(Struct, frozen=True, kw_only=True):
    """The customers (by root) that an identity may belong to, each with its assurance.

    `decides` is False for an identity that several people share, and for a reference.
    """

    key: bytes
    roots: dict[bytes, Assurance]
    decides: bool
    left_out: int = 0


async def find(
    store: Store,
    tenant: str,
    identities: Sequence[Identity],
    min_assurance: Assurance = Assurance.INFERRED,
    reads: Reads | None = None,
) -> LookUp:
    """Find the customer with these identities. Several identities narrow down an ambiguous one.

    Links below `min_assurance` count as unknown. Errors and round trips as for `by_key`, four more if shared.
    """
    hashes = store.hashes(tenant)
    keys = [hashes.identity(it) for it in identities if not store.rules.is_placeholder(it)]
    reading, spellings = store.of(tenant).people.reader(reads), respelt(hashes, identities)
    component = await walk(reading, dict.fromkeys((*keys, *spellings)))
    resolution = resolve_component(store, component)
    guessed = [it for it, key in spellings.items() if key not in component.reached]
    known = [key for key in dict.fromkeys((*keys, *guessed)) if key in component.reached]
    loose = {
        key: await _linked(reading, key)
        for key in known
        if key in resolution.shared or component.reached[key].identity.type == REFERENCE
    }
    if loose:
        ends = [end for linked in loose.values() for end, _it in linked.likeliest]
        component = await walk(reading, dict.fromkeys((*known, *ends)))
        resolution = resolve_component(store, component)
    choices = [_choice(component, resolution, key, loose.get(key)) for key in known]
    choices = [_inferred(it) if it.key in guessed else it for it in choices]
    best = max((it for choice in choices for it in choice.roots.values()), key=rank, default=None)
    choices = [sure for choice in choices if (sure := _sure(choice, min_assurance)).roots]
    if not choices:
        return LookUp(match=Match.NONE, assurance=best, asked=tuple(keys))
    roots = _narrowed(component, resolution, choices)
    alone = len(choices) == 1 and not choices[0].decides and choices[0].key in resolution.shared
    if len(roots) == 1 and not (alone and choices[0].key not in roots):
        customer = refuse_restricted(await read_customer(store, tenant, reading, next(iter(roots))))
        return LookUp(match=Match.ONE, assurance=_assurance(choices, customer.group.root), customer=customer)
    candidates = _ranked(hashes, component, resolution, choices, roots)
    given = [it for it in known if it in resolution.shared]
    left_out = max(0, len(candidates) - MAX_CANDIDATES) + sum(it.left_out for it in choices)
    return LookUp(
        match=Match.SEVERAL,
        assurance=max((it.assurance for it in candidates), key=rank),
        candidates=tuple(candidates[:MAX_CANDIDATES]),
        question=_question(identities, [component.records[it].identity for it in given]),
        shared=_shared(hashes, component, resolution, given, left_out) if given else None,
        left_out=left_out,
        asked=tuple(keys),
    )


class _Linked(Struct, frozen=True):
    """The identities that an identity is linked with, the likeliest first, and the number of others."""

    likeliest: list[tuple[bytes, Evidence]]
    left_out: int


def _other_end(piece: Evidence, key: bytes) -> bytes:
    return piece.other if piece.one == key else piece.one


async def _linked(reading: EvidenceReader, key: bytes) -> _Linked:
    """The identities linked with a shared identity or a reference; one or two round trips.

    The likeliest come first: by assurance, then by their last touchpoint.
    """
    record = reading.records[key]
    ends = [it.other for it in record.evidence if is_link(it)]
    ends += [it.home for it in sorted(record.pointers, key=lambda it: (it.kind is EntryKind.CLAIM, it.id))]
    ends = list(dict.fromkeys(ends))
    await reading.read(ends[:MAX_LINKED])
    component = await walk(reading, [key])  # includes withdrawals; no further round trip
    objections = Objections(component.evidence)
    best: dict[bytes, Evidence] = {}
    for piece in component.evidence:
        if key in piece.pair and is_link(piece):
            end = _other_end(piece, key)
            known = best.get(end)
            if end in reading.records and end not in objections.of(key):
                best[end] = max(known, piece, key=lambda it: rank(it.assurance)) if known else piece
    found = sorted(
        best.items(),
        key=lambda entry: (rank(entry[1].assurance), reading.records[entry[0]].last_arrival),
        reverse=True,
    )
    unread = max(0, len(ends) - MAX_LINKED)
    return _Linked(found[:MAX_CANDIDATES], max(0, len(found) - MAX_CANDIDATES) + unread)


def _choice(
    component: Component,
    resolution: Resolution,
    key: bytes,
    linked: _Linked | None,
) -> _Choice:
    """The identity's own customer or, for one that joins no customers, those it is linked with."""
    roots: dict[bytes, Assurance] = {}
    for end, piece in linked.likeliest if linked else ():
        root = resolution.group_of(end).root
        roots[root] = max(roots.get(root, Assurance.INFERRED), piece.assurance, key=rank)
    if linked and roots:
        return _Choice(key=key, roots=roots, decides=False, left_out=linked.left_out)
    own = assurance_of(component.reached[key], component.evidence)
    return _Choice(key=key, roots={resolution.group_of(key).root: own}, decides=linked is None)


def _inferred(choice: _Choice) -> _Choice:
    """The choice by a number that was not given: the one given may be another spelling of it."""
    return _Choice(
        key=choice.key,
        roots=dict.fromkeys(choice.roots, Assurance.INFERRED),
        decides=choice.decides,
        left_out=choice.left_out,
    )


def _sure(choice: _Choice, min_assurance: Assurance) -> _Choice:
    kept = {root: it for root, it in choice.roots.items() if rank(it) >= rank(min_assurance)}
    return _Choice(key=choice.key, roots=kept, decides=choice.decides, left_out=choice.left_out)


def _narrowed(component: Component, resolution: Resolution, choices: Sequence[_Choice]) -> set[bytes]:
    """The customers that all identities allow.

    If the identities contradict each other: all their customers, except those without any touchpoints (an
    address that somebody only mentioned).
    """
    narrowed = set.intersection(*(set(choice.roots) for choice in choices))
    if narrowed:
        return narrowed
    every = set.union(*(set(choice.roots) for choice in choices))
    heard = {root for root in every if _touchpoints(component, resolution, root)}
    return heard or every


def _touchpoints(component: Component, resolution: Resolution, root: bytes) -> int:
    return sum(component.records[key].touchpoints for key in resolution.group_of(root).members)


def _assurance(choices: Sequence[_Choice], root: bytes) -> Assurance:
    """The assurance of the match: of the best deciding identity, or of the weakest that narrowed it down."""
    deciding = [choice.roots[root] for choice in choices if choice.decides and root in choice.roots]
    if deciding:
        return max(deciding, key=rank)
    return min((choice.roots[root] for choice in choices if root in choice.roots), key=rank)


def _ranked(
    hashes: KeyedHash,
    component: Component,
    resolution: Resolution,
    choices: Sequence[_Choice],
    roots: Collection[bytes],
) -> list[LinkCandidate]:
    """The candidates, the likeliest first: by assurance of the link, then by the newest touchpoint."""
    ranked: list[tuple[int, int, LinkCandidate]] = []
    records = component.records
    for root in roots:
        members = resolution.group_of(root).members
        given = [choice for choice in choices if root in choice.roots]
        best = max((choice.roots[root] for choice in given), key=rank)
        links = [
            it
            for it in component.evidence
            if is_link(it)
            and any(choice.key in it.pair and _other_end(it, choice.key) in members for choice in given)
        ]
        candidate = LinkCandidate(
            id=hashes.public(CUSTOMER, root),
            identity=records[root].identity,
            reason=_reason(links, [records[choice.key] for choice in given]),
            assurance=best,
            touchpoints=_touchpoints(component, resolution, root),
            links=tuple(hashes.public(EVIDENCE, it.one, it.id) for it in links),
        )
        ranked.append((rank(best), max(records[key].last_arrival for key in members), candidate))
    ranked.sort(key=lambda entry: (-entry[0], -entry[1], entry[2].id))
    return [candidate for _rank_, _newest, candidate in ranked]


def _reason(links: Sequence[Evidence], given: Sequence[IdentityRecord]) -> str:
    if not links:
        return "one of the given identities is theirs"
    types = sorted({it.identity.type for it in given})
    sources = sorted({it.source for it in links})
    return f"{' and '.join(types)} stated by {', '.join(sources)}"


def _shared(
    hashes: KeyedHash,
    component: Component,
    resolution: Resolution,
    given: Sequence[bytes],
    left_out: int,
) -> Customer:
    """The shared identities of a look-up as one customer, whose timeline is what happened on them."""
    group = msgspec.structs.replace(resolution.group_of(given[0]), members=tuple(given))
    return Customer(
        id=hashes.public(CUSTOMER, given[0]),
        group=group,
        component=component,
        resolution=resolution,
        claims_left_out=left_out,
    )


async def look_up_of(store: Store, tenant: str, customer: Customer, reads: Reads | None = None) -> LookUp:
    """The look-up of a known customer; that of the identity itself if it is one that several people share."""
    if customer.group.shared:
        found = await find(store, tenant, [it.identity for it in customer.members], reads=reads)
        if found.shared is not None:
            return msgspec.structs.replace(found, requested_id=customer.id)
    return LookUp(match=Match.ONE, customer=customer, requested_id=customer.id)


def _question(identities: Sequence[Identity], shared: Sequence[Identity]) -> str:
    """A question for the customer whose answer identifies them."""
    given = {it.type for it in identities}
    if "user" in given:
        return "Which email address or order number did you use last?"
    asked = "Which customer number or login do you use with us?"
    if ANONYMOUS in {it.type for it in shared}:
        return f"Several people use this device. {asked}"
    return asked
