"""The record of an identity: one hash that holds everything about it except its timeline.

v  its plain value, msgpack [type, space, value]      f  first recorded
   sealed: 1 (a byte) ‖ the same, sealed with
k  its data key, wrapped in an epoch: see `handoff.store.sealing`
s  marked as shared: 1 or 0 ‖ msgpack [who, when, why]
e ‖ id  evidence stored here: recorded (8) ‖ msgpack   w ‖ id  its withdrawal
   what agents state in e, w and s may be sealed: 1 (a byte) in front
p ‖ id  the home (16) of evidence stored elsewhere ‖ what it may do: j joins, a an agent's word, c neither
r ‖ id  an episode's end: place less the id (16) ‖ channel
x ‖ home  references to that home's touchpoints
d  erased at (8) ‖ job (16); without `v` nothing came since
l  legal hold, q  restriction: msgpack [who, when, why]
h  the head of its timeline, which changes with every entry: last arrival (8) ‖ entries ever filed (4) ‖
   latest occurred_at (8) ‖ best assurance of its touchpoints ('0' verified, '9' none) ‖ '1' where the
   timeline has an index, else '0' ‖ counts: (type, channel, 4 bytes) repeated
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgpack
import msgspec
from msgspec import Struct

from handoff.codec.data_key import DataKey
from handoff.codec.keyed_hash import SIZE
from handoff.codec.member import type_name
from handoff.domain.clock import Micros
from handoff.domain.evidence import MAX_COMPONENT, Evidence, EvidenceClass, Node, Statement
from handoff.domain.identity import Assurance, Identity
from handoff.domain.text.memo import CACHE_SIZE, personal
from handoff.domain.touchpoint import TYPES
from handoff.store.sealing.sealing import FIELD, Sealing, open_text

_PACK = msgspec.msgpack.Encoder().encode
SHARED, NOT_SHARED = b"1", b"0"
_ASSURANCES = (Assurance.VERIFIED, Assurance.CLAIMED, Assurance.INFERRED)
_DIGITS = {b"%d" % digit: assurance for digit, assurance in enumerate(_ASSURANCES)}
_TYPE_CODES = {name: code for code, name in enumerate(TYPES)}
_STATEMENTS = (Statement.SAME, Statement.NOT_SAME, Statement.ASSIGNED, Statement.SEPARATE)
_CLASSES = frozenset(EvidenceClass)


@personal
@lru_cache(maxsize=CACHE_SIZE)
def pack_identity(identity: Identity) -> bytes:
    return _PACK((identity.type, identity.space, identity.value))


def pack_evidence(evidence: Evidence) -> bytes:
    """The value of `e ‖ id`; the store puts the time of recording in front of it."""
    return _PACK(_row(evidence))


class EvidenceTemplate(Struct, frozen=True):
    """Evidence that many touchpoints state: its id, and its bytes but for the touchpoint and its type."""

    id: bytes
    before: bytes
    between: bytes
    after: bytes

    def stated_by(self, touchpoint: bytes, packed_why: bytes) -> tuple[bytes, bytes]:
        """The id, and what `pack_evidence` writes for this touchpoint; `packed_why` is of `pack_why`."""
        return self.id, self.before + touchpoint + self.between + packed_why + self.after


def evidence_template(evidence: Evidence) -> EvidenceTemplate:
    """The template of a piece of evidence, whose touchpoint and reason do not matter."""
    row = _row(evidence)
    row[_TOUCHPOINT], row[_WHY] = _NO_TOUCHPOINT, _NO_WHY
    raw = _PACK(row)
    between = _PACK(row[_TOUCHPOINT + 1])
    after = b"".join(map(_PACK, row[_WHY + 1 :]))
    return EvidenceTemplate(
        id=evidence.id,
        before=raw[: len(raw) - len(after) - 1 - len(between) - SIZE],
        between=between,
        after=after,
    )


@lru_cache(maxsize=256)
def pack_why(type_: str) -> bytes:
    """The type of a touchpoint, as the reason of evidence."""
    return _PACK(_TYPE_CODES.get(type_, type_))


def _row(evidence: Evidence) -> list[Any]:
    return [
        evidence.other,
        _STATEMENTS.index(evidence.statement),
        _ASSURANCES.index(evidence.assurance),
        int(evidence.evidence_class),
        evidence.source,
        evidence.touchpoint,
        evidence.who if evidence.who != f"source:{evidence.source}" else None,
        _TYPE_CODES.get(evidence.why, evidence.why),
        *_scope(evidence),
    ]


_TOUCHPOINT, _WHY = 5, 7  # their places in a row of evidence, one after the other but for the author's
_NO_TOUCHPOINT, _NO_WHY = bytes(SIZE), 0  # as long as a touchpoint's id, and one byte
_ARRAY = 0x90  # MessagePack: an array of up to 15


def _scope(evidence: Evidence) -> tuple[Any, ...]:
    """The fields that most evidence leaves out."""
    if evidence.statement is Statement.ASSIGNED:
        return (), (), (), False, evidence.conversation, evidence.whole
    if evidence.left or evidence.over or evidence.finds:
        return evidence.left, evidence.right, evidence.over, evidence.finds
    return ()


def _why(code: int) -> str:
    return TYPES[code] if code < len(TYPES) else f"unknown_type:{code}"


def _read_evidence(
    id_: bytes, home: bytes, raw: bytes, withdrawn: bool, lock: DataKey | None
) -> Evidence | None:
    """None for a statement or class that only a newer release can judge, and for sealed evidence that does
    not open: it joins no identities here."""
    content = open_text(lock, b"e" + id_, raw[8:])
    if content is None:
        return None
    row = msgpack.unpackb(content)
    other, statement, assurance, class_, source, touchpoint, who, why = row[:8]
    if statement >= len(_STATEMENTS) or class_ not in _CLASSES:
        return None
    left, right, over, finds = row[8:12] or ((), (), (), False)
    assigned = _STATEMENTS[statement] is Statement.ASSIGNED and len(row) >= 14
    conversation, whole = row[12:14] if assigned else (b"", False)
    return Evidence(
        id=id_,
        one=home,
        other=other,
        statement=_STATEMENTS[statement],
        assurance=_ASSURANCES[assurance] if assurance < len(_ASSURANCES) else Assurance.INFERRED,
        evidence_class=EvidenceClass(class_),
        source=source,
        touchpoint=touchpoint,
        who=f"source:{source}" if who is None else who,
        recorded_at=int.from_bytes(raw[:8], "big"),
        why=_why(why) if isinstance(why, int) else why,
        withdrawn=withdrawn,
        left=tuple(left),
        right=tuple(right),
        over=tuple(over),
        finds=finds,
        conversation=conversation,
        whole=whole,
    )


HOLD, RESTRICTION = b"l", b"q"
"""Fields of a record that an officer sets."""


class EntryKind(StrEnum):
    """The effect of evidence, which decides how urgently it is read."""

    JOINS = "j"
    AGENT = "a"
    CLAIM = "c"

    @classmethod
    def of(cls, code: bytes) -> EntryKind:
        """The kind with this code; an unknown code is read as the least urgent."""
        return _KINDS.get(code, cls.CLAIM)


_KINDS = {kind.encode(): kind for kind in EntryKind}


def kind_of(evidence: Evidence) -> EntryKind:
    """The kind of a piece of evidence, whether or not it is withdrawn."""
    if evidence.evidence_class is EvidenceClass.AGENT:
        return EntryKind.AGENT
    return (
        EntryKind.JOINS
        if evidence.assurance is Assurance.VERIFIED and not evidence.finds
        else EntryKind.CLAIM
    )


def pack_pointer(evidence: Evidence) -> tuple[bytes, bytes]:
    """The field that points from another identity to the evidence."""
    return b"p" + evidence.id, evidence.one + kind_of(evidence).encode()


class PointerTo(Struct, frozen=True):
    """Evidence that is stored in another identity's record."""

    id: bytes
    home: bytes
    kind: EntryKind


class Withdrawal(Struct, frozen=True, kw_only=True):
    """The withdrawal of a piece of evidence."""

    evidence: bytes
    who: str
    at: Micros
    why: str


class IdentityRecord(Struct, frozen=True, kw_only=True):
    """One identity as stored. `counts` maps (type, channel code) to touchpoints ever recorded."""

    key: bytes
    identity: Identity
    recorded_at: Micros
    last_arrival: Micros
    shared_mark: bool
    counts: Mapping[tuple[str, int], int]
    own_assurance: Assurance | None
    references: Mapping[bytes, int]
    """By other home: how many entries of its timeline refer to touchpoints there."""
    episodes: tuple[tuple[bytes, str], ...]
    """Where its threadless conversations ended: (place, channel), in order."""
    evidence: tuple[Evidence, ...]
    pointers: tuple[PointerTo, ...]
    withdrawals: tuple[Withdrawal, ...]
    crowded: bool = False
    """Whether senders joined it with more than MAX_COMPONENT others: not read to the end."""
    passed_over: int = 0
    """Pieces of evidence that only a newer release can judge."""
    lock: DataKey | None = None
    """Its data key, if the store is sealed."""
    held: bytes | None = None
    """A legal hold, as it is stored; `restricted` likewise."""
    restricted: bytes | None = None

    @property
    def touchpoints(self) -> int:
        """How many touchpoints were ever recorded under it."""
        return sum(self.counts.values())

    @property
    def node(self) -> Node:
        return Node(
            identity=self.identity,
            recorded_at=self.recorded_at,
            shared_mark=self.shared_mark,
            crowded=self.crowded,
        )


def read_record(
    key: bytes, fields: Mapping[bytes, bytes], sealing: Sealing | None = None
) -> IdentityRecord | None:
    """The record of the identity with this key, or None if there is none, or if its data key is gone."""
    head, lock = fields.get(b"h", b""), None
    plain = fields.get(b"v")
    if sealing is not None:
        plain, lock = sealing.value_of(key, fields)
    if plain is None:
        return None
    withdrawals = tuple(_read_withdrawal(name, raw, lock) for name, raw in fields.items() if name[:1] == b"w")
    taken_back = {it.evidence for it in withdrawals}
    stated = [
        _read_evidence(name[1:], key, raw, name[1:] in taken_back, lock)
        for name, raw in fields.items()
        if name[:1] == b"e" and len(name) > 1
    ]
    evidence = tuple(it for it in stated if it is not None)
    pointers = tuple(
        PointerTo(name[1:], raw[:16], EntryKind.of(raw[16:17]))
        for name, raw in fields.items()
        if name[:1] == b"p" and len(name) > 1
    )
    return IdentityRecord(
        key=key,
        identity=Identity(*msgpack.unpackb(plain)[:3]),
        recorded_at=int.from_bytes(fields.get(b"f", b""), "big"),
        last_arrival=int.from_bytes(head[:8], "big"),
        shared_mark=fields.get(b"s", b"")[:1] == SHARED,
        counts=_read_counts(head[22:]),
        references={
            name[1:]: int(count) for name, count in fields.items() if name[:1] == b"x" and len(name) > 1
        },
        own_assurance=_DIGITS.get(head[20:21]),
        episodes=_read_episodes(fields),
        evidence=evidence,
        pointers=pointers,
        withdrawals=withdrawals,
        crowded=is_crowded(evidence, pointers),
        passed_over=len(stated) - len(evidence),
        lock=lock,
        held=fields.get(HOLD),
        restricted=fields.get(RESTRICTION),
    )


def open_texts(
    key: bytes, fields: Mapping[bytes, bytes], sealing: Sealing | None
) -> Mapping[bytes, bytes] | None:
    """The fields of a record with the evidence and withdrawals that are sealed in clear; None if one does not
    open. Nothing is kept of the keys."""
    if sealing is None:
        return fields
    lock, opened = sealing.passing_key(key, fields.get(FIELD)), dict(fields)
    for name, raw in fields.items():
        if name[:1] not in (b"e", b"w"):
            continue
        clear = 8 if name[:1] == b"e" else 0  # the time of the evidence
        content = open_text(lock, name, raw[clear:])
        if content is None:
            return None
        opened[name] = raw[:clear] + content
    return opened


def _read_withdrawal(name: bytes, raw: bytes, lock: DataKey | None) -> Withdrawal:
    """A withdrawal counts even if its author and reason do not open."""
    content = open_text(lock, name, raw)
    who, at, why = msgpack.unpackb(content)[:3] if content is not None else ("", 0, "")
    return Withdrawal(evidence=name[1:], who=who, at=at, why=why)


def _read_episodes(fields: Mapping[bytes, bytes]) -> tuple[tuple[bytes, str], ...]:
    ends = ((name[1:], raw) for name, raw in fields.items() if name[:1] == b"r" and len(name) > 1)
    return tuple(sorted((raw[:16] + id_, raw[16:].decode()) for id_, raw in ends))


def has_index(head: bytes) -> bool:
    """Whether the timeline with this head has an index."""
    return head[21:22] == b"1"


def is_crowded(evidence: Iterable[Evidence], pointers: Iterable[PointerTo]) -> bool:
    """Whether senders joined an identity with more others than a component may have."""
    others = {
        it.other for it in evidence if kind_of(it) is EntryKind.JOINS and it.statement is Statement.SAME
    }
    return len(others.union(it.home for it in pointers if it.kind is EntryKind.JOINS)) > MAX_COMPONENT


def doubled(records: Mapping[bytes, IdentityRecord]) -> int:
    """How many entries the merge of these timelines drops: references to touchpoints that are among
    them as their home's own."""
    return sum(count for it in records.values() for home, count in it.references.items() if home in records)


def recorded_types(head: bytes) -> set[str]:
    """The types of touchpoints that were ever recorded under an identity, from the head of its timeline."""
    return {type_ for type_, _channel in _read_counts(head[22:])}


def _read_counts(raw: bytes) -> dict[tuple[str, int], int]:
    counts: dict[tuple[str, int], int] = {}
    for at in range(0, len(raw) - 5, 6):
        which = (type_name(raw[at]), raw[at + 1])
        counts[which] = counts.get(which, 0) + int.from_bytes(raw[at + 2 : at + 6], "big")
    return counts


def named_by_evidence(fields: Mapping[bytes, bytes]) -> set[bytes] | None:
    """The identities that any evidence connects this record with, also claims and what was withdrawn; None
    if a piece of it is not readable here. A quick look that decodes nothing."""
    found: set[bytes] = set()
    for name, raw in fields.items():
        kind = name[:1]
        if len(name) == 1:
            continue
        if kind == b"p":
            found.add(raw[:SIZE])
        elif kind == b"e":
            if raw[8:9] not in _ARRAYS or raw[9:11] != _OTHER:
                return None
            found.add(raw[11 : 11 + SIZE])
    return found


_ARRAYS = frozenset(bytes((_ARRAY + length,)) for length in range(16))
_OTHER = bytes((0xC4, SIZE))  # MessagePack: so many bytes, the first field of `_row`


def as_mapping(reply: Any) -> dict[bytes, bytes]:
    """An HGETALL reply, whichever of its two shapes the protocol gave it."""
    if isinstance(reply, dict):
        return reply
    items = list(reply or ())
    return dict(zip(items[::2], items[1::2], strict=True))
