"""Evidence that identities belong to one person, and the resulting customers.

Only `resolve` decides which identities form a customer. It considers a whole component, not the
requested identity, so that customers are a partition of the identities.

An agent's statement against earlier evidence names that evidence (`over`) and overrules it until it is
withdrawn itself. Each change is therefore one piece of evidence, effective as a whole or not at all,
and withdrawing it restores the previous state exactly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping
from enum import IntEnum, StrEnum

from msgspec import Struct, structs

from .clock import Micros
from .identity import ACCOUNT_TYPES, ANONYMOUS, REFERENCE, STRONG_TYPES, Assurance, Identity
from .identity_rules import DEFAULT_LIMITS

MAX_COMPONENT = 500  # identities; a larger component would join strangers, so it is not joined at all
MAX_STRONG_NEIGHBOURS = 20  # an identity verified for more strong identities than this is shared


class Statement(StrEnum):
    """The relation that evidence states for its two identities."""

    SAME = "same"
    NOT_SAME = "not_same"
    ASSIGNED = "assigned"
    """A touchpoint, or a conversation, of `one` is from the person with the identity `other`. It never joins
    the two."""
    SEPARATE = "separate"
    """A touchpoint of `one` is an act of its own, whatever it resembles. `other` is `one`."""


_ABOUT_TOUCHPOINTS = frozenset({Statement.ASSIGNED, Statement.SEPARATE})


class EvidenceClass(IntEnum):
    """The origin of evidence. An agent's statement overrules automatic ones from senders."""

    AUTOMATIC = 0
    AGENT = 1


AUTOMATIC = EvidenceClass.AUTOMATIC


class Evidence(Struct, frozen=True, kw_only=True):
    """One statement about two identities, given by their keys. It is stored at `one`.

    `left` and `right` are its two sides if there are more than two identities: a split states
    `not_same` for each pair of `left` and `right`. `over` lists the ids of evidence that it overrules
    until it is withdrawn: a `not_same` overrules `same`; a `same` overrules `not_same` between its own
    two sides. With `finds`, one of the two is a reference, which finds the other but never joins it.
    An assignment names its `touchpoint` and that touchpoint's `conversation`; with `whole` it covers
    everything of the conversation. A `separate` names its `touchpoint`.
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
    over: tuple[bytes, ...] = ()
    finds: bool = False
    conversation: bytes = b""
    whole: bool = False

    @property
    def sides(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """The identities on each side of the statement."""
        return (self.left, self.right) if self.left else ((self.one,), (self.other,))

    def relates(self, one: bytes, other: bytes) -> bool:
        """Whether the two are on opposite sides of the statement."""
        left, right = self.sides
        return (one in left and other in right) or (other in left and one in right)

    @property
    def ends(self) -> tuple[bytes, ...]:
        """Every identity in the statement, once."""
        return tuple(dict.fromkeys((self.one, self.other, *self.left, *self.right)))

    def touches(self, keys: Container[bytes]) -> bool:
        """Whether the statement includes one of the identities."""
        return any(key in keys for key in self.ends)

    @property
    def pair(self) -> tuple[bytes, bytes]:
        return (self.one, self.other) if self.one <= self.other else (self.other, self.one)


class Node(Struct, frozen=True, kw_only=True):
    """An identity of a component: its plain value, its first record, and an agent's mark as shared.

    `crowded` is true if senders joined it with more than MAX_COMPONENT others: it is then not joined.
    """

    identity: Identity
    recorded_at: Micros
    shared_mark: bool = False
    crowded: bool = False


class Refusal(Struct, frozen=True, kw_only=True):
    """Evidence that a guard refused. It is shown as a conflict on both sides."""

    evidence: Evidence
    reason: str


class Group(Struct, frozen=True, kw_only=True):
    """One customer: its identities by key, the key of its id, and refused evidence."""

    root: bytes
    members: tuple[bytes, ...]
    shared: bool
    conflicts: tuple[Refusal, ...]


class Resolution(Struct, frozen=True, kw_only=True):
    """The partition of a component into customers. `oversized` is true if a part was too large to resolve."""

    groups: tuple[Group, ...]
    shared: frozenset[bytes]
    oversized: bool = False

    def group_of(self, key: bytes) -> Group:
        return next(group for group in self.groups if key in group.members)


def joins(evidence: Evidence) -> bool:
    """Whether the evidence may join identities: effective, verified, and stating `same` for two handles."""
    return (
        not evidence.withdrawn
        and not evidence.finds
        and evidence.statement is Statement.SAME
        and evidence.assurance is Assurance.VERIFIED
        and evidence.one != evidence.other
    )


def effective(evidence: Iterable[Evidence]) -> list[Evidence]:
    """The evidence, each id once, with `withdrawn` set where an effective `not_same` overrules it."""
    pieces = {piece.id: piece for piece in evidence}
    for against in list(pieces.values()):
        if against.statement is not Statement.NOT_SAME or against.withdrawn:
            continue
        for id_ in against.over:
            piece = pieces.get(id_)
            if piece and piece.statement is Statement.SAME and against.relates(piece.one, piece.other):
                pieces[id_] = structs.replace(piece, withdrawn=True)
    return list(pieces.values())


class Objections:
    """The identities that effective evidence keeps apart, and since when."""

    def __init__(self, evidence: Iterable[Evidence]) -> None:
        self._by_key: dict[bytes, list[tuple[tuple[bytes, ...], Evidence]]] = defaultdict(list)
        self._overruled: dict[bytes, list[Evidence]] = defaultdict(list)
        self._known: dict[bytes, dict[bytes, Micros]] = {}
        for piece in evidence:
            if piece.withdrawn or piece.statement in _ABOUT_TOUCHPOINTS:
                continue
            if piece.statement is Statement.SAME:
                for id_ in piece.over:
                    self._overruled[id_].append(piece)
                continue
            left, right = piece.sides
            for here, there in ((left, right), (right, left)):
                for key in here:
                    self._by_key[key].append((there, piece))

    def of(self, key: bytes) -> Mapping[bytes, Micros]:
        """The identities that must not be joined with this one, with the time of the earliest statement."""
        if key not in self._known:
            found: dict[bytes, Micros] = {}
            for others, piece in self._by_key.get(key, ()):
                for other in others:
                    if other != key and not self._is_overruled(piece, key, other):
                        found[other] = min(piece.recorded_at, found.get(other, piece.recorded_at))
            self._known[key] = found
        return self._known[key]

    def between(self, one: Collection[bytes], other: Collection[bytes]) -> bool:
        """Whether any identity in `one` is kept apart from any in `other`."""
        return any(apart in other for key in one for apart in self.of(key))

    def of_piece(self, piece: Evidence) -> bool:
        """Whether a `not_same` still keeps any two of its identities apart."""
        left, right = piece.sides
        return any(self.of_pair(piece, one, other) for one in left for other in right)

    def of_pair(self, piece: Evidence, one: bytes, other: bytes) -> bool:
        """Whether a `not_same` about these two still keeps them apart."""
        return one != other and not piece.withdrawn and not self._is_overruled(piece, one, other)

    def _is_overruled(self, piece: Evidence, one: bytes, other: bytes) -> bool:
        return any(by.relates(one, other) for by in self._overruled.get(piece.id, ()))


def shared_identities(
    nodes: Mapping[bytes, Node], evidence: Iterable[Evidence], objections: Objections | None = None
) -> frozenset[bytes]:
    """Identities of several people: marked as shared, or verified for two accounts of one space, or for
    more than MAX_STRONG_NEIGHBOURS handles other than anonymous ones and references.

    Only the strongest class of an identity's edges counts, so an agent's statement decides. After an
    agent's `not_same`, later statements of senders about the two are ignored.
    """
    shared = {key for key, node in nodes.items() if node.shared_mark}
    for key, others in strongest_neighbours(nodes, evidence, objections).items():
        if nodes[key].identity.type in STRONG_TYPES:
            continue
        near = [nodes[other].identity for other in others]
        accounts = Counter((it.type, it.space) for it in near if it.type in ACCOUNT_TYPES)
        lasting = sum(1 for it in near if it.type not in (ANONYMOUS, REFERENCE))
        if lasting > MAX_STRONG_NEIGHBOURS or any(count > 1 for count in accounts.values()):
            shared.add(key)
    return frozenset(shared)


def strongest_neighbours(
    nodes: Mapping[bytes, Node], evidence: Iterable[Evidence], objections: Objections | None = None
) -> dict[bytes, list[bytes]]:
    """The identities that each identity is joined with by its strongest class of evidence."""
    pieces = list(evidence)
    known_objections = objections or Objections(pieces)
    neighbours: dict[bytes, dict[bytes, EvidenceClass]] = defaultdict(dict)
    for piece in pieces:
        if joins(piece) and piece.one in nodes and piece.other in nodes:
            since = known_objections.of(piece.one).get(piece.other)
            if since is not None and since <= piece.recorded_at and piece.evidence_class is AUTOMATIC:
                continue
            for here, there in ((piece.one, piece.other), (piece.other, piece.one)):
                known = neighbours[here].get(there, AUTOMATIC)
                neighbours[here][there] = max(known, piece.evidence_class)
    found: dict[bytes, list[bytes]] = {}
    for key, edges in neighbours.items():
        strongest = max(edges.values())
        found[key] = [other for other, class_ in edges.items() if class_ == strongest]
    return found


class _Partition:
    """A union-find structure that refuses unions against a guard."""

    def __init__(
        self, nodes: Mapping[bytes, Node], objections: Objections, limits: Mapping[str, int]
    ) -> None:
        self._nodes = nodes
        self._limits = limits
        self._objections = objections
        self.groups: dict[bytes, set[bytes]] = {key: {key} for key in nodes}

    def refusal(self, one: bytes, other: bytes) -> str | None:
        """The reason against joining the groups of the two, or None."""
        left, right = self.groups[one], self.groups[other]
        if left is right:
            return None
        if self._objections.between(left, right):
            return "not_same"
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for key in (*left, *right):
            identity = self._nodes[key].identity
            counts[identity.type, identity.space] += 1
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

    `nodes` maps identity key to node; evidence about other keys is ignored. The result does not
    depend on any order. A component of more than MAX_COMPONENT identities, not counting
    connections through shared identities, is not joined at all, and `oversized` is set.
    """
    pieces = effective(evidence)
    objections = Objections(pieces)
    shared = shared_identities(nodes, pieces, objections)
    partition = _Partition(nodes, objections, limits)
    refused: list[Refusal] = []
    edges = [piece for piece in pieces if joins(piece) and piece.one in nodes and piece.other in nodes]
    edges = [
        it for it in edges if REFERENCE not in (nodes[it.one].identity.type, nodes[it.other].identity.type)
    ]
    crowd = {key for key, node in nodes.items() if node.crowded}
    alone = shared | crowd
    crowd |= _crowd(it for it in edges if it.one not in alone and it.other not in alone)
    edges.sort(key=lambda piece: (-piece.evidence_class, piece.recorded_at, piece.id))
    for piece in edges:
        if piece.one in shared or piece.other in shared:
            refused.append(Refusal(evidence=piece, reason="shared"))
            continue
        if piece.one in crowd or piece.other in crowd:
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
        oversized=bool(crowd),
    )


def _crowd(edges: Iterable[Evidence]) -> set[bytes]:
    """The identities that these edges connect with at least MAX_COMPONENT others."""
    parts: dict[bytes, set[bytes]] = {}
    for piece in edges:
        one, other = parts.setdefault(piece.one, {piece.one}), parts.setdefault(piece.other, {piece.other})
        if one is not other:
            small, large = sorted((one, other), key=len)
            large |= small
            for key in small:
                parts[key] = large
    return {key for key, part in parts.items() if len(part) > MAX_COMPONENT}


def _by_root(group: Group) -> bytes:
    return group.root


def _group(
    members: set[bytes], nodes: Mapping[bytes, Node], shared: frozenset[bytes], refused: list[Refusal]
) -> Group:
    def seniority(key: bytes) -> tuple[bool, Micros, Identity]:
        node = nodes[key]
        return (node.identity.type != "user", node.recorded_at, node.identity)

    root = min(members, key=seniority)
    # Evidence between members that other evidence joined is not a conflict.
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
