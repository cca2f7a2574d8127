"""Confirming, withdrawing and splitting: what agents say of who is who, all of it reversible.

Every change is one entry in one place, written after the pointers that lead to it, so that it holds
as a whole or not at all. Nothing is deleted: a withdrawal stands beside what it withdraws.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgpack
import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, EVIDENCE, SIZE, KeyedHash
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import Conflict, NotFound, Unprocessable
from handoff.domain.evidence import Evidence, EvidenceClass, Group, Resolution, Statement, joins, resolve
from handoff.domain.identity import REFERENCE, Assurance, Handle, Identity, default_assurance
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.store.components import Component, walk
from handoff.store.recorder import Pointer
from handoff.store.records import NOT_SHARED, SHARED, IdentityRecord, pack_evidence
from handoff.store.store import Store

from .customers import Customer, by_id, require_current
from .recording import ensure_identity, record

MAX_SPLIT = 200  # identities on either side of one split


class WithdrawalView(Struct, frozen=True, kw_only=True):
    """Who took a piece of evidence back, when and why."""

    who: str
    at: str
    why: str


class LinkView(Struct, frozen=True, kw_only=True):
    """A piece of evidence. `effective`: it stands and joins, or keeps apart, as of now."""

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


class PartView(Struct, frozen=True, kw_only=True):
    """One customer before or after a change."""

    customer_id: str
    identities: list[str]
    touchpoints: int


class ForecastView(Struct, frozen=True, kw_only=True):
    """What a change would do (`dry_run`) or did: the customers before and after it."""

    dry_run: bool
    before: list[PartView]
    after: list[PartView]
    conflicts: list[str]
    id: str | None = None
    withdrawn: list[str] = msgspec.field(default_factory=list)


class By(Struct, frozen=True, kw_only=True):
    """Who says so, and why."""

    who: str
    reason: str


def link_views(hashes: KeyedHash, customer: Customer) -> list[LinkView]:
    """All evidence about a customer's identities, oldest first."""
    nodes = customer.component.reached | customer.component.edge
    withdrawals = {it.evidence: it for record in nodes.values() for it in record.withdrawals}
    refused = {it.evidence.id for group in customer.resolution.groups for it in group.conflicts}
    views = []
    for it in sorted(customer.evidence(), key=lambda it: (it.recorded_at, it.id)):
        taken = withdrawals.get(it.id)
        effective = joins(it) and it.id not in refused if it.statement is Statement.SAME else not it.withdrawn
        views.append(
            LinkView(
                id=hashes.public(EVIDENCE, it.one, it.id),
                identities=_names(nodes, it.left or (it.one,))
                + ([] if it.left else _names(nodes, (it.other,))),
                from_identities=_names(nodes, it.right) if it.left else None,
                statement=it.statement,
                assurance=it.assurance,
                by=it.who,
                source=it.source,
                recorded_at=format_time(it.recorded_at),
                why=it.why,
                withdrawn=WithdrawalView(who=taken.who, at=format_time(taken.at), why=taken.why)
                if taken
                else None,
                effective=effective,
            )
        )
    return views


def _names(nodes: dict[bytes, IdentityRecord], keys: Sequence[bytes]) -> list[str]:
    return [str(nodes[key].identity) for key in keys if key in nodes]


def _parts(hashes: KeyedHash, component: Component, groups: Sequence[Group]) -> list[PartView]:
    nodes = component.reached | component.edge
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


def _agent_evidence(
    one: bytes, other: bytes, statement: Statement, by: By, assurance: Assurance = Assurance.VERIFIED
) -> Evidence:
    return Evidence(
        id=secrets.token_bytes(SIZE),
        one=one,
        other=other,
        statement=statement,
        assurance=assurance,
        evidence_class=EvidenceClass.AGENT,
        source="agent",
        touchpoint=None,
        who=by.who,
        recorded_at=2**62,  # after everything that stands already, until the store's clock says when
        why=by.reason,
    )


async def _write(store: Store, piece: Evidence, ends: Sequence[bytes]) -> None:
    """A pointer at every far end, then the piece itself: only then does anything change."""
    for end in ends:
        if end != piece.one:
            pointer = Pointer(end, store.keys.record(end), ((b"p" + piece.id, piece.one),))
            await store.recorder.point([pointer])
    now = await store.connection.call(b"TIME")
    recorded = (int(now[0]) * 1_000_000 + int(now[1])).to_bytes(8, "big")
    key = store.keys.record(piece.one)
    fields = ((b"e" + piece.id, recorded + pack_evidence(piece)),)
    await store.recorder.point([Pointer(piece.one, key, fields)])


async def _withdraw(store: Store, piece: Evidence, by: By, at: Micros) -> None:
    packed: bytes = msgpack.packb([by.who, at, by.reason])
    key = store.keys.record(piece.one)
    await store.recorder.point([Pointer(piece.one, key, ((b"w" + piece.id, packed),))])


async def link(
    store: Store,
    tenant: str,
    customer_id: str,
    identity: Identity,
    by: By,
    *,
    assurance: Assurance,
    dry_run: bool,
    now: Micros,
) -> ForecastView:
    """Say that an identity is this customer's. Conflict (`guard_refused`) when a guard forbids it.

    What agents said against it before is withdrawn with it; a claim stays a candidate.
    """
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    if identity.type == REFERENCE:
        raise Unprocessable("a reference finds customers and never joins them", code="reference_never_joins")
    hashes = store.hashes(tenant)
    other = hashes.identity(identity)
    if not dry_run:
        await ensure_identity(store, tenant, identity)
    root = customer.group.root
    component = await walk(store.connection, store.keys, [root, other])
    if other not in component.reached:
        component.reached[other] = _unseen(other, identity)
    before = resolve(component.nodes, component.evidence, store.rules.limits)
    piece = _agent_evidence(root, other, Statement.SAME, by, assurance)
    against = _between(component, before.group_of(root), before.group_of(other))
    kept = [it for it in component.evidence if it not in against]
    after = resolve(component.nodes, [*kept, piece], store.rules.limits)
    joined = after.group_of(root) is after.group_of(other)
    if assurance is Assurance.VERIFIED and not joined:
        refusals = [it.reason for it in after.group_of(root).conflicts if it.evidence.id == piece.id]
        raise Conflict(
            f"a guard forbids this link: {', '.join(refusals) or 'shared'}",
            code="guard_refused",
            reasons=refusals or ["shared"],
        )
    forecast = _forecast(hashes, component, (before, after), [root, other], piece, dry_run)
    if dry_run or (joined and before.group_of(root) is before.group_of(other)):
        return forecast
    # With the statement first and the objections gone last, nobody is ever joined by half.
    await _write(store, piece, [other])
    for it in against:
        await _withdraw(store, it, By(who=by.who, reason=f"linked again: {by.reason}"), now)
    await _tell(store, tenant, "identity.linked", [component.reached[root]], by, str(identity), now)
    return msgspec.structs.replace(
        forecast, withdrawn=[hashes.public(EVIDENCE, it.one, it.id) for it in against]
    )


def _unseen(key: bytes, identity: Identity) -> IdentityRecord:
    return IdentityRecord(
        key=key,
        identity=identity,
        recorded_at=2**62,
        last_arrival=0,
        shared_mark=False,
        counts={},
        own_assurance=None,
        references={},
        episodes=(),
        evidence=(),
        pointers=(),
        withdrawals=(),
    )


def _between(component: Component, one: Group, other: Group) -> list[Evidence]:
    """Standing statements that somebody of the one group is nobody of the other."""
    left, right = set(one.members), set(other.members)
    return [
        it
        for it in component.evidence
        if it.statement is Statement.NOT_SAME
        and not it.withdrawn
        and any((a in left and b in right) or (a in right and b in left) for a, b in it.apart)
    ]


def _forecast(
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


async def withdraw(
    store: Store, tenant: str, customer_id: str, link_id: str, by: By, *, dry_run: bool, now: Micros
) -> ForecastView:
    """Take one piece of evidence back. Withdrawing `same` also says `not_same`, so that the same
    senders repeating themselves change nothing; withdrawing `not_same` lets the rest hold again."""
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    hashes = store.hashes(tenant)
    home, id_ = hashes.private(EVIDENCE, link_id, 2)
    found = next((it for it in customer.evidence() if (it.one, it.id) == (home, id_)), None)
    if found is None:
        raise NotFound("there is no such link of this customer")
    keys = [found.one, found.other, *found.left, *found.right]
    component = await walk(store.connection, store.keys, [customer.group.root, *keys])
    before = resolve(component.nodes, component.evidence, store.rules.limits)
    known = [key for key in dict.fromkeys((*keys, customer.group.root)) if key in component.nodes]
    changed = [
        msgspec.structs.replace(it, withdrawn=True) if it.id == id_ else it for it in component.evidence
    ]
    against = None
    if found.statement is Statement.SAME and not found.withdrawn:
        against = _agent_evidence(found.one, found.other, Statement.NOT_SAME, by)
        changed.append(against)
    after = resolve(component.nodes, changed, store.rules.limits)
    forecast = _forecast(hashes, component, (before, after), known, against, dry_run)
    if dry_run or found.withdrawn:
        return forecast
    if against:
        await _write(store, against, [found.other])
    await _withdraw(store, found, by, now)
    type_ = "identity.unlinked" if found.statement is Statement.SAME else "identity.linked"
    nodes = component.reached | component.edge
    for key in dict.fromkeys((found.one, found.other)):
        await _tell(store, tenant, type_, [nodes[key]], by, link_id, now)
    return forecast


async def split(
    store: Store,
    tenant: str,
    customer_id: str,
    identities: Sequence[Identity],
    by: By,
    *,
    dry_run: bool,
    now: Micros,
) -> ForecastView:
    """Take identities out of a customer, whatever held them, together: one statement for all of it."""
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    hashes = store.hashes(tenant)
    members = customer.group.members
    out = tuple(dict.fromkeys(hashes.identity(it) for it in identities))
    strange = [str(it) for it in identities if hashes.identity(it) not in members]
    if strange:
        raise Unprocessable(
            "not all of these are the customer's identities", code="not_theirs", identities=strange
        )
    rest = tuple(key for key in members if key not in out)
    if not out or not rest or max(len(out), len(rest)) > MAX_SPLIT:
        raise Unprocessable(
            f"a split leaves 1 to {MAX_SPLIT} identities on either side", code="nothing_to_split"
        )
    piece = msgspec.structs.replace(
        _agent_evidence(rest[0], out[0], Statement.NOT_SAME, by), left=out, right=rest
    )
    component = customer.component
    after = resolve(component.nodes, [*component.evidence, piece], store.rules.limits)
    forecast = _forecast(hashes, component, (customer.resolution, after), members, piece, dry_run)
    if dry_run:
        return forecast
    await _write(store, piece, (*out, *rest))
    nodes = component.reached | component.edge
    await _tell(
        store, tenant, "identity.unlinked", [nodes[rest[0]], nodes[out[0]]], by, forecast.id or "", now
    )
    return forecast


async def mark_shared(
    store: Store, tenant: str, identity: Identity, by: By, *, shared: bool, now: Micros
) -> None:
    """Say that an identity belongs to several people (an info@ box, a family's phone), or that it
    does not: it then joins nobody, and look-ups by it are ambiguous."""
    key = await ensure_identity(store, tenant, identity)
    packed: bytes = msgpack.packb([by.who, now, by.reason])
    value = (SHARED if shared else NOT_SHARED) + packed
    place = store.keys.record(key)
    await store.connection.call(b"HSET", place, b"s", value, key=place)


async def _tell(
    store: Store, tenant: str, type_: str, records: Sequence[IdentityRecord], by: By, about: str, now: Micros
) -> None:
    """The change as a touchpoint of those whose customer it changed."""
    touchpoints = [
        Touchpoint(
            id_space="identity",
            event_id=secrets.token_hex(SIZE),
            source="identity",
            channel="web",
            type=type_,
            occurred_at=now,
            identities=(Handle(it.identity, it.own_assurance or default_assurance(it.identity.type)),),
            direction=Direction.INTERNAL,
            visibility=Visibility.INTERNAL,
            text=by.reason,
            actor={"name": by.who},
            data={"about": about},
        )
        for it in records
    ]
    await record(store, tenant, touchpoints)
