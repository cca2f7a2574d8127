"""Operations on a whole store that an operator starts."""

from __future__ import annotations

from handoff.domain.errors import ConfigurationError

from .connection import Connection
from .formats import FORMAT
from .functions.library import Functions, prune
from .keys import META
from .sealing.rewriting import Rewriting
from .sealing.rotation import RewrapProgress, Rotation
from .sealing.sealing import Sealing
from .sealing.settings import SealingSettings
from .sealing.store_keys import open_sealing
from .workers import Upgrade, raise_format

__all__ = ["RewrapProgress", "Rewriting", "Rotation", "open_keys", "prune", "upgrade"]


async def open_keys(
    connection: Connection, settings: SealingSettings, data_dir: str
) -> tuple[Sealing, Functions]:
    """The keys of a sealed store, and the functions that maintain them."""
    functions = Functions(connection)
    await functions.load()
    format_ = await connection.call(b"HGET", META, b"format", key=META)
    sealing = await open_sealing(functions, connection, settings, data_dir, int(format_ or 1))
    if sealing is None:
        raise ConfigurationError("set keys in [privacy.sealing]")
    return sealing, functions


async def upgrade(connection: Connection, *, force: bool, dry_run: bool) -> Upgrade:
    """Raise the store's format to this release's, see `raise_format`."""
    functions = Functions(connection)
    await functions.load()
    return await raise_format(connection, functions, FORMAT, force=force, dry_run=dry_run)
