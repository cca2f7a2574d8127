"""Views of evidence and of changes to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, EVIDENCE, TOUCHPOINT, KeyedHash
from handoff.domain.clock import format_time
from handoff.domain.evidence import Evidence, Group, Objections, Resolution, Statement, joins, resolve
from handoff.domain.identities.sharing import by_code
from handoff.services.timeline.views import public_conversation
from handoff.store.repositories.components import Component, read_records, walk
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.store import Store

from .customer import Customer


class WithdrawalView(Struct, frozen=True, kw_only=True):
    """The withdrawal of a piece of evidence: by whom, when and why."""

    who: str
    at: str
    why: str


class LinkView(Struct, frozen=True, kw_only=True):
    """A piece of evidence. `effective`: it currently joins identities, keeps them or a touchpoint apart, or
    assigns."""

    id: str
    identities: list[str]
    statement: str
    assurance: str
    by: str
    source: str
    recorded_at: str
    why: str
    withdrawn: WithdrawalView | None
    effective: bool
    from_identities: list[str] | None = None
    touchpoint: str | None = None
    """Of an assignment (`statement` is `assigned`): the touchpoint of the first identity that is from the
    person with the second. With the `statement` `separate`: the touchpoint that is an act of its own."""
    conversation_id: str | None = None
    """Of an assignment of a whole conversation."""


class PartView(Struct, frozen=True, kw_only=True):
    """One customer before or after a change."""

    customer_id: str
    identities: list[str]
    touchpoints: int


class ForecastView(Struct, frozen=True, kw_only=True):
    """The effect of a change, planned (`dry_run`) or made: the customers before and after it."""

    dry_run: bool
    before: list[PartView]
    after: list[PartView]
    conflicts: list[str]
    id: str | None = None
    withdrawn: list[str] = msgspec.field(default_factory=list)


async def read_links(store: Store, tenant: str, customer: Customer) -> list[LinkView]:
    """All evidence about a customer's identities, oldest first.

    Takes one round trip if the evidence names references, or identities that were separated.
    """
    hashes = store.hashes(tenant)
    pieces = sorted(customer.evidence(), key=lambda it: (it.recorded_at, it.id))
    records = customer.component.records
    unread = {end for it in pieces for end in it.ends} - set(records)
    records = records | await read_records(store.connection, store.keys, sorted(unread))
    refused = {it.evidence.id for group in customer.resolution.groups for it in group.conflicts}
    shared = await _shared_homes(store, tenant, customer)
    objections = Objections(customer.component.evidence)
    withdrawals = _withdrawals(customer.component.evidence, records)
    views = []
    for piece in pieces:
        if piece.statement is not Statement.NOT_SAME:
            effective = joins(piece) and piece.id not in refused
            if piece.statement is Statement.ASSIGNED:
                effective = by_code(piece) or (not piece.withdrawn and piece.one in shared)
            elif piece.statement is Statement.SEPARATE:
                effective = not piece.withdrawn
            identities, others = _names(records, dict.fromkeys((piece.one, piece.other))), None
        else:
            effective = objections.of_piece(piece)
            identities, others = (_names(records, side) for side in piece.sides)
        views.append(
            LinkView(
                id=hashes.public(EVIDENCE, piece.one, piece.id),
                identities=identities,
                from_identities=others,
                statement=piece.statement,
                assurance=piece.assurance,
                by=piece.who,
                source=piece.source,
                recorded_at=format_time(piece.recorded_at),
                why=piece.why,
                withdrawn=withdrawals.get(piece.id),
                effective=effective,
                touchpoint=hashes.public(TOUCHPOINT, piece.one, piece.touchpoint)
                if piece.statement in (Statement.ASSIGNED, Statement.SEPARATE) and piece.touchpoint
                else None,
                conversation_id=public_conversation(hashes, piece.conversation) if piece.whole else None,
            )
        )
    return views


async def _shared_homes(store: Store, tenant: str, customer: Customer) -> frozenset[bytes]:
    """The shared identities among those with assignments. No round trip without assignments."""
    homes = {it.one for it in customer.component.evidence if it.statement is Statement.ASSIGNED}
    if not homes:
        return frozenset()
    component = await walk(store.of(tenant).people.reader(), sorted(homes))
    return resolve(component.nodes, component.evidence, store.rules.limits).shared


def _withdrawals(
    evidence: Sequence[Evidence], records: Mapping[bytes, IdentityRecord]
) -> dict[bytes, WithdrawalView]:
    """The withdrawal of each withdrawn piece: by a later statement, or of a `not_same` directly."""
    found = {
        id_: WithdrawalView(who=it.who, at=format_time(it.recorded_at), why=it.why)
        for it in evidence
        if it.statement is Statement.NOT_SAME and not it.withdrawn
        for id_ in it.over
    }
    for record in records.values():
        for taken in record.withdrawals:
            found[taken.evidence] = WithdrawalView(who=taken.who, at=format_time(taken.at), why=taken.why)
    return found


def _names(nodes: Mapping[bytes, IdentityRecord], keys: Iterable[bytes]) -> list[str]:
    return [str(nodes[key].identity) for key in keys if key in nodes]


def _parts(hashes: KeyedHash, component: Component, groups: Sequence[Group]) -> list[PartView]:
    nodes = component.records
    return [
        PartView(
            customer_id=hashes.public(CUSTOMER, group.root),
            identities=[str(nodes[key].identity) for key in group.members],
            touchpoints=sum(nodes[key].touchpoints for key in group.members),
        )
        for group in groups
    ]


def _around(resolution: Resolution, keys: Sequence[bytes]) -> list[Group]:
    groups = {resolution.group_of(key).root: resolution.group_of(key) for key in keys}
    return list(groups.values())


def forecast(
    hashes: KeyedHash,
    component: Component,
    views: tuple[Resolution, Resolution],
    keys: Sequence[bytes],
    piece: Evidence | None,
    dry_run: bool,
) -> ForecastView:
    before, after = views
    groups = _around(after, keys)
    return ForecastView(
        dry_run=dry_run,
        before=_parts(hashes, component, _around(before, keys)),
        after=_parts(hashes, component, groups),
        conflicts=sorted({it.reason for group in groups for it in group.conflicts}),
        id=hashes.public(EVIDENCE, piece.one, piece.id) if piece and not dry_run else None,
    )
