"""Links: the evidence for each further identity of a touchpoint, and the pointers back to its home.

They do not depend on the text: the evidence names the touchpoint and its type, no more. One person's
touchpoints repeat it, so it is prepared once.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.continuity.code import SOURCE
from handoff.domain.evidence import Evidence, EvidenceClass, Statement
from handoff.domain.identities.likeness import likeness
from handoff.domain.identity import REFERENCE, Assurance, Handle, weaker
from handoff.domain.redaction.redaction import may_be_card, storable_identity
from handoff.domain.text.memo import personal
from handoff.domain.touchpoint import Continuation, Touchpoint
from handoff.services.customers.mentions import MENTIONING, mentioned
from handoff.store.keys import Keys
from handoff.store.repositories.identities import (
    EvidenceTemplate,
    evidence_template,
    pack_evidence,
    pack_identity,
    pack_pointer,
    pack_why,
)
from handoff.store.repositories.recorder import Pointer

PREPARED = 4096  # lists of identities whose links are kept: some 2 KB each, 10 KB with the longest values
MAX_PREPARED = 5  # identities: longer lists are rare, and senders choose them


class Links(Struct, frozen=True):
    """The home of a touchpoint, and the evidence that links it with the further identities.

    `storable`: none of the identities looks like a card number.
    """

    home: bytes
    timeline: bytes
    plain: bytes
    storable: bool
    pieces: tuple[EvidenceTemplate, ...]
    pointers: tuple[Pointer, ...]

    def evidence(self, touchpoint: bytes, type_: str) -> tuple[tuple[bytes, bytes], ...]:
        """The id and the bytes of each piece, as this touchpoint states it."""
        if not self.pieces:
            return ()
        why = pack_why(type_)
        return tuple([it.stated_by(touchpoint, why) for it in self.pieces])


def links_of(touchpoint: Touchpoint, hashes: KeyedHash, keys: Keys) -> Links:
    """The links of a touchpoint's identities and of the references that it contains."""
    handles, data = touchpoint.identities, touchpoint.data
    if len(handles) == 1 and touchpoint.type in MENTIONING and (more := mentioned(touchpoint)):
        handles = (*handles, *more)
    if (touchpoint.traits or "fields" in data) and (alike := likeness(touchpoint.traits, data)):
        handles = (*handles, alike)
    prepare = _prepared if len(handles) <= MAX_PREPARED else _prepare
    return prepare(hashes, keys, handles, touchpoint.source)


def _prepare(hashes: KeyedHash, keys: Keys, handles: tuple[Handle, ...], source: str) -> Links:
    first, *others = handles
    home = hashes.identity(first.identity)
    pieces: list[EvidenceTemplate] = []
    pointers: list[Pointer] = []
    for handle in others:
        other = hashes.identity(handle.identity)
        if other == home:
            continue
        piece = _automatic_evidence(hashes, (first, home), (handle, other), source)
        pieces.append(evidence_template(piece))
        shown = storable_identity(handle.identity, hashes.pseudonym)
        fields = ((b"v", pack_identity(shown)), (b"f", b""), pack_pointer(piece))
        pointers.append(Pointer(other, keys.record(other), fields, hashes.tenant_bytes))
    one = first.identity
    if may_be_card(one):
        storable, one = False, storable_identity(one, hashes.pseudonym)
    else:
        storable = not others or not any(may_be_card(it.identity) for it in others)
    return Links(home, keys.timeline(home), pack_identity(one), storable, tuple(pieces), tuple(pointers))


_prepared = personal(lru_cache(PREPARED)(_prepare))


def _automatic_evidence(
    hashes: KeyedHash, home: tuple[Handle, bytes], far: tuple[Handle, bytes], source: str
) -> Evidence:
    """The evidence that links a touchpoint's home to a further handle. Repeating it adds no second piece."""
    (first, one), (handle, other) = home, far
    assurance = weaker(first.assurance, handle.assurance)
    return Evidence(
        id=hashes.evidence(one, other, Statement.SAME, assurance, source),
        one=one,
        other=other,
        statement=Statement.SAME,
        assurance=assurance,
        evidence_class=EvidenceClass.AUTOMATIC,
        source=source,
        touchpoint=b"",  # each touchpoint puts its own id and type there
        who=f"source:{source}",
        recorded_at=0,  # the store's clock, when it is written
        why="",
        finds=REFERENCE in (first.identity.type, handle.identity.type),
    )


class CodeLinks(Struct, frozen=True):
    """The evidence that a continuity code adds to a touchpoint, and the pointers to it."""

    evidence: tuple[tuple[bytes, bytes], ...] = ()
    pointers: tuple[Pointer, ...] = ()


NO_CODE = CodeLinks()


def code_links(used: Continuation, place: tuple[bytes, bytes], hashes: KeyedHash, keys: Keys) -> CodeLinks:
    """The evidence of a touchpoint, at its home and id, that used a code: its conversation is the customer's,
    which is certain, and its handle may be."""
    home, _id = place
    if home == used.home:
        return NO_CODE
    pieces = [
        code_evidence(used, place, hashes, Statement.ASSIGNED),
        code_evidence(used, place, hashes, Statement.SAME),
    ]
    return CodeLinks(
        evidence=tuple((it.id, pack_evidence(it)) for it in pieces),
        pointers=tuple(Pointer(used.home, keys.record(used.home), (pack_pointer(it),)) for it in pieces),
    )


def code_evidence(
    used: Continuation, place: tuple[bytes, bytes], hashes: KeyedHash, statement: Statement
) -> Evidence:
    """The evidence of a code for the touchpoint's conversation (`assigned`), or for its handle (`same`)."""
    home, id_ = place
    assigned = statement is Statement.ASSIGNED
    return Evidence(
        id=hashes.evidence(home, used.home, statement, used.code.hex(), used.conversation.hex()),
        one=home,
        other=used.home,
        statement=statement,
        assurance=Assurance.VERIFIED if assigned else used.assurance,
        evidence_class=EvidenceClass.AUTOMATIC,
        source=SOURCE,
        touchpoint=id_,
        who=used.by,
        recorded_at=0,  # the store's clock, when it is written
        why=used.why,
        conversation=used.conversation if assigned else b"",
        whole=assigned,
    )
