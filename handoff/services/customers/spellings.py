"""Other spellings of a customer's numbers: candidates that no sender claims, but a numbering plan shows.

They are computed when a customer is read, so nothing about them is stored, and history from before a plan
changed is found as well. An agent confirms one like any candidate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.evidence import Group, Objections, Resolution
from handoff.domain.identity import Identity
from handoff.domain.numbering import other_spellings
from handoff.store.repositories.components import Component
from handoff.store.repositories.identities import IdentityRecord


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


def groups_by_spelling(
    hashes: KeyedHash, component: Component, resolution: Resolution, members: Collection[bytes]
) -> list[tuple[bytes, Group]]:
    """The customers with another spelling of one of the members' numbers, each with its key.

    Not those that an agent keeps apart from the members.
    """
    objections = Objections(component.evidence)
    found = []
    for key in respelt_members(hashes, [component.records[key] for key in members]):
        if key in component.reached and key not in resolution.shared:
            group = resolution.group_of(key)
            if not objections.between(members, group.members):
                found.append((key, group))
    return found
