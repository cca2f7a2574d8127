"""Links that agents make: confirming, withdrawing and splitting, all of it reversible.

Every change is one entry in one place, written after the pointers that lead to it, so that it takes effect
completely or not at all. Nothing is deleted: withdrawing evidence adds an entry that overrules it, and this
entry can itself be withdrawn.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

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
    effective,
    resolve,
)
from handoff.domain.identity import REFERENCE, Assurance, Handle, Identity
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.timeline.recording import ensure_identity, record, refuse_placeholder
from handoff.store.repositories.components import Component, walk
from handoff.store.repositories.identities import (
    IdentityRecord,
    pack_evidence,
    pack_pointer,
)
from handoff.store.repositories.recorder import Pointer
from handoff.store.store import Store

from .customer import assurance_of, by_id, require_current
from .link_views import ForecastView, forecast
from .spellings import spelling_evidence

_KEEPING_APART = (Statement.NOT_SAME, Statement.SEPARATE)


class Attribution(Struct, frozen=True, kw_only=True):
    """The author of a change and the reason for it."""

    who: str
    reason: str


def agent_evidence(one: bytes, other: bytes, statement: Statement, by: Attribution) -> Evidence:
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
        recorded_at=2**62,  # after all existing evidence; the store's clock sets the real time
        why=by.reason,
    )


async def write_evidence(store: Store, tenant: str, piece: Evidence) -> None:
    """Write a pointer at each other end, and then the evidence itself, which makes the change effective."""
    field = pack_pointer(piece)
    ends = [end for end in piece.ends if end != piece.one]
    await store.recorder.point([Pointer(end, store.keys.record(end), (field,)) for end in ends])
    key = store.keys.record(piece.one)
    recorded = (await store.of(tenant).people.clock(piece.one)).to_bytes(8, "big")
    name = b"e" + piece.id
    stated = await store.of(tenant).people.sealed(piece.one, name, pack_evidence(piece))
    fields = ((name, recorded + stated),)
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
    """Confirm that an identity belongs to this customer. Conflict (`guard_refused`) if a guard forbids it.

    A link overrules earlier `not_same` statements of agents until it is withdrawn; `withdrawn` lists them. A
    claim only makes a candidate. Nothing is written if the identity already belongs to the customer.
    """
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    root = customer.group.root
    if REFERENCE in (identity.type, customer.component.reached[root].identity.type):
        raise Unprocessable("a reference finds customers and never joins them", code="reference_never_joins")
    refuse_placeholder(identity, store.rules)
    hashes = store.hashes(tenant)
    other = hashes.identity(identity)
    reading = store.of(tenant).people.reader()
    component = await walk(reading, [root, other])
    if other not in component.reached:
        component.reached[other] = _unseen(other, identity)
    before = resolve(component.nodes, component.evidence, store.rules.limits)
    piece, overruled = _linking(component, before, (root, other), by, assurance)
    after = resolve(component.nodes, [*component.evidence, piece], store.rules.limits)
    if assurance is Assurance.VERIFIED:
        _require_joined(after, root, other, piece)
    theirs = before.group_of(root) is before.group_of(other)
    view = forecast(hashes, component, (before, after), [root, other], None if theirs else piece, dry_run)
    if dry_run:
        return view
    if theirs:
        done = _earlier_statement(component, Statement.SAME, {root, other})
        if done:
            await record_change(store, tenant, "identity.linked", component, [done.one], done, by, now)
        return view
    await ensure_identity(store, tenant, identity)
    await write_evidence(store, tenant, piece)
    await record_change(store, tenant, "identity.linked", component, [root], piece, by, now)
    return msgspec.structs.replace(
        view, withdrawn=[hashes.public(EVIDENCE, it.one, it.id) for it in overruled]
    )


def _require_joined(after: Resolution, root: bytes, other: bytes, piece: Evidence) -> None:
    """Raise Conflict (`guard_refused`) if the link does not join the two identities."""
    if after.group_of(root) is after.group_of(other):
        return
    refusals = [it.reason for it in after.group_of(root).conflicts if it.evidence.id == piece.id]
    raise Conflict(
        f"a guard forbids this link: {', '.join(refusals) or 'oversized'}",
        code="guard_refused",
        reasons=refusals or ["oversized"],
    )


def _earlier_statement(component: Component, statement: Statement, ends: set[bytes]) -> Evidence | None:
    """The statement of an agent that a repeated request would make again: its first response was lost."""
    for piece in component.evidence:
        by_agent = piece.evidence_class is EvidenceClass.AGENT and piece.statement is statement
        if by_agent and not piece.withdrawn and ends <= {piece.one, piece.other, *piece.left}:
            return piece
    return None


def _linking(
    component: Component, before: Resolution, pair: tuple[bytes, bytes], by: Attribution, assurance: Assurance
) -> tuple[Evidence, list[Evidence]]:
    """The statement that two identities are one person, and the `not_same` statements that it overrules.

    It overrules them between these two customers only, even if they concern other identities as well.
    """
    root, other = pair
    piece = msgspec.structs.replace(agent_evidence(root, other, Statement.SAME, by), assurance=assurance)
    if assurance is not Assurance.VERIFIED:
        return piece, []
    left, right = set(before.group_of(root).members), set(before.group_of(other).members)
    objections = Objections(component.evidence)
    overruled: dict[bytes, Evidence] = {}
    here, there = [root], [other]
    for against in component.evidence:
        if against.statement is not Statement.NOT_SAME:
            continue
        for these, those in (against.sides, against.sides[::-1]):
            ours, theirs = [key for key in these if key in left], [key for key in those if key in right]
            if any(objections.of_pair(against, one, two) for one in ours for two in theirs):
                overruled[against.id] = against
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
    """Withdraw one piece of evidence.

    Withdrawing `same` adds `not_same`, so that senders that repeat the link do not restore it. Withdrawing
    that `not_same` restores the link. All evidence from senders about the two identities is withdrawn
    together; withdrawing an agent's link leaves the senders' evidence in effect. Withdrawing an assignment
    restores the one before it. Withdrawing a `separate` shows its touchpoint with its copies again.
    Withdrawing another spelling of a number refuses that candidate.
    """
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    hashes = store.hashes(tenant)
    home, id_ = hashes.private(EVIDENCE, link_id, 2)
    reading = store.of(tenant).people.reader()
    await reading.read([home])
    stored = reading.records[home].evidence if home in reading.records else ()
    spellings = spelling_evidence(hashes, customer.component, customer.group.members)
    known = (*stored, *spellings)
    found = next((it for it in known if it.id == id_ and it.touches(customer.group.members)), None)
    if found is None:
        raise NotFound("there is no such link of this customer")
    component = await walk(reading, [customer.group.root, *found.ends])
    before = resolve(component.nodes, component.evidence, store.rules.limits)
    against = None
    if found.statement is Statement.SAME:
        pieces = effective((*spellings, *component.evidence))
        found = next(it for it in pieces if it.id == id_)
        against = None if found.withdrawn else _against(pieces, found, by)
        changed = [*component.evidence, *([against] if against else ())]
    else:
        taken = msgspec.structs.replace(found, withdrawn=True)
        changed = [taken if it.id == id_ else it for it in _stored_evidence(component)]
    after = resolve(component.nodes, changed, store.rules.limits)
    around = [key for key in (customer.group.root, *found.ends) if key in component.nodes]
    view = forecast(hashes, component, (before, after), around, against, dry_run)
    if dry_run:
        return view
    if against:
        await write_evidence(store, tenant, against)
    elif found.statement is not Statement.SAME:
        packed: bytes = msgpack.packb([by.who, now, by.reason])
        stated = await store.of(tenant).people.sealed(home, b"w" + id_, packed)
        place = Pointer(home, store.keys.record(home), ((b"w" + id_, stated),))
        await store.recorder.point([place])
    cause = against or _overruling(component, found) or found
    type_ = "identity.linked" if found.statement in _KEEPING_APART else "identity.unlinked"
    await record_change(store, tenant, type_, component, (found.one, found.other), cause, by, now)
    return view


def _overruling(component: Component, found: Evidence) -> Evidence | None:
    return next((it for it in component.evidence if found.id in it.over and not it.withdrawn), None)


def _stored_evidence(component: Component) -> list[Evidence]:
    """The stored evidence, before the withdrawals in other evidence are applied."""
    return [it for record in component.records.values() for it in record.evidence]


def _against(pieces: Iterable[Evidence], found: Evidence, by: Attribution) -> Evidence:
    """The `not_same` statement that withdraws a `same`."""
    automatic = found.evidence_class is EvidenceClass.AUTOMATIC
    over = [
        it.id
        for it in pieces
        if it.pair == found.pair
        and it.statement is Statement.SAME
        and not it.withdrawn
        and (automatic or it.evidence_class is found.evidence_class)
    ]
    piece = agent_evidence(found.one, found.other, Statement.NOT_SAME, by)
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
    """Separate identities from a customer, regardless of the evidence that joins them, by one statement."""
    customer = await by_id(store, tenant, customer_id)
    require_current(customer, customer_id)
    hashes = store.hashes(tenant)
    members, component = customer.group.members, customer.component
    out = tuple(dict.fromkeys(hashes.identity(it) for it in identities))
    foreign = [str(it) for it in identities if hashes.identity(it) not in members]
    if foreign:
        done = _earlier_statement(component, Statement.NOT_SAME, set(out))
        if done and done.left == out and not dry_run:
            view = forecast(
                hashes, component, (customer.resolution, customer.resolution), members, done, False
            )
            await record_change(
                store, tenant, "identity.unlinked", component, (done.one, done.other), done, by, now
            )
            return view
        raise Unprocessable(
            "not all of these are the customer's identities", code="not_theirs", identities=foreign
        )
    rest = tuple(key for key in members if key not in out)
    if not out or not rest or len(members) > MAX_COMPONENT:
        raise Unprocessable("a split must leave identities on both sides", code="nothing_to_split")
    piece = msgspec.structs.replace(
        agent_evidence(rest[0], out[0], Statement.NOT_SAME, by), left=out, right=rest
    )
    after = resolve(component.nodes, [*component.evidence, piece], store.rules.limits)
    view = forecast(hashes, component, (customer.resolution, after), members, piece, dry_run)
    if not dry_run:
        await write_evidence(store, tenant, piece)
        await record_change(store, tenant, "identity.unlinked", component, (rest[0], out[0]), piece, by, now)
    return view


async def mark_shared(
    store: Store, tenant: str, identity: Identity, by: Attribution, *, shared: bool, now: Micros
) -> None:
    """Mark an identity as shared by several people (an info@ mailbox, a family's phone), or as not shared.

    A shared identity joins no customers, and lookups by it are ambiguous.
    """
    key = await ensure_identity(store, tenant, identity)
    packed: bytes = msgpack.packb([by.who, now, by.reason])
    await store.of(tenant).people.mark_shared(key, packed, shared=shared)


async def record_change(
    store: Store,
    tenant: str,
    type_: str,
    component: Component,
    ends: Sequence[bytes],
    piece: Evidence,
    by: Attribution,
    now: Micros,
) -> None:
    """Record the change on the timelines of the customers that it affects. Repeating it adds nothing.

    Its assurance is that of the identity without this change: the change itself verifies nobody.
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
