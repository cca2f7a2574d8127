"""What a context is made of, in few bytes: whether it would be the same again, without its timeline.

Reading and decoding the timeline is nearly all of a context's cost. That nothing in it has changed is
told by the heads of its identities, which change with every entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.handoff import Handoff
from handoff.store.records import IdentityRecord
from handoff.store.store import Store

from .completeness import Completeness, Monitor
from .customers import Customer
from .handoff_records import Chain, read_chains, read_of_homes

_ENCODE = msgspec.msgpack.Encoder().encode


class Basis(Struct, frozen=True, kw_only=True):
    """`conversations` and the beginning of the oldest open one follow from the timeline;
    `with_completeness`: whether that was among what was asked for."""

    digest: bytes
    with_completeness: bool
    conversations: tuple[bytes, ...]
    since: Micros | None


def digest_of(
    customer: Customer,
    handoffs: Sequence[Handoff],
    chains: Mapping[bytes, Chain],
    completeness: Completeness | None,
) -> bytes:
    """16 bytes over all that a context is made of, but for when sources were last heard."""
    records = customer.component.records
    state = blake2b(digest_size=16)
    state.update(_ENCODE([customer.id, *(_standing(records[key]) for key in sorted(records))]))
    state.update(_ENCODE((handoffs, sorted(chains.items()), customer.claims_left_out)))
    if completeness is not None:
        sources = [(it.name, it.spooled, it.quarantined) for it in completeness.sources]
        state.update(_ENCODE((completeness.state, sources)))
    return state.digest()


def _standing(it: IdentityRecord) -> tuple[object, ...]:
    """What changes with every touchpoint filed under an identity and every word said of it."""
    withdrawn = sum(1 for piece in it.evidence if piece.withdrawn)
    said = (len(it.evidence), withdrawn, len(it.pointers), len(it.withdrawals), it.shared_mark, it.crowded)
    return it.key, it.last_arrival, it.touchpoints, sum(it.references.values()), len(it.episodes), said


async def look_again(
    store: Store, monitor: Monitor, tenant: str, customer: Customer, basis: Basis, now: Micros
) -> bytes:
    """The digest that a context on this basis would have now; as many round trips as its own, less the
    timeline's."""
    control = store.control(tenant)
    chains = await read_chains(control, basis.conversations)
    handoffs = await read_of_homes(control, [it.key for it in customer.members])
    completeness = None
    if basis.with_completeness:
        completeness = await monitor.completeness(tenant, since=basis.since, now=now)
    return digest_of(customer, handoffs, chains, completeness)
