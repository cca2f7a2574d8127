"""Destroying an identity's data key: what it sealed is noise from then on."""

from __future__ import annotations

from handoff.store.connection import Connection
from handoff.store.keys import Keys

from .sealing import FIELD


async def destroy_key(connection: Connection, keys: Keys, home: bytes) -> bool:
    """Destroy a home's key, with the plain value that it sealed; whether there was one. Durable, idempotent.

    Nothing happens in a store that is not sealed. A worker that knows the key never sets it again: a later
    touchpoint begins with a new one. Backups hold the wrapped key until its epoch is destroyed.
    """
    if keys.sealing is None:
        return False
    record = keys.record(home)
    gone = await connection.call_durable(b"HDEL", record, FIELD, b"v", key=record)
    keys.sealing.forget(home)
    return bool(gone)
