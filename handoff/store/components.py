"""Walking evidence: the connected component of identities around those that were asked for.

An edge is followed while its evidence stands and could join (verified, `same`); claims and
refusals are read along the way. Each round is one round trip.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from handoff.domain.evidence import MAX_COMPONENT, Evidence, Node, joins, shared_identities
from handoff.domain.identity import STRONG_TYPES

from .connection import Connection
from .keys import Keys
from .records import IdentityRecord, as_mapping, read_record

MAX_JUDGED = MAX_COMPONENT + 1  # neighbours read of one weak identity: more of them is shared or oversized


class Component(Struct, frozen=True, kw_only=True):
    """What was found around some identities.

    `reached` are connected with them; `edge` are the far ends of claims, refusals and shared
    identities: read, so that they can be judged and shown, and not walked through.
    """

    reached: dict[bytes, IdentityRecord]
    edge: dict[bytes, IdentityRecord]
    evidence: tuple[Evidence, ...]

    @property
    def nodes(self) -> dict[bytes, Node]:
        """Everything that `resolve` needs to judge the reached identities."""
        return {key: record.node for key, record in (self.reached | self.edge).items()}


async def read_records(
    connection: Connection, keys: Keys, wanted: Iterable[bytes]
) -> dict[bytes, IdentityRecord]:
    """The records of the identities that exist, by key; one round trip."""
    order = list(wanted)
    if not order:
        return {}
    replies = await connection.pipeline([(b"HGETALL", keys.record(key)) for key in order])
    found: dict[bytes, IdentityRecord] = {}
    for key, reply in zip(order, replies, strict=True):
        if isinstance(reply, Exception):
            raise reply
        record = read_record(key, as_mapping(reply))
        if record:
            found[key] = record
    return found


async def walk(connection: Connection, keys: Keys, start: Iterable[bytes]) -> Component:
    """The component around `start`. Stops above MAX_COMPONENT identities, which `resolve` then reports."""
    begin = tuple(start)
    seen: dict[bytes, IdentityRecord] = {}
    reached: set[bytes] = set(begin)
    frontier = set(begin)
    asked: set[bytes] = set()
    while frontier and len(reached) <= MAX_COMPONENT:
        asked |= frontier
        seen |= await read_records(connection, keys, sorted(frontier))
        reached = _reached(seen, begin)
        frontier = {far for key in reached for far in _far_ends(seen[key])} - asked
    evidence = {piece.id: piece for record in seen.values() for piece in record.evidence}
    return Component(
        reached={key: seen[key] for key in reached},
        edge={key: record for key, record in seen.items() if key not in reached},
        evidence=tuple(evidence.values()),
    )


def _far_ends(record: IdentityRecord) -> list[bytes]:
    """What may lie at the other end of this identity's evidence.

    A pointer says only where evidence may be stored: its home is read to see whether it stands. Of
    an identity that hundreds of people share a part is enough to see that it is shared.
    """
    ends = [home for _id, home in sorted(record.pointers)]
    ends += [
        key
        for piece in record.evidence
        if not piece.withdrawn
        for key in (piece.one, piece.other, *piece.left, *piece.right)
    ]
    return ends if record.identity.type in STRONG_TYPES else ends[:MAX_JUDGED]


def _reached(seen: dict[bytes, IdentityRecord], start: Iterable[bytes]) -> set[bytes]:
    """The identities that standing evidence connects with `start`, not through shared ones."""
    edges = [piece for record in seen.values() for piece in record.evidence if joins(piece)]
    shared = shared_identities({key: record.node for key, record in seen.items()}, edges)
    neighbours: dict[bytes, set[bytes]] = {}
    for piece in edges:
        neighbours.setdefault(piece.one, set()).add(piece.other)
        neighbours.setdefault(piece.other, set()).add(piece.one)
    reached: set[bytes] = set()
    todo = [key for key in start if key in seen]
    while todo:
        key = todo.pop()
        if key in reached:
            continue
        reached.add(key)
        if key not in shared:
            todo += [other for other in neighbours.get(key, ()) if other in seen]
    return reached
