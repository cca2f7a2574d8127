"""A customer: the identities that evidence joins, read from any one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import structlog
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, EVIDENCE
from handoff.domain.clock import format_time
from handoff.domain.errors import Conflict, Gone, NotFound, Restricted
from handoff.domain.evidence import Evidence, Group, Objections, Resolution, Statement, resolve
from handoff.domain.identity import ASSURANCE_RANK, Assurance, Identity
from handoff.store.reads import Reads
from handoff.store.repositories.components import Component, EvidenceReader, walk
from handoff.store.repositories.identities import EntryKind, IdentityRecord
from handoff.store.store import Store

from .spellings import is_spelling, respelt_members, spelling_evidence

MAX_CANDIDATES = 50  # customers named as candidates; nobody reads more

log = structlog.get_logger(__name__)


class Customer(Struct, frozen=True, kw_only=True):
    """One customer, as of a lookup: the group of identities and everything that was read around it.

    `claims_left_out` is the number of claimed identities that were not read.
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
        """All evidence about one of the customer's identities, including withdrawn evidence."""
        members = set(self.group.members)
        return [it for it in self.component.evidence if it.touches(members)]


class LinkCandidate(Struct, frozen=True, kw_only=True):
    """A customer who may be the one in question. Never shown as the same customer before it is confirmed."""

    id: str
    identity: Identity
    reason: str
    assurance: Assurance
    touchpoints: int
    links: tuple[str, ...]


def rank(assurance: Assurance) -> int:
    return ASSURANCE_RANK[assurance]


def assurance_of(record: IdentityRecord, evidence: Iterable[Evidence]) -> Assurance:
    """The highest assurance of the identity: as the home of a touchpoint, or in evidence that holds."""
    best = record.own_assurance or Assurance.INFERRED
    for piece in evidence:
        if record.key in (piece.one, piece.other) and is_link(piece):
            best = max(best, piece.assurance, key=rank)
    return best


def is_link(piece: Evidence) -> bool:
    """Whether the evidence links two identities and is not withdrawn."""
    return not piece.withdrawn and piece.statement is Statement.SAME and piece.one != piece.other


async def by_key(
    store: Store, tenant: str, key: bytes, reads: Reads | None = None, *, restricted: bool = False
) -> Customer:
    """The customer with this identity. Raises NotFound for an unknown identity, Restricted for a restricted
    customer unless such are wanted.

    Takes one round trip for an identity without links, two from the identity that holds the evidence
    (usually the user), three from another one, and one for each further step along the evidence. Claims take
    one to three more. `reads` is used instead of the store's connection.
    """
    customer = await read_customer(store, tenant, store.of(tenant).people.reader(reads), key)
    return customer if restricted else refuse_restricted(customer)


def refuse_restricted(customer: Customer) -> Customer:
    """The customer. Raises Restricted if the data of one of the identities may only be kept."""
    if any(it.restricted for it in customer.members):
        raise Restricted()
    return customer


async def by_id(
    store: Store, tenant: str, customer_id: str, reads: Reads | None = None, *, restricted: bool = False
) -> Customer:
    """The customer with this current or former id. Round trips and the rest as for `by_key`."""
    (key,) = store.hashes(tenant).private(CUSTOMER, customer_id)
    try:
        return await by_key(store, tenant, key, reads, restricted=restricted)
    except NotFound:
        await refuse_erased(store, key)
        raise


async def refuse_erased(store: Store, key: bytes) -> None:
    """Raise Gone (`customer_erased`) if the unknown identity was erased. One round trip."""
    (erased,) = await store.graves.tombstones([key])
    if erased is not None:
        raise Gone("the customer was erased", code="customer_erased", erased_at=format_time(erased.erased_at))


async def read_customer(store: Store, tenant: str, reading: EvidenceReader, key: bytes) -> Customer:
    """The customer, including the identities that are only claimed to be theirs: candidates are named."""
    component = await walk(reading, [key])
    if key not in component.reached:
        raise NotFound("there is no such customer")
    resolution = resolve_component(store, component)
    members = set(resolution.group_of(key).members)
    claimed = _claimed(component, members)
    respelt = respelt_members(store.hashes(tenant), [component.records[it] for it in members])
    if claimed or respelt:
        component = await walk(reading, [key, *claimed[:MAX_CANDIDATES], *respelt])
        resolution = resolve_component(store, component)
    return Customer(
        id=store.hashes(tenant).public(CUSTOMER, resolution.group_of(key).root),
        group=resolution.group_of(key),
        component=component,
        resolution=resolution,
        claims_left_out=max(0, len(claimed) - MAX_CANDIDATES),
    )


def resolve_component(store: Store, component: Component) -> Resolution:
    resolution = resolve(component.nodes, component.evidence, store.rules.limits)
    if resolution.oversized:
        log.warning("component_oversized", identities=len(component.reached))
    return resolution


def _claimed(component: Component, members: Collection[bytes]) -> list[bytes]:
    """Other identities that are claimed to be the members'.

    Those already read come first, the surest and newest of them first, then the sources of unread claims.
    """
    known: list[tuple[int, int, bytes]] = []
    for piece in component.evidence:
        outside = [key for key in piece.pair if key not in members]
        if len(outside) == 1 and _is_claim(piece):
            known.append((rank(piece.assurance), piece.recorded_at, outside[0]))
    unread = sorted(
        pointer.home
        for key in members
        for pointer in component.records[key].pointers
        if pointer.kind is EntryKind.CLAIM and pointer.home not in component.records
    )
    ordered = [end for _rank_, _at, end in sorted(known, reverse=True)]
    return list(dict.fromkeys((*ordered, *unread)))


def _is_claim(piece: Evidence) -> bool:
    return piece.assurance is not Assurance.VERIFIED and not piece.finds and is_link(piece)


def require_current(customer: Customer, requested_id: str) -> None:
    """Raise Conflict (`customer_merged`), with the current id, for a former one: changes need the current."""
    if customer.id != requested_id:
        raise Conflict("this is a former id of the customer", code="customer_merged", current=customer.id)


def candidates_of(store: Store, tenant: str, customer: Customer) -> list[LinkCandidate]:
    """Customers that are claimed to be the same, or have a number that may name the same line.

    Each has the reason, its number of touchpoints, and the links to withdraw to refuse it.
    """
    resolution, records = customer.resolution, customer.component.records
    members = customer.group.members
    objections = Objections(customer.component.evidence)
    hashes = store.hashes(tenant)
    found: dict[bytes, list[tuple[bytes, Evidence]]] = {}
    for piece in (*customer.component.evidence, *spelling_evidence(hashes, customer.component, members)):
        outside = [key for key in piece.pair if key not in members]
        if len(outside) != 1 or not _is_claim(piece):
            continue
        key = outside[0]
        if key not in customer.component.reached or key in resolution.shared:
            continue
        group = resolution.group_of(key)
        if not objections.between(members, group.members):
            found.setdefault(group.root, []).append((key, piece))
    candidates = []
    for root, claims in found.items():
        key, best = max(claims, key=lambda entry: (rank(entry[1].assurance), -entry[1].recorded_at))
        candidates.append(
            LinkCandidate(
                id=hashes.public(CUSTOMER, root),
                identity=records[key].identity,
                reason=_reason(records[key].identity, best, [it for _key, it in claims]),
                assurance=best.assurance,
                touchpoints=sum(records[it].touchpoints for it in resolution.group_of(root).members),
                links=tuple(hashes.public(EVIDENCE, it.one, it.id) for _key, it in claims),
            )
        )
    return sorted(candidates, key=lambda it: (-rank(it.assurance), -it.touchpoints, it.id))


def _reason(identity: Identity, best: Evidence, claims: Iterable[Evidence]) -> str:
    if is_spelling(best):
        return "the same line in another national spelling"
    sources = ", ".join(sorted({it.source for it in claims if not is_spelling(it)}))
    return f"{identity.type} {best.assurance} by {sources}"
