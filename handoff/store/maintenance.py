"""Operations on a whole store that an operator starts."""

from __future__ import annotations

from .connection import Connection
from .formats import FORMAT
from .functions.library import Functions, prune
from .workers import Upgrade, raise_format

__all__ = ["prune", "upgrade"]


async def upgrade(connection: Connection, *, force: bool, dry_run: bool) -> Upgrade:
    """Raise the store's format to this release's, see `raise_format`."""
    functions = Functions(connection)
    await functions.load()
    return await raise_format(connection, functions, FORMAT, force=force, dry_run=dry_run)
