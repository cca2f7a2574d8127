"""Opens the keys of a store when the server starts, and those of its tenants."""

from __future__ import annotations

from collections.abc import Iterable

from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.formats import KEY_SET, SEALED_FORMAT, SEALED_LAYOUT
from handoff.store.functions.library import Functions
from handoff.store.keys import META, ControlKeys
from handoff.store.workers import raise_format

from .epochs import open_epochs
from .sealing import FIELD, Sealing
from .settings import SealingSettings


async def open_sealing(
    functions: Functions,
    connection: Connection,
    settings: SealingSettings | None,
    data_dir: str,
    format_: int,
) -> Sealing | None:
    """The keys of a store; None for a store that is not sealed. One round trip, more for a sealed store.

    ConfigurationError if the keys are missing, wrong, or another store's: nothing is then read or written.
    """
    found: bytes | None = await connection.call(b"HGET", META, KEY_SET, key=META)
    expected = found.decode() if found else None
    if settings is None or not settings.on:
        if expected:
            raise ConfigurationError("the store is sealed: set keys in [privacy.sealing]")
        return None
    if format_ < SEALED_FORMAT:
        raise ConfigurationError(
            f"the store has format {format_} and releases that cannot read sealed data may use it: start "
            "without [privacy.sealing], run `handoff store upgrade`, and then start with it"
        )
    if expected is None:
        await _require_no_older(connection, functions)
    sealing = Sealing(open_epochs(settings.path(data_dir), settings.master(), expected=expected))
    await mark_sealed(connection, sealing)
    return sealing


async def _require_no_older(connection: Connection, functions: Functions) -> None:
    """ConfigurationError while servers run that cannot read sealed data. Later ones refuse to start."""
    found = await raise_format(connection, functions, SEALED_FORMAT, dry_run=True)
    if found.old or found.unregistered:
        raise ConfigurationError(
            "servers of this store cannot read sealed data: replace them before [privacy.sealing] is set\n"
            + "\n".join(f"  {it}" for it in found.obstacles)
        )


async def mark_sealed(connection: Connection, sealing: Sealing) -> None:
    """Name the key set in the store. ConfigurationError if the store names another one.

    Nothing is written where that was done: a start must succeed while the store is full.
    """
    standing, layout = await _mark(connection)
    if standing is None:
        await connection.call_durable(b"HSETNX", META, KEY_SET, sealing.key_set, key=META)
        standing, layout = await _mark(connection)
    if standing != sealing.key_set:
        raise ConfigurationError("the store is sealed with another key file")
    if layout != b"%d" % SEALED_LAYOUT:
        await connection.call_durable(b"HSET", META, b"layout", SEALED_LAYOUT, key=META)


async def _mark(connection: Connection) -> tuple[bytes | None, bytes | None]:
    standing, layout = await connection.call(b"HMGET", META, KEY_SET, b"layout", key=META)
    return standing, layout


async def open_tenant_keys(connection: Connection, sealing: Sealing, tenants: Iterable[str]) -> None:
    """Read the keys of the tenants' control partitions; missing ones are made. Two round trips each.

    StoreUnavailable (`keys_unavailable`) if one does not open.
    """
    for tenant in tenants:
        key, owner = ControlKeys(tenant).named("sealing"), owner_of(tenant)
        standing = await connection.call(b"HGET", key, FIELD, key=key)
        if standing is None:
            made = sealing.candidate(tenant, owner).wrapped
            await connection.call_durable(b"HSETNX", key, FIELD, made, key=key)
            standing = await connection.call(b"HGET", key, FIELD, key=key)
        sealing.learn_tenant(tenant, sealing.standing(owner, standing))


def owner_of(tenant: str) -> bytes:
    """The owner of a tenant's own key."""
    return b"tenant:" + tenant.encode()
