"""Heartbeats of the workers that hold leases on messages: a number by worker, per tenant, beside its queues.

A living worker keeps changing its number. The others time the changes by their own clocks, so that neither
a jump of the store's clock nor an outage of the store makes a living worker look dead. Workers of releases
without heartbeats have no number: their leases run out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from handoff.store.connection import Connection

from .deliveries import beats_key
from .identities import as_mapping


async def exchange_beats(
    connection: Connection,
    tenants: Sequence[str],
    worker: str,
    beat: int,
    *,
    holding: Collection[str],
    idle: Collection[str],
) -> dict[str, dict[str, int]]:
    """Beat for the tenants whose leases the worker is `holding`, take the number back where it is `idle`, and
    read everybody's numbers by tenant. One round trip; it waits for no replicas."""
    commands: list[tuple[bytes | int, ...]] = []
    keys: list[bytes] = []
    for tenant in tenants:
        key = beats_key(tenant)
        if tenant in holding:
            commands.append((b"HSET", key, worker.encode(), beat))
        elif tenant in idle:
            commands.append((b"HDEL", key, worker.encode()))
        commands.append((b"HGETALL", key))
        keys += [key] * (len(commands) - len(keys))
    replies = await connection.pipeline(commands, keys=keys)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    read = [reply for command, reply in zip(commands, replies, strict=True) if command[0] == b"HGETALL"]
    return {
        tenant: {name.decode(): int(number) for name, number in as_mapping(reply).items()}
        for tenant, reply in zip(tenants, read, strict=True)
    }
