"""The present holders of the leases on outboxes, for operators. Nothing is taken or changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from handoff.store.connection import Connection

from .outbox import Outbox


class LeaseHolders(Struct, frozen=True, kw_only=True):
    """How many outboxes each owner holds, and how many nobody consumes or that could not be read."""

    held: dict[str, int]
    free: int
    unread: int


async def lease_holders(connection: Connection, outboxes: Sequence[Outbox], now_ms: int) -> LeaseHolders:
    """The holders at `now_ms` of the store's clock; one round trip."""
    replies = await connection.pipeline([(b"HMGET", it.lease, b"o", b"e") for it in outboxes])
    held: Counter[str] = Counter()
    unread = 0
    for reply in replies:
        if isinstance(reply, Exception):
            unread += 1
        elif reply[0] is not None and int(reply[1] or 0) > now_ms:
            held[reply[0].decode()] += 1
    return LeaseHolders(held=dict(held), free=len(outboxes) - held.total() - unread, unread=unread)
