"""References: touchpoints of other customers in which this customer took part (a Cc, a conference).

The participant's timeline gets an entry that points at the original. Nothing is copied, and participation is
not evidence of identity. Only known identities get a reference: a name in a Cc does not create a customer.
"""

from __future__ import annotations

from handoff.codec.compression import PLAIN
from handoff.codec.member import FLAG_ARRIVAL, FLAG_REFERENCE, Member
from handoff.store.repositories.components import read_records
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store

_OURS = frozenset({"agent", "bot", "called"})
"""Roles of our own side: agents, bots, and the number that a callback dials."""


async def refer(store: Store, tenant: str, home: bytes, id_: bytes) -> int:
    """File references for a touchpoint's participants; returns the number of new ones. Idempotent.

    Takes three round trips and one per reference, or a single one if there are no participants.
    """
    (stored,) = await read_places(store.connection, store.keys, [(home, id_)])
    if stored is None or stored.reference is not None or stored.blanked:
        return 0
    body = stored.body()
    hashes = store.hashes(tenant)
    wanted = {hashes.identity(it.identity) for it in body.participants if it.role not in _OURS}
    wanted.discard(home)
    if not wanted:
        return 0
    known = await read_records(store.connection, store.keys, sorted(wanted))
    filed = 0
    for key in known:
        filed += await _file(store, key, stored)
    return filed


async def _file(store: Store, participant: bytes, stored: Member) -> int:
    keys = store.keys
    header = bytes((FLAG_REFERENCE | FLAG_ARRIVAL, *stored.codes, PLAIN))
    places = [
        keys.timeline(participant),
        keys.index(participant),
        keys.record(participant),
        keys.arrivals(participant),
    ]
    return int(await store.functions.call("timeline_refer", places, [stored.place, header, stored.home]))
