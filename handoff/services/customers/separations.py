"""Separations: an agent states that a touchpoint is an act of its own, whatever it resembles.

A separation is evidence at the identity of the touchpoint. It joins no identities and moves nothing:
withdrawing it restores what the rules find.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, EVIDENCE, TOUCHPOINT, KeyedHash
from handoff.domain.clock import Micros
from handoff.domain.errors import NotFound, Restricted
from handoff.domain.evidence import Evidence, Statement
from handoff.store.repositories.components import walk
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store

from .customer import resolve_component
from .links import Attribution, agent_evidence, record_change, write_evidence


class SeparationView(Struct, frozen=True, kw_only=True):
    """A separation. `id` is its evidence: withdraw it to undo the separation."""

    id: str
    touchpoint: str
    identity: str
    customer_id: str
    by: str
    reason: str
    created: bool


async def separate(
    store: Store, tenant: str, touchpoint_id: str, by: Attribution, *, now: Micros
) -> SeparationView:
    """Show a touchpoint by itself from now on. Raises NotFound for an unknown one.

    Repeating it writes nothing.
    """
    hashes = store.hashes(tenant)
    home, id_ = hashes.private(TOUCHPOINT, touchpoint_id, 2)
    (stored,) = await read_places(store.connection, store.keys, [(home, id_)])
    component = await walk(store.of(tenant).people.reader(), [home])
    if stored is None or stored.reference is not None or home not in component.reached:
        raise NotFound("there is no such touchpoint")
    record = component.records[home]
    if record.restricted:
        raise Restricted()
    piece = next((it for it in _separations(record) if it.touchpoint == id_), None)
    created = piece is None
    if piece is None:
        piece = msgspec.structs.replace(agent_evidence(home, home, Statement.SEPARATE, by), touchpoint=id_)
        await write_evidence(store, tenant, piece)
        component = await walk(store.of(tenant).people.reader(), [home])
    await record_change(store, tenant, "identity.unlinked", component, (home,), piece, by, now)
    return SeparationView(
        id=hashes.public(EVIDENCE, home, piece.id),
        touchpoint=touchpoint_id,
        identity=str(record.identity),
        customer_id=hashes.public(CUSTOMER, resolve_component(store, component).group_of(home).root),
        by=piece.who,
        reason=piece.why,
        created=created,
    )


def separated(hashes: KeyedHash, records: Iterable[IdentityRecord]) -> frozenset[str]:
    """The public ids of the touchpoints of these identities that are acts of their own."""
    return frozenset(
        hashes.public(TOUCHPOINT, record.key, piece.touchpoint)
        for record in records
        for piece in _separations(record)
        if piece.touchpoint is not None
    )


def _separations(record: IdentityRecord) -> list[Evidence]:
    return [it for it in record.evidence if it.statement is Statement.SEPARATE and not it.withdrawn]
