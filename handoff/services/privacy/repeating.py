"""Erasures of the journal that the store lacks: an older backup was restored, or a request was interrupted.

While the store takes no writes, they cannot be repeated. Until then their identities are withheld: reads find
nothing of them, as after an erasure.
"""

from __future__ import annotations

from handoff.store.store import Store

from .erasure import is_erased, repeat_erasure
from .journal import Journal


async def repeat_all(store: Store, journal: Journal, backup_days: int = 0) -> int:
    """Erase again everything in the journal that is not erased in the store; how many erasures."""
    repeated, journal.unsettled = 0, False
    try:
        for entry in journal.entries():
            if entry.store == store.hashes(entry.tenant).store():  # the hashes of another store mean nothing
                repeated += await repeat_erasure(store, entry, backup_days)
    except BaseException:
        journal.unsettled = True
        raise
    store.keys.withheld = frozenset()
    return repeated


async def withhold(store: Store, journal: Journal) -> int:
    """Withhold everything in the journal that is not erased in the store; how many identities."""
    homes: set[bytes] = set()
    for entry in journal.entries():
        if entry.store == store.hashes(entry.tenant).store() and not await is_erased(store, entry):
            homes.update(entry.homes)
    store.keys.withheld = frozenset(homes)
    store.forget_reads()
    return len(homes)
