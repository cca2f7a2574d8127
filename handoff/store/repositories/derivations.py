"""Reads the texts that were derived from touchpoints, or from the call in a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from handoff.codec.member import PLACE, Member
from handoff.store.connection import Connection
from handoff.store.keys import Keys

from .timelines import read_at

Original = tuple[bytes, bytes]
"""A home, and the id of a touchpoint or of a conversation."""


async def read_derivations(
    connection: Connection, keys: Keys, originals: Sequence[Original]
) -> dict[Original, list[Member]]:
    """What was derived from each original that has any, in the order of arrival. One round trip, two if any
    has one, none for none."""
    if not originals:
        return {}
    replies = await connection.answers([(b"HGET", keys.index(home), b"t" + id_) for home, id_ in originals])
    listed = {
        which: [reply[at : at + PLACE] for at in range(0, len(reply), PLACE)]
        for which, reply in zip(originals, replies, strict=True)
        if isinstance(reply, bytes)
    }
    wanted = [((home, id_), place) for (home, id_), places in listed.items() for place in places]
    members = await read_at(connection, keys, [(which[0], place) for which, place in wanted])
    found: dict[Original, list[Member]] = {}
    for (which, _place), member in zip(wanted, members, strict=True):
        if member is not None and not member.blanked:
            found.setdefault(which, []).append(member)
    return found
