"""Other spellings of a customer's numbers: candidates that no sender claims, but a numbering plan shows.

They are computed when a customer is read, so nothing about them is stored, and history from before a plan
changed is found as well. An agent confirms or refuses one like any candidate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.evidence import Evidence, EvidenceClass, Statement
from handoff.domain.identity import Assurance, Identity
from handoff.domain.numbering import other_spellings
from handoff.store.repositories.components import Component
from handoff.store.repositories.identities import IdentityRecord

SPELLING = "numbering plan"
"""The source of these candidates. No configured source can have this name."""


def respelt(hashes: KeyedHash, identities: Iterable[Identity]) -> dict[bytes, bytes]:
    """The keys of the other spellings of these identities, each with the key of its identity."""
    found: dict[bytes, bytes] = {}
    for identity in identities:
        spellings = other_spellings(identity.value) if identity.type == "phone" else ()
        for spelling in spellings:
            key = hashes.identity(Identity("phone", "", spelling))
            found.setdefault(key, hashes.identity(identity))
    return found


def respelt_members(hashes: KeyedHash, members: Iterable[IdentityRecord]) -> list[bytes]:
    """The keys of the other spellings of a customer's numbers that are not the customer's already."""
    known = {record.key: record.identity for record in members}
    return [key for key in respelt(hashes, known.values()) if key not in known]


def spelling_evidence(hashes: KeyedHash, component: Component, members: Collection[bytes]) -> list[Evidence]:
    """The unstored claims that another customer's number is a spelling of a member's.

    Both customers get the same id for a pair, so either one's agent can withdraw it.
    """
    known = [component.records[key].identity for key in members]
    pairs = (sorted(it) for it in respelt(hashes, known).items() if it[0] in component.reached)
    return [
        Evidence(
            id=hashes.evidence(one, other, SPELLING),
            one=one,
            other=other,
            statement=Statement.SAME,
            assurance=Assurance.INFERRED,
            evidence_class=EvidenceClass.AUTOMATIC,
            source=SPELLING,
            touchpoint=None,
            who="",
            recorded_at=2**62,  # after all claims that somebody stated
        )
        for one, other in pairs
        if not {one, other} <= set(members)
    ]


def is_spelling(piece: Evidence) -> bool:
    return piece.source == SPELLING and piece.touchpoint is None
