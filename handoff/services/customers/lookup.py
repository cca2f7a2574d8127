"""Who a customer is: a view on the evidence around the identities that were asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

import structlog
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, EVIDENCE, KeyedHash
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.evidence import Evidence, Group, Objections, Resolution, Statement, resolve
from handoff.domain.identity import ASSURANCE_RANK, REFERENCE, Assurance, Identity
from handoff.store.repositories.components import Component, EvidenceReader, walk
from handoff.store.repositories.identities import EntryKind, IdentityRecord
from handoff.store.resp.connection import Reads
from handoff.store.store import Store

MAX_CANDIDATES = 50  # customers named as candidates: more of them nobody reads
MAX_LINKED = 500  # people behind a shared identity or a reference that are read to rank them

log = structlog.get_logger(__name__)


class Match(StrEnum):
    """How a look-up ended."""

    ONE = "one"
    SEVERAL = "several"
    NONE = "none"


class Customer(Struct, frozen=True, kw_only=True):
    """One customer as of a look-up: its group of identities and all that was read around it.

    `claims_left_out`: so many identities that are claimed to be theirs were not looked at.
    """

    id: str
    group: Group
    component: Component
    resolution: Resolution
    claims_left_out: int = 0

    @property
    def members(self) -> list[IdentityRecord]:
        known = self.component.records
        return [known[key] for key in self.group.members]

    def evidence(self) -> list[Evidence]:
        """All evidence that touches one of its identities, standing or withdrawn."""
        members = set(self.group.members)
        return [it for it in self.component.evidence if it.touches(members)]


class Candidate(Struct, frozen=True, kw_only=True):
    """Somebody who may be the one: never shown as the customer's own before it is confirmed."""

    id: str
    identity: Identity
    reason: str
    assurance: Assurance
    touchpoints: int
    links: tuple[str, ...]


class LookUp(Struct, frozen=True, kw_only=True):
    """The answer to a look-up. `customer` when the match is one; `candidates` when it is several,
    `left_out` of them not named."""

    match: Match
    assurance: Assurance | None = None
    customer: Customer | None = None
    candidates: tuple[Candidate, ...] = ()
    question: str | None = None
    requested_id: str | None = None
    left_out: int = 0


def _rank(assurance: Assurance) -> int:
    return ASSURANCE_RANK[assurance]


def assurance_of(record: IdentityRecord, evidence: Iterable[Evidence]) -> Assurance:
    """The best that was ever said of the identity: as a touchpoint's home, or in standing evidence."""
    best = record.own_assurance or Assurance.INFERRED
    for it in evidence:
        if record.key in (it.one, it.other) and _says_same(it):
            best = max(best, it.assurance, key=_rank)
    return best


def _says_same(it: Evidence) -> bool:
    return not it.withdrawn and it.statement is Statement.SAME and it.one != it.other


def _far(it: Evidence, key: bytes) -> bytes:
    return it.other if it.one == key else it.one


# --- By an identity or an id -----------------------------------------------------------------------


async def by_key(store: Store, tenant: str, key: bytes, reads: Reads | None = None) -> Customer:
    """The customer that the identity with this key belongs to. NotFound where nothing is known of it.

    One round trip for an identity by itself, two from the identity that holds the evidence (mostly
    the user), three from another one, and one for each further step along the evidence. What is
    only claimed of them takes one to three more. `reads` answers instead of the store's connection.
    """
    return await _whole(store, tenant, EvidenceReader(reads or store.connection, store.keys), key)


async def by_id(store: Store, tenant: str, customer_id: str, reads: Reads | None = None) -> Customer:
    """The customer that a current or former id belongs to. Round trips and `reads` as `by_key`."""
    (key,) = store.hashes(tenant).private(CUSTOMER, customer_id)
    return await by_key(store, tenant, key, reads)


async def _whole(store: Store, tenant: str, reading: EvidenceReader, key: bytes) -> Customer:
    """The customer with those that are claimed to be the same, so that they can be named."""
    component = await walk(reading, [key])
    if key not in component.reached:
        raise NotFound("there is no such customer")
    resolution = _resolve(store, component)
    members = set(resolution.group_of(key).members)
    claimed = _claimed(component, members)
    if claimed:
        component = await walk(reading, [key, *claimed[:MAX_CANDIDATES]])
        resolution = _resolve(store, component)
    return Customer(
        id=store.hashes(tenant).public(CUSTOMER, resolution.group_of(key).root),
        group=resolution.group_of(key),
        component=component,
        resolution=resolution,
        claims_left_out=max(0, len(claimed) - MAX_CANDIDATES),
    )


def _resolve(store: Store, component: Component) -> Resolution:
    resolution = resolve(component.nodes, component.evidence, store.rules.limits)
    if resolution.oversized:
        log.warning("component_oversized", identities=len(component.reached))
    return resolution


def _claimed(component: Component, members: Collection[bytes]) -> list[bytes]:
    """Identities outside that are claimed to be the members': those known already, the surest and
    newest first, then the senders of claims that were not read yet."""
    known: list[tuple[int, int, bytes]] = []
    for it in component.evidence:
        outside = [key for key in it.pair if key not in members]
        if len(outside) == 1 and _is_claim(it):
            known.append((_rank(it.assurance), it.recorded_at, outside[0]))
    unread = sorted(
        pointer.home
        for key in members
        for pointer in component.records[key].pointers
        if pointer.kind is EntryKind.CLAIM and pointer.home not in component.records
    )
    ordered = [end for _rank_, _at, end in sorted(known, reverse=True)]
    return list(dict.fromkeys((*ordered, *unread)))


def _is_claim(it: Evidence) -> bool:
    return it.assurance is not Assurance.VERIFIED and not it.finds and _says_same(it)


def require_current(customer: Customer, requested_id: str) -> None:
    """Changes go through the current id only. Conflict (`customer_merged`) with it under `current`."""
    if customer.id != requested_id:
        raise Conflict("this id is a former one of the customer", code="customer_merged", current=customer.id)


def candidates_of(store: Store, tenant: str, customer: Customer) -> list[Candidate]:
    """Customers that claims point at: with the reason and the number of touchpoints behind them."""
    resolution, records = customer.resolution, customer.component.records
    members = customer.group.members
    objections = Objections(customer.component.evidence)
    found: dict[bytes, list[tuple[bytes, Evidence]]] = {}
    for it in customer.component.evidence:
        outside = [key for key in it.pair if key not in members]
        if len(outside) != 1 or not _is_claim(it):
            continue
        key = outside[0]
        if key not in customer.component.reached or key in resolution.shared:
            continue
        group = resolution.group_of(key)
        if not objections.between(members, group.members):
            found.setdefault(group.root, []).append((key, it))
    hashes = store.hashes(tenant)
    candidates = []
    for root, claims in found.items():
        key, best = max(claims, key=lambda entry: (_rank(entry[1].assurance), -entry[1].recorded_at))
        sources = ", ".join(sorted({it.source for _key, it in claims}))
        candidates.append(
            Candidate(
                id=hashes.public(CUSTOMER, root),
                identity=records[key].identity,
                reason=f"{records[key].identity.type} {best.assurance} by {sources}",
                assurance=best.assurance,
                touchpoints=sum(records[it].touchpoints for it in resolution.group_of(root).members),
                links=tuple(hashes.public(EVIDENCE, it.one, it.id) for _key, it in claims),
            )
        )
    return sorted(candidates, key=lambda it: (-_rank(it.assurance), -it.touchpoints, it.id))


# --- Look-ups --------------------------------------------------------------------------------------


class _Choice(Struct, frozen=True, kw_only=True):
    """The customers (by root) that a handle may stand for, each with how sure that is.

    `decides` unless the handle belongs to several people, or only finds them.
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
    """The customer behind the identities; several of them narrow an ambiguous one.

    What is less sure than `min_assurance` counts as unknown. Round trips and `reads` as `by_key`; a
    shared identity or a reference takes one to four more.
    """
    hashes = store.hashes(tenant)
    keys = [hashes.identity(it) for it in identities if not store.rules.is_placeholder(it)]
    reading = EvidenceReader(reads or store.connection, store.keys)
    component = await walk(reading, keys)
    resolution = _resolve(store, component)
    known = [key for key in dict.fromkeys(keys) if key in component.reached]
    loose = {
        key: await _linked(reading, key)
        for key in known
        if key in resolution.shared or component.reached[key].identity.type == REFERENCE
    }
    if loose:
        ends = [end for linked in loose.values() for end, _it in linked.likeliest]
        component = await walk(reading, dict.fromkeys((*known, *ends)))
        resolution = _resolve(store, component)
    choices = [_choice(component, resolution, key, loose.get(key)) for key in known]
    best = max((it for choice in choices for it in choice.roots.values()), key=_rank, default=None)
    choices = [_sure(choice, min_assurance) for choice in choices]
    choices = [choice for choice in choices if choice.roots]
    if not choices:
        return LookUp(match=Match.NONE, assurance=best)
    roots = _narrowed(component, resolution, choices)
    alone = len(choices) == 1 and not choices[0].decides and choices[0].key in resolution.shared
    if len(roots) == 1 and not (alone and choices[0].key not in roots):
        customer = await _whole(store, tenant, reading, next(iter(roots)))
        return LookUp(match=Match.ONE, assurance=_assurance(choices, customer.group.root), customer=customer)
    candidates = _ranked(hashes, component, resolution, choices, roots)
    return LookUp(
        match=Match.SEVERAL,
        assurance=max((it.assurance for it in candidates), key=_rank),
        candidates=tuple(candidates[:MAX_CANDIDATES]),
        question=_question(identities),
        left_out=max(0, len(candidates) - MAX_CANDIDATES) + sum(choice.left_out for choice in choices),
    )


class _Linked(Struct, frozen=True):
    """Identities that another one is linked with, the likeliest first, and how many more there are."""

    likeliest: list[tuple[bytes, Evidence]]
    left_out: int


async def _linked(reading: EvidenceReader, key: bytes) -> _Linked:
    """Whom a shared identity or a reference is linked with, the likeliest first: by assurance, then
    by who was heard of last. One or two round trips."""
    record = reading.records[key]
    ends = [it.other for it in record.evidence if _says_same(it)]
    ends += [it.home for it in sorted(record.pointers, key=lambda it: (it.kind is EntryKind.CLAIM, it.id))]
    ends = list(dict.fromkeys(ends))
    await reading.read(ends[:MAX_LINKED])
    component = await walk(reading, [key])  # with what is withdrawn; nothing is left to read
    objections = Objections(component.evidence)
    best: dict[bytes, Evidence] = {}
    for it in component.evidence:
        if key in it.pair and _says_same(it):
            end = _far(it, key)
            known = best.get(end)
            if end in reading.records and end not in objections.of(key):
                best[end] = max(known, it, key=lambda piece: _rank(piece.assurance)) if known else it
    found = sorted(
        best.items(),
        key=lambda entry: (_rank(entry[1].assurance), reading.records[entry[0]].last_arrival),
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
    """Its own customer; for an identity that joins nobody those it is linked with."""
    roots: dict[bytes, Assurance] = {}
    for end, piece in linked.likeliest if linked else ():
        root = resolution.group_of(end).root
        roots[root] = max(roots.get(root, Assurance.INFERRED), piece.assurance, key=_rank)
    if linked and roots:
        return _Choice(key=key, roots=roots, decides=False, left_out=linked.left_out)
    own = assurance_of(component.reached[key], component.evidence)
    return _Choice(key=key, roots={resolution.group_of(key).root: own}, decides=linked is None)


def _sure(choice: _Choice, min_assurance: Assurance) -> _Choice:
    kept = {root: it for root, it in choice.roots.items() if _rank(it) >= _rank(min_assurance)}
    return _Choice(key=choice.key, roots=kept, decides=choice.decides, left_out=choice.left_out)


def _narrowed(component: Component, resolution: Resolution, choices: Sequence[_Choice]) -> set[bytes]:
    """The customers that all handles allow; where they contradict each other, all of them but those
    of whom nothing was ever recorded (an address that somebody only mentioned)."""
    narrowed = set.intersection(*(set(choice.roots) for choice in choices))
    if narrowed:
        return narrowed
    every = set.union(*(set(choice.roots) for choice in choices))
    heard = {root for root in every if _touchpoints(component, resolution, root)}
    return heard or every


def _touchpoints(component: Component, resolution: Resolution, root: bytes) -> int:
    return sum(component.records[key].touchpoints for key in resolution.group_of(root).members)


def _assurance(choices: Sequence[_Choice], root: bytes) -> Assurance:
    """How sure the match is: the best handle that decides by itself, else the weakest that narrowed."""
    deciding = [choice.roots[root] for choice in choices if choice.decides and root in choice.roots]
    if deciding:
        return max(deciding, key=_rank)
    return min((choice.roots[root] for choice in choices if root in choice.roots), key=_rank)


def _ranked(
    hashes: KeyedHash,
    component: Component,
    resolution: Resolution,
    choices: Sequence[_Choice],
    roots: Collection[bytes],
) -> list[Candidate]:
    """The likeliest first: by assurance of the link, then by the newest arrival."""
    ranked: list[tuple[int, int, Candidate]] = []
    records = component.records
    for root in roots:
        members = resolution.group_of(root).members
        asked = [choice for choice in choices if root in choice.roots]
        best = max((choice.roots[root] for choice in asked), key=_rank)
        links = [
            it
            for it in component.evidence
            if _says_same(it)
            and any(choice.key in it.pair and _far(it, choice.key) in members for choice in asked)
        ]
        candidate = Candidate(
            id=hashes.public(CUSTOMER, root),
            identity=records[root].identity,
            reason=_reason(links, [records[choice.key] for choice in asked]),
            assurance=best,
            touchpoints=_touchpoints(component, resolution, root),
            links=tuple(hashes.public(EVIDENCE, it.one, it.id) for it in links),
        )
        ranked.append((_rank(best), max(records[key].last_arrival for key in members), candidate))
    ranked.sort(key=lambda entry: (-entry[0], -entry[1], entry[2].id))
    return [candidate for _rank_, _newest, candidate in ranked]


def _reason(links: Sequence[Evidence], asked: Sequence[IdentityRecord]) -> str:
    if not links:
        return "one of the handles asked for is theirs"
    types = sorted({it.identity.type for it in asked})
    sources = sorted({it.source for it in links})
    return f"{' and '.join(types)} stated by {', '.join(sources)}"


def _question(identities: Sequence[Identity]) -> str:
    """What to ask so that the answer decides."""
    asked = {it.type for it in identities}
    if "user" not in asked:
        return "Which customer number or login do you use with us?"
    return "Which email address or order number did you use last?"
