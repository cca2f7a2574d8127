"""Chains: the conversations about one matter, which share an owner and at most one pending handoff."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from handoff.codec.records import decode_as
from handoff.domain.errors import Conflict
from handoff.domain.handoff import Handoff
from handoff.store.repositories.tenant.handoff_records import HandoffRecords

from .records import Chain, read_handoffs
from .targets import Target


class VersionedChain(Struct, frozen=True, kw_only=True):
    """A chain with its version. `joins` is a conversation that the next change adds to it."""

    root: bytes
    version: int
    chain: Chain
    joins: bytes | None = None


async def read_chain(records: HandoffRecords, conversation: bytes, home: bytes) -> VersionedChain:
    """A conversation's chain; a new chain has version 0. Two round trips."""
    found = await records.chain_of(conversation)
    if found.version:
        chain = decode_as(found.blob, Chain)
    else:
        chain = Chain(root=found.root, home=home, members=((found.root, None),))
    return VersionedChain(root=found.root, version=found.version, chain=chain)


async def chain_for(records: HandoffRecords, target: Target, previous: bytes | None) -> VersionedChain:
    """The conversation's own chain, or the chain of the `previous` conversation that it continues.

    Raises Conflict (`chains_differ`) if both conversations already have a chain.
    """
    own = await read_chain(records, target.conversation, target.home)
    if previous is None or previous == target.conversation:
        return own
    other = await read_chain(records, previous, target.home)
    if other.root == own.root:
        return own
    if own.version:
        raise Conflict("both conversations have a history of handoffs", code="chains_differ")
    members = (*other.chain.members, (target.conversation, previous))
    joined = msgspec.structs.replace(other.chain, members=members)
    return msgspec.structs.replace(other, chain=joined, joins=target.conversation)


async def read_members(records: HandoffRecords, chain: Chain) -> dict[bytes, Handoff]:
    """The chain's owning, pending and latest handoffs by their ids. One round trip."""
    ids = [id_ for id_ in dict.fromkeys((chain.owning, chain.pending, chain.latest)) if id_]
    found = await read_handoffs(records, ids)
    return dict(zip(ids, found, strict=True))
