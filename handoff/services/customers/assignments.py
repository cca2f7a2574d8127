"""Assignments: an agent gives a touchpoint on a shared identity, or its conversation, to one person.

An assignment is evidence at the shared identity. It joins no identities, moves nothing, and has no effect
while the identity is not shared. The latest one counts; withdrawing it restores the one before.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, EVIDENCE, TOUCHPOINT
from handoff.domain.clock import Micros
from handoff.domain.errors import Conflict, NotFound, Unprocessable
from handoff.domain.evidence import Statement
from handoff.domain.identities.sharing import Ownership
from handoff.domain.identity import REFERENCE, Identity
from handoff.services.timeline.recording import ensure_identity, refuse_placeholder
from handoff.services.timeline.views import conversation_of, public_conversation
from handoff.store.repositories.components import walk
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store

from .customer import resolve_component
from .links import Attribution, agent_evidence, record_change, write_evidence


class AssignmentView(Struct, frozen=True, kw_only=True):
    """An assignment. `id` is its evidence: withdraw it to undo the assignment.

    `conversation_id` is set if the whole conversation was assigned. `replaces` is the assignment that counted
    before and counts again when this one is withdrawn.
    """

    id: str
    touchpoint: str
    conversation_id: str | None
    shared_identity: str
    identity: str
    customer_id: str
    by: str
    reason: str
    replaces: str | None
    created: bool


async def assign(
    store: Store,
    tenant: str,
    touchpoint_id: str,
    identity: Identity,
    by: Attribution,
    *,
    whole: bool,
    now: Micros,
) -> AssignmentView:
    """Assign a touchpoint, or its `whole` conversation, to the person with an identity.

    Raises NotFound for an unknown touchpoint, Conflict (`not_shared`) if only one person has the identity
    that it is filed under, Conflict (`ambiguous_identity`) if several people share the given identity.
    Repeating the assignment that counts writes nothing.
    """
    hashes = store.hashes(tenant)
    home, id_ = hashes.private(TOUCHPOINT, touchpoint_id, 2)
    _require_person(identity, store)
    (stored,) = await read_places(store.connection, store.keys, [(home, id_)])
    other = hashes.identity(identity)
    component = await walk(store.of(tenant).people.reader(), [home, other])
    if stored is None or home not in component.reached:
        raise NotFound("there is no such touchpoint")
    resolution = resolve_component(store, component)
    _require_shared(home in resolution.shared, other in resolution.shared, component.records[home].identity)
    conversation = conversation_of(hashes, component.records[home], stored, stored.body())
    before = Ownership(home, component.evidence).assignment(id_, conversation)
    repeated = before is not None and (before.other, before.whole) == (other, whole)
    if before is not None and repeated:
        piece = before
    else:
        fields = {"touchpoint": id_, "conversation": conversation, "whole": whole}
        piece = msgspec.structs.replace(agent_evidence(home, other, Statement.ASSIGNED, by), **fields)
        await ensure_identity(store, tenant, identity)
        await write_evidence(store, tenant, piece)
        component = await walk(store.of(tenant).people.reader(), [home, other])
    await record_change(store, tenant, "identity.linked", component, (home, other), piece, by, now)
    return AssignmentView(
        id=hashes.public(EVIDENCE, piece.one, piece.id),
        touchpoint=touchpoint_id,
        conversation_id=public_conversation(hashes, conversation) if whole else None,
        shared_identity=str(component.records[home].identity),
        identity=str(identity),
        customer_id=hashes.public(CUSTOMER, resolve_component(store, component).group_of(other).root),
        by=piece.who,
        reason=piece.why,
        replaces=None if repeated or before is None else hashes.public(EVIDENCE, before.one, before.id),
        created=not repeated,
    )


def _require_shared(home: bool, other: bool, name: Identity) -> None:
    if not home:
        raise Conflict(
            f"only one person has {name}: link or split identities instead of assigning touchpoints",
            code="not_shared",
        )
    if other:
        raise Conflict("several people share this identity: name one person", code="ambiguous_identity")


def _require_person(identity: Identity, store: Store) -> None:
    if identity.type == REFERENCE:
        raise Unprocessable("a reference identifies no person", code="reference_never_joins")
    refuse_placeholder(identity, store.rules)
