"""Evidence that two identities are one person, and what follows from it.

`resolve` is the only place that decides who a customer is. It looks at a whole component at once
and never at the identity that was asked for, so that customers are a partition of the identities.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping
from enum import IntEnum, StrEnum

from msgspec import Struct

from .clock import Micros
from .identity import ANONYMOUS, REFERENCE, Assurance, Identity
from .identity_rules import DEFAULT_LIMITS

MAX_COMPONENT = 500  # identities; above it something joins strangers, so everybody stands alone
MAX_STRONG_NEIGHBOURS = 20  # an identity verified for more strong identities than this is shared


class Statement(StrEnum):
    """What a piece of evidence says of its two identities."""

    SAME = "same"
    NOT_SAME = "not_same"


class EvidenceClass(IntEnum):
    """Who said it: an agent's word stands above what senders state by themselves."""

    AUTOMATIC = 0
    AGENT = 1


class Evidence(Struct, frozen=True, kw_only=True):
    """One statement about two identities, given by their keys; `one` is where it is stored.

    A split says `not_same` of many at once, in one piece, so that it holds as a whole or not at
    all: everybody in `left` is somebody else than everybody in `right`.
    """

    id: bytes
    one: bytes
    other: bytes
    statement: Statement
    assurance: Assurance
    evidence_class: EvidenceClass
    source: str
    touchpoint: bytes | None
    who: str
    recorded_at: Micros
    why: str = ""
    withdrawn: bool = False
    left: tuple[bytes, ...] = ()
    right: tuple[bytes, ...] = ()

    @property
    def apart(self) -> list[tuple[bytes, bytes]]:
        """The pairs that a standing `not_same` keeps apart."""
        if self.left:
            return [(one, other) for one in self.left for other in self.right]
        return [(self.one, self.other)]

    def touches(self, keys: Container[bytes]) -> bool:
        """Whether it speaks of one of the identities."""
        return any(key in keys for key in (self.one, self.other, *self.left, *self.right))

    @property
    def pair(self) -> tuple[bytes, bytes]:
        return (self.one, self.other) if self.one <= self.other else (self.other, self.one)


class Node(Struct, frozen=True, kw_only=True):
    """An identity of a component: its plain value, when it was first recorded, and an agent's mark."""

    identity: Identity
    recorded_at: Micros
    shared_mark: bool = False


class Refusal(Struct, frozen=True, kw_only=True):
    """Evidence that a guard kept from joining: shown as a conflict on both sides."""

    evidence: Evidence
    reason: str


class Group(Struct, frozen=True, kw_only=True):
    """One customer: its identities by key, the key its id is made from, and what was refused."""

    root: bytes
    members: tuple[bytes, ...]
    shared: bool
    conflicts: tuple[Refusal, ...]


class Resolution(Struct, frozen=True, kw_only=True):
    """The partition of a component into customers."""

    groups: tuple[Group, ...]
    shared: frozenset[bytes]
    oversized: bool = False

    def group_of(self, key: bytes) -> Group:
        return next(group for group in self.groups if key in group.members)


def joins(evidence: Evidence) -> bool:
    """Whether the piece may connect customers: standing, verified and saying `same`."""
    return (
        not evidence.withdrawn
        and evidence.statement is Statement.SAME
        and evidence.assurance is Assurance.VERIFIED
        and evidence.one != evidence.other
    )


def shared_identities(nodes: Mapping[bytes, Node], evidence: Iterable[Evidence]) -> frozenset[bytes]:
    """Identities that belong to several people: marked, verified for two logins of one space, or for
    more than MAX_STRONG_NEIGHBOURS handles of any kind but the anonymous, short-lived ones.

    Only the strongest class of an identity's edges counts: an agent who said whose it is settles it.
    """
    neighbours: dict[bytes, dict[bytes, EvidenceClass]] = defaultdict(dict)
    for piece in evidence:
        if joins(piece) and piece.one in nodes and piece.other in nodes:
            for here, there in ((piece.one, piece.other), (piece.other, piece.one)):
                known = neighbours[here].get(there, EvidenceClass.AUTOMATIC)
                neighbours[here][there] = max(known, piece.evidence_class)
    shared = {key for key, node in nodes.items() if node.shared_mark}
    for key, edges in neighbours.items():
        if nodes[key].identity.type == "user":
            continue
        strongest = max(edges.values())
        near = [nodes[other].identity for other, class_ in edges.items() if class_ == strongest]
        logins = Counter(it.space for it in near if it.type == "user")
        lasting = sum(1 for it in near if it.type not in (ANONYMOUS, REFERENCE))
        if lasting > MAX_STRONG_NEIGHBOURS or any(count > 1 for count in logins.values()):
            shared.add(key)
    return frozenset(shared)


class _Partition:
    """Union-find that refuses a union which would break a guard."""

    def __init__(
        self, nodes: Mapping[bytes, Node], apart: Iterable[tuple[bytes, bytes]], limits: Mapping[str, int]
    ) -> None:
        self._nodes = nodes
        self._limits = limits
        self.groups: dict[bytes, set[bytes]] = {key: {key} for key in nodes}
        self._apart: dict[bytes, set[bytes]] = defaultdict(set)
        for one, other in apart:
            self._apart[one].add(other)
            self._apart[other].add(one)

    def refusal(self, one: bytes, other: bytes) -> str | None:
        """Why the groups of the two may not become one, or None."""
        left, right = self.groups[one], self.groups[other]
        if left is right:
            return None
        if any(not self._apart[key].isdisjoint(right) for key in left if key in self._apart):
            return "not_same"
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for key in (*left, *right):
            it = self._nodes[key].identity
            counts[it.type, it.space] += 1
        for (type_, _space), count in counts.items():
            limit = self._limits.get(type_)
            if limit is not None and count > limit:
                return f"two_{type_}s" if limit == 1 else f"too_many_{type_}s"
        return None

    def unite(self, one: bytes, other: bytes) -> None:
        left, right = self.groups[one], self.groups[other]
        if left is not right:
            left |= right
            for key in right:
                self.groups[key] = left


def resolve(
    nodes: Mapping[bytes, Node], evidence: Collection[Evidence], limits: Mapping[str, int] = DEFAULT_LIMITS
) -> Resolution:
    """The customers of one connected component.

    `nodes` maps identity key to node; evidence about other keys is left out. The result depends on
    the contents only, not on any order. A component above MAX_COMPONENT stands alone, each identity
    by itself, with `oversized` set.
    """
    pieces = [piece for piece in evidence if piece.one in nodes and piece.other in nodes]
    shared = shared_identities(nodes, pieces)
    if len(nodes) > MAX_COMPONENT:
        alone = tuple(
            Group(root=key, members=(key,), shared=key in shared, conflicts=()) for key in sorted(nodes)
        )
        return Resolution(groups=alone, shared=shared, oversized=True)
    apart = {
        pair
        for piece in evidence
        if piece.statement is Statement.NOT_SAME and not piece.withdrawn
        for pair in piece.apart
    }
    partition = _Partition(nodes, apart, limits)
    refused: list[Refusal] = []
    edges = [piece for piece in pieces if joins(piece)]
    edges.sort(key=lambda piece: (-piece.evidence_class, piece.recorded_at, piece.id))
    for piece in edges:
        if REFERENCE in (nodes[piece.one].identity.type, nodes[piece.other].identity.type):
            continue
        if piece.one in shared or piece.other in shared:
            refused.append(Refusal(evidence=piece, reason="shared"))
            continue
        reason = partition.refusal(piece.one, piece.other)
        if reason:
            refused.append(Refusal(evidence=piece, reason=reason))
        else:
            partition.unite(piece.one, piece.other)
    groups = {id(group): group for group in partition.groups.values()}
    return Resolution(
        groups=tuple(
            sorted((_group(members, nodes, shared, refused) for members in groups.values()), key=_by_root)
        ),
        shared=shared,
    )


def _by_root(group: Group) -> bytes:
    return group.root


def _group(
    members: set[bytes], nodes: Mapping[bytes, Node], shared: frozenset[bytes], refused: list[Refusal]
) -> Group:
    def seniority(key: bytes) -> tuple[bool, Micros, bytes]:
        return (nodes[key].identity.type != "user", nodes[key].recorded_at, key)

    root = min(members, key=seniority)
    # Evidence between members that were joined in another way after all is no conflict.
    conflicts = tuple(
        refusal
        for refusal in refused
        if (refusal.evidence.one in members) != (refusal.evidence.other in members)
    )
    return Group(
        root=root,
        members=tuple(sorted(members, key=seniority)),
        shared=root in shared,
        conflicts=conflicts,
    )
