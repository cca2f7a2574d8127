"""Confirming, withdrawing and splitting: what agents say of who is who, all of it reversible.

Every change is one entry in one place, written after the pointers that lead to it, so that it holds
as a whole or not at all. Nothing is deleted: what takes evidence back stands beside it, overrules it,
and can be taken back itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgpack
import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import EVIDENCE, SIZE
from handoff.domain.clock import Micros
from handoff.domain.errors import Conflict, NotFound, Unprocessable
from handoff.domain.evidence import (
    MAX_COMPONENT,
    Evidence,
    EvidenceClass,
    Objections,
    Resolution,
    Statement,
    resolve,
)
from handoff.domain.identity import REFERENCE, Assurance, Handle, Identity
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.timeline.recording import ensure_identity, record, refuse_placeholder
from handoff.store.repositories.components import Component, EvidenceReader, walk
from handoff.store.repositories.identities import (
    NOT_SHARED,
    SHARED,
    IdentityRecord,
    pack_evidence,
    pack_pointer,
)
from handoff.store.repositories.recorder import Pointer
from handoff.store.store import Store

from .customer import assurance_of, by_id, require_current
from .link_views import ForecastView, forecast


class Attribution(Struct, frozen=True, kw_only=True):
    """Who says so, and why."""

    who: str
    reason: str


def _agent_evidence(one: bytes, other: bytes, statement: Statement, by: Attribution) -> Evidence:
    return Evidence(
        id=secrets.token_bytes(SIZE),
        one=one,
        other=other,
        statement=statement,
        assurance=Assurance.VERIFIED,
        evidence_class=EvidenceClass.AGENT,
        source="agent",
        touchpoint=None,
        who=by.who,
        recorded_at=2**62,  # after everything that stands already, until the store's clock says when
        why=by.reason,
    )


async def _write(store: Store, piece: Evidence) -> None:
    """A pointer at every far end, then the piece itself: only then does anything change."""
    field = pack_pointer(piece)
    ends = [end for end in piece.ends if end != piece.one]
    await store.recorder.point([Pointer(end, store.keys.record(end), (field,)) for end in ends])
    key = store.keys.record(piece.one)
    now = await store.connection.call(b"TIME", key=key)
    recorded = (int(now[0]) * 1_000_000 + int(now[1])).to_bytes(8, "big")
    fields = ((b"e" + piece.id, recorded + pack_evidence(piece)),)
    await store.recorder.point([Pointer(piece.one, key, fields)])


async def link(
    store: Store,
    tenant: str,
    customer_id: str,
    identity: Identity,
    by: Attribution,
    *,
    assurance: Assurance,
    dry_run: bool,
    now: Micros,
) -> ForecastView:
    """Say that an identity is this customer's. Conflict (`guard_refused`) when a guard forbids it.

    It overrules what agents said against it before, for as long as it stands; `withdrawn` lists
    that. A claim stays a candidate. Nothing is written where the identity is theirs already.
    """
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    root = customer.group.root
    if REFERENCE in (identity.type, customer.component.reached[root].identity.type):
        raise Unprocessable("a reference finds customers and never joins them", code="reference_never_joins")
    refuse_placeholder(identity, store.rules)
    hashes = store.hashes(tenant)
    other = hashes.identity(identity)
    reading = EvidenceReader(store.connection, store.keys)
    component = await walk(reading, [root, other])
    if other not in component.reached:
        component.reached[other] = _unseen(other, identity)
    before = resolve(component.nodes, component.evidence, store.rules.limits)
    piece, overruled = _linking(component, before, (root, other), by, assurance)
    after = resolve(component.nodes, [*component.evidence, piece], store.rules.limits)
    if assurance is Assurance.VERIFIED and after.group_of(root) is not after.group_of(other):
        refusals = [it.reason for it in after.group_of(root).conflicts if it.evidence.id == piece.id]
        raise Conflict(
            f"a guard forbids this link: {', '.join(refusals) or 'oversized'}",
            code="guard_refused",
            reasons=refusals or ["oversized"],
        )
    theirs = before.group_of(root) is before.group_of(other)
    view = forecast(hashes, component, (before, after), [root, other], None if theirs else piece, dry_run)
    if dry_run:
        return view
    if theirs:
        done = _done(component, Statement.SAME, {root, other})
        if done:
            await _tell(store, tenant, "identity.linked", component, [done.one], done, by, now)
        return view
    await ensure_identity(store, tenant, identity)
    await _write(store, piece)
    await _tell(store, tenant, "identity.linked", component, [root], piece, by, now)
    return msgspec.structs.replace(
        view, withdrawn=[hashes.public(EVIDENCE, it.one, it.id) for it in overruled]
    )


def _done(component: Component, statement: Statement, ends: set[bytes]) -> Evidence | None:
    """What an agent said already when a change is repeated whose answer was lost."""
    for it in component.evidence:
        agents = it.evidence_class is EvidenceClass.AGENT and it.statement is statement
        if agents and not it.withdrawn and ends <= {it.one, it.other, *it.left}:
            return it
    return None


def _linking(
    component: Component, before: Resolution, pair: tuple[bytes, bytes], by: Attribution, assurance: Assurance
) -> tuple[Evidence, list[Evidence]]:
    """The statement that two identities are one person, and the `not_same` that it overrules: all
    that was said between the two customers, and nothing else that the same pieces say."""
    root, other = pair
    piece = msgspec.structs.replace(_agent_evidence(root, other, Statement.SAME, by), assurance=assurance)
    if assurance is not Assurance.VERIFIED:
        return piece, []
    left, right = set(before.group_of(root).members), set(before.group_of(other).members)
    objections = Objections(component.evidence)
    overruled: dict[bytes, Evidence] = {}
    here, there = [root], [other]
    for it in component.evidence:
        if it.statement is not Statement.NOT_SAME:
            continue
        for these, those in (it.sides, it.sides[::-1]):
            ours, theirs = [key for key in these if key in left], [key for key in those if key in right]
            if any(objections.of_pair(it, one, two) for one in ours for two in theirs):
                overruled[it.id] = it
                here += ours
                there += theirs
    if not overruled:
        return piece, []
    return msgspec.structs.replace(
        piece,
        left=tuple(dict.fromkeys(here)),
        right=tuple(dict.fromkeys(there)),
        over=tuple(overruled),
    ), list(overruled.values())


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


async def withdraw(
    store: Store, tenant: str, customer_id: str, link_id: str, by: Attribution, *, dry_run: bool, now: Micros
) -> ForecastView:
    """Take one piece of evidence back.

    Withdrawing `same` says `not_same`, so that the same senders repeating themselves change nothing;
    withdrawing that lets everything hold again. Of what senders stated, all pieces about the two
    identities go together; what an agent linked leaves what the senders stated as it was.
    """
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    hashes = store.hashes(tenant)
    home, id_ = hashes.private(EVIDENCE, link_id, 2)
    reading = EvidenceReader(store.connection, store.keys)
    await reading.read([home])
    stored = reading.records[home].evidence if home in reading.records else ()
    found = next((it for it in stored if it.id == id_ and it.touches(customer.group.members)), None)
    if found is None:
        raise NotFound("there is no such link of this customer")
    component = await walk(reading, [customer.group.root, *found.ends])
    before = resolve(component.nodes, component.evidence, store.rules.limits)
    against = None
    if found.statement is Statement.SAME:
        found = next(it for it in component.evidence if it.id == id_)
        against = None if found.withdrawn else _against(component, found, by)
        changed = [*component.evidence, *([against] if against else ())]
    else:
        taken = msgspec.structs.replace(found, withdrawn=True)
        changed = [taken if it.id == id_ else it for it in _stored_evidence(component)]
    after = resolve(component.nodes, changed, store.rules.limits)
    known = [key for key in (customer.group.root, *found.ends) if key in component.nodes]
    view = forecast(hashes, component, (before, after), known, against, dry_run)
    if dry_run:
        return view
    if against:
        await _write(store, against)
    elif found.statement is Statement.NOT_SAME:
        packed: bytes = msgpack.packb([by.who, now, by.reason])
        place = Pointer(home, store.keys.record(home), ((b"w" + id_, packed),))
        await store.recorder.point([place])
    told = against or _overruling(component, found) or found
    type_ = "identity.unlinked" if found.statement is Statement.SAME else "identity.linked"
    await _tell(store, tenant, type_, component, (found.one, found.other), told, by, now)
    return view


def _overruling(component: Component, found: Evidence) -> Evidence | None:
    return next((it for it in component.evidence if found.id in it.over and not it.withdrawn), None)


def _stored_evidence(component: Component) -> list[Evidence]:
    """The evidence as it is stored, without what other evidence makes of it."""
    return [it for record in component.records.values() for it in record.evidence]


def _against(component: Component, found: Evidence, by: Attribution) -> Evidence:
    """What takes a `same` back."""
    automatic = found.evidence_class is EvidenceClass.AUTOMATIC
    over = [
        it.id
        for it in component.evidence
        if it.pair == found.pair
        and it.statement is Statement.SAME
        and not it.withdrawn
        and (automatic or it.evidence_class is found.evidence_class)
    ]
    piece = _agent_evidence(found.one, found.other, Statement.NOT_SAME, by)
    return msgspec.structs.replace(piece, over=tuple(over))


async def split(
    store: Store,
    tenant: str,
    customer_id: str,
    identities: Sequence[Identity],
    by: Attribution,
    *,
    dry_run: bool,
    now: Micros,
) -> ForecastView:
    """Take identities out of a customer, whatever held them, together: one statement for all of it."""
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    hashes = store.hashes(tenant)
    members, component = customer.group.members, customer.component
    out = tuple(dict.fromkeys(hashes.identity(it) for it in identities))
    strange = [str(it) for it in identities if hashes.identity(it) not in members]
    if strange:
        done = _done(component, Statement.NOT_SAME, set(out))
        if done and done.left == out and not dry_run:
            view = forecast(
                hashes, component, (customer.resolution, customer.resolution), members, done, False
            )
            await _tell(store, tenant, "identity.unlinked", component, (done.one, done.other), done, by, now)
            return view
        raise Unprocessable(
            "not all of these are the customer's identities", code="not_theirs", identities=strange
        )
    rest = tuple(key for key in members if key not in out)
    if not out or not rest or len(members) > MAX_COMPONENT:
        raise Unprocessable("a split leaves identities on either side", code="nothing_to_split")
    piece = msgspec.structs.replace(
        _agent_evidence(rest[0], out[0], Statement.NOT_SAME, by), left=out, right=rest
    )
    after = resolve(component.nodes, [*component.evidence, piece], store.rules.limits)
    view = forecast(hashes, component, (customer.resolution, after), members, piece, dry_run)
    if not dry_run:
        await _write(store, piece)
        await _tell(store, tenant, "identity.unlinked", component, (rest[0], out[0]), piece, by, now)
    return view


async def mark_shared(
    store: Store, tenant: str, identity: Identity, by: Attribution, *, shared: bool, now: Micros
) -> None:
    """Say that an identity belongs to several people (an info@ box, a family's phone), or that it
    does not: it then joins nobody, and look-ups by it are ambiguous."""
    key = await ensure_identity(store, tenant, identity)
    packed: bytes = msgpack.packb([by.who, now, by.reason])
    value = (SHARED if shared else NOT_SHARED) + packed
    place = store.keys.record(key)
    store.functions.gate.check()
    await store.connection.call_durable(b"HSET", place, b"s", value, key=place)


async def _tell(
    store: Store,
    tenant: str,
    type_: str,
    component: Component,
    ends: Sequence[bytes],
    piece: Evidence,
    by: Attribution,
    now: Micros,
) -> None:
    """The change as a touchpoint of those whose customer it changed; telling it again adds nothing.

    It makes nobody surer of them: its assurance is what is known of the identity without it.
    """
    hashes = store.hashes(tenant)
    touchpoints = [
        Touchpoint(
            id_space="identity",
            event_id=f"{type_} {piece.id.hex()} {it.key.hex()}",
            source="identity",
            channel="web",
            type=type_,
            occurred_at=now,
            identities=(Handle(it.identity, assurance_of(it, component.evidence)),),
            direction=Direction.INTERNAL,
            visibility=Visibility.INTERNAL,
            text=by.reason,
            actor={"name": by.who},
            data={"about": hashes.public(EVIDENCE, piece.one, piece.id)},
        )
        for it in (component.records[key] for key in ends if key in component.records)
    ]
    await record(store, tenant, touchpoints)
