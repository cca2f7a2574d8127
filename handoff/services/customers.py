"""Who a customer is: a view on the evidence around the identities that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, KeyedHash
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.evidence import Evidence, Group, Resolution, Statement, resolve
from handoff.domain.identity import ASSURANCE_RANK, REFERENCE, Assurance, Identity
from handoff.store.components import Component, walk
from handoff.store.records import IdentityRecord
from handoff.store.store import Store


class Match(StrEnum):
    """How a look-up ended."""

    ONE = "one"
    SEVERAL = "several"
    NONE = "none"


class Customer(Struct, frozen=True, kw_only=True):
    """One customer as of a look-up: its group of identities and all that was read around it."""

    id: str
    group: Group
    component: Component
    resolution: Resolution

    @property
    def members(self) -> list[IdentityRecord]:
        known = self.component.reached | self.component.edge
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
    """The answer to a look-up. `customer` when the match is one; `candidates` when it is several."""

    match: Match
    assurance: Assurance | None = None
    customer: Customer | None = None
    candidates: tuple[Candidate, ...] = ()
    question: str | None = None
    requested_id: str | None = None


def assurance_of(record: IdentityRecord, evidence: Iterable[Evidence]) -> Assurance:
    """The best that was ever said of the identity: as a touchpoint's home, or in standing evidence."""
    best = record.own_assurance or Assurance.INFERRED
    for it in evidence:
        if record.key in (it.one, it.other) and not it.withdrawn and it.statement is Statement.SAME:
            best = max(best, it.assurance, key=ASSURANCE_RANK.__getitem__)
    return best


def _customer(hashes: KeyedHash, component: Component, resolution: Resolution, group: Group) -> Customer:
    return Customer(
        id=hashes.public(CUSTOMER, group.root), group=group, component=component, resolution=resolution
    )


async def find(
    store: Store, tenant: str, identities: Sequence[Identity], min_assurance: Assurance = Assurance.INFERRED
) -> LookUp:
    """The customer behind the identities; several of them narrow an ambiguous one.

    One round trip per step along the evidence: one for an identity by itself, two where it is
    linked, and so on; twice that for a customer found only through a reference or a shared handle.
    """
    hashes = store.hashes(tenant)
    keys = [hashes.identity(it) for it in identities if not store.rules.means_nobody(it)]
    component = await walk(store.connection, store.keys, keys)
    resolution = resolve(component.nodes, component.evidence, store.rules.limits)
    known = [key for key in dict.fromkeys(keys) if key in component.reached]
    if not known:
        return LookUp(match=Match.NONE)
    choices = [_choices(component, resolution, key) for key in known]
    narrowed = set.intersection(*(set(choice) for choice in choices))
    if not narrowed:
        narrowed = set.union(*(set(choice) for choice in choices))
    groups = {group.root: group for group in resolution.groups}
    customers = [_customer(hashes, component, resolution, groups[root]) for root in sorted(narrowed)]
    assurance = min(
        (assurance_of(component.reached[key], component.evidence) for key in known),
        key=ASSURANCE_RANK.__getitem__,
    )
    if len(customers) == 1:
        whole = customers[0]
        if not any(key in whole.group.members for key in known):
            # Found through evidence (an order number): only its edge was read so far.
            whole = await by_key(store, tenant, whole.group.root)
        if ASSURANCE_RANK[assurance] < ASSURANCE_RANK[min_assurance]:
            return LookUp(match=Match.NONE, assurance=assurance)
        return LookUp(match=Match.ONE, assurance=assurance, customer=whole)
    return LookUp(
        match=Match.SEVERAL,
        assurance=assurance,
        candidates=_ranked(hashes, component, customers, known),
        question=_question(identities),
    )


def _choices(component: Component, resolution: Resolution, key: bytes) -> list[bytes]:
    """The roots of the customers that the identity may stand for: its own, or, for one that joins
    nobody (shared, or a reference), those it is linked with."""
    record = component.reached[key]
    group = resolution.group_of(key)
    if key not in resolution.shared and record.identity.type != REFERENCE:
        return [group.root]
    linked = [
        resolution.group_of(other).root
        for it in component.evidence
        if not it.withdrawn and it.statement is Statement.SAME and key in it.pair
        for other in it.pair
        if other != key and other in component.nodes
    ]
    return list(dict.fromkeys(linked)) or [group.root]


def _ranked(
    hashes: KeyedHash, component: Component, customers: Sequence[Customer], asked: Sequence[bytes]
) -> tuple[Candidate, ...]:
    """The likeliest first: by assurance of the link, then by the newest arrival."""
    ranked: list[tuple[tuple[int, int], Candidate]] = []
    for customer in customers:
        links = [
            it
            for it in component.evidence
            if not it.withdrawn
            and any(key in it.pair for key in asked)
            and any(member in it.pair for member in customer.group.members)
        ]
        best = max((it.assurance for it in links), key=ASSURANCE_RANK.__getitem__, default=Assurance.INFERRED)
        root = customer.members[0]
        newest = max(member.last_arrival for member in customer.members)
        candidate = Candidate(
            id=customer.id,
            identity=root.identity,
            reason=_reason(links, component, asked),
            assurance=best,
            touchpoints=sum(member.touchpoints for member in customer.members),
            links=(),
        )
        ranked.append(((ASSURANCE_RANK[best], newest), candidate))
    ranked.sort(key=lambda entry: entry[0], reverse=True)
    return tuple(candidate for _rank, candidate in ranked)


def _reason(links: Sequence[Evidence], component: Component, asked: Sequence[bytes]) -> str:
    if not links:
        return "one of the handles asked for is theirs"
    types = sorted({component.reached[key].identity.type for key in asked if key in component.reached})
    sources = sorted({it.source for it in links})
    return f"{' and '.join(types)} stated by {', '.join(sources)}"


def _question(identities: Sequence[Identity]) -> str:
    """What to ask so that the answer decides."""
    asked = {it.type for it in identities}
    if "user" not in asked:
        return "Which customer number or login do you use with us?"
    return "Which email address or order number did you use last?"


async def by_key(store: Store, tenant: str, key: bytes) -> Customer:
    """The customer that the identity with this key belongs to. NotFound where nothing is known of it."""
    component = await walk(store.connection, store.keys, [key])
    if key not in component.reached:
        raise NotFound("there is no such customer")
    resolution = resolve(component.nodes, component.evidence, store.rules.limits)
    return _customer(store.hashes(tenant), component, resolution, resolution.group_of(key))


async def by_id(store: Store, tenant: str, customer_id: str) -> Customer:
    """The customer that a current or former id belongs to."""
    (key,) = store.hashes(tenant).private(CUSTOMER, customer_id)
    return await by_key(store, tenant, key)


def require_current(customer: Customer, requested_id: str) -> None:
    """Changes go through the current id only. Conflict (`customer_merged`) with it under `current`."""
    if customer.id != requested_id:
        raise Conflict("this id is a former one of the customer", code="customer_merged", current=customer.id)


def candidates_of(store: Store, tenant: str, customer: Customer) -> list[Candidate]:
    """Customers that claims point at: with the reason and the number of touchpoints behind them."""
    hashes = store.hashes(tenant)
    nodes = customer.component.reached | customer.component.edge
    members = set(customer.group.members)
    found: dict[bytes, list[Evidence]] = {}
    for it in customer.component.evidence:
        inside = [key for key in it.pair if key in members]
        outside = [key for key in it.pair if key not in members and key in nodes]
        standing = not it.withdrawn and it.statement is Statement.SAME
        if standing and inside and outside and it.assurance is not Assurance.VERIFIED:
            if nodes[outside[0]].identity.type == REFERENCE or _apart(customer, it):
                continue
            found.setdefault(outside[0], []).append(it)
    return [
        Candidate(
            id=hashes.public(CUSTOMER, key),
            identity=nodes[key].identity,
            reason=f"{nodes[key].identity.type} {pieces[0].assurance} by {pieces[0].source}",
            assurance=pieces[0].assurance,
            touchpoints=nodes[key].touchpoints,
            links=tuple(it.id.hex() for it in pieces),
        )
        for key, pieces in found.items()
    ]


def _apart(customer: Customer, piece: Evidence) -> bool:
    """Whether somebody said that the two are not one person."""
    return any(
        it.statement is Statement.NOT_SAME
        and not it.withdrawn
        and any(set(pair) == set(piece.pair) for pair in it.apart)
        for it in customer.component.evidence
    )
