"""Chains: the conversations about one matter, which share an owner and at most one pending handoff."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from handoff.domain.errors import Conflict
from handoff.domain.handoff import Handoff
from handoff.store.repositories.control import Control, decode_record, read_versioned

from .records import Chain, read_handoffs
from .targets import Target


async def read_chain(control: Control, conversation: bytes, home: bytes) -> tuple[bytes, int, Chain]:
    """Key, version and content of a conversation's chain; a new chain has version 0. Two round trips."""
    (stored_root,) = await control.read([control.keys.record("m", conversation)])
    root = decode_record(stored_root, bytes) if stored_root else conversation
    key = control.keys.record("r", root)
    (raw,) = await control.read([key])
    chain = decode_record(raw, Chain) if raw else Chain(root=root, home=home, members=((root, None),))
    return key, read_versioned(raw).version, chain


class JoinedChain(Struct, frozen=True, kw_only=True):
    """The chain of a handoff, with its version. `joins` is the key that adds a conversation to the chain."""

    key: bytes
    version: int
    chain: Chain
    joins: bytes | None = None


async def chain_for(control: Control, target: Target, previous: bytes | None) -> JoinedChain:
    """The conversation's own chain, or the chain of the `previous` conversation that it continues.

    Raises Conflict (`chains_differ`) if both conversations already have a chain.
    """
    key, version, chain = await read_chain(control, target.conversation, target.home)
    if previous is None or previous == target.conversation:
        return JoinedChain(key=key, version=version, chain=chain)
    other_key, other_version, other = await read_chain(control, previous, target.home)
    if other_key == key:
        return JoinedChain(key=key, version=version, chain=chain)
    if version:
        raise Conflict("both conversations have a history of handoffs", code="chains_differ")
    joined = msgspec.structs.replace(other, members=(*other.members, (target.conversation, previous)))
    joins = control.keys.record("m", target.conversation)
    return JoinedChain(key=other_key, version=other_version, chain=joined, joins=joins)


async def read_members(control: Control, chain: Chain) -> dict[bytes, Handoff]:
    """The chain's owning, pending and latest handoffs by their ids. One round trip."""
    ids = [id_ for id_ in dict.fromkeys((chain.owning, chain.pending, chain.latest)) if id_]
    found = await read_handoffs(control, ids)
    return dict(zip(ids, found, strict=True))
