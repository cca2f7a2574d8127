"""Brings the whole ledger up to date, in steps: what was done is kept, so another run continues there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgpack
import msgspec
import structlog
from msgspec import Struct

from handoff.domain.brief.sections.decided import DECIDING
from handoff.domain.errors import NotFound, Restricted
from handoff.domain.identity import Identity
from handoff.store.repositories.control import Change
from handoff.store.repositories.identities import recorded_types
from handoff.store.repositories.retention.scan import AT_ONCE, ScannedRecord, ScanPlace
from handoff.store.store import Store

from .settling import LedgerRules, settle

log = structlog.get_logger(__name__)


class RebuildState(Struct, frozen=True, kw_only=True):
    """How far a rebuild is. `place` is None when it has finished."""

    place: ScanPlace | None = ScanPlace()
    seen: int = 0
    settled: int = 0
    changed: int = 0


async def rebuild(
    store: Store, tenants: Sequence[str], rules: LedgerRules, *, at_once: int = AT_ONCE
) -> AsyncIterator[RebuildState]:
    """Settle every customer who has promises or complaints, without alarms for what is past.

    Continues a rebuild that was interrupted. Yields the state after each step, which is stored then.
    Identities under a legal hold are passed over, as in every scan; their next touchpoint settles them.
    """
    keeper = store.of(tenants[0])
    state = _read(await keeper.ledger.read_progress())
    while state.place is not None:
        step = await store.identities.step(state.place, at_once)
        counts = [await _settle(store, tenants, it, rules) for it in step.records]
        state = RebuildState(
            place=step.next,
            seen=state.seen + len(step.records),
            settled=state.settled + sum(it is not None for it in counts),
            changed=state.changed + sum(bool(it) for it in counts),
        )
        change = Change()
        keeper.ledger.keep_progress(change, msgspec.json.encode(state) if state.place is not None else None)
        await keeper.commit(change)
        yield state


def _read(raw: bytes | None) -> RebuildState:
    if raw is None:
        return RebuildState()
    try:
        return msgspec.json.decode(raw, type=RebuildState)
    except (msgspec.MsgspecError, ValueError):  # another release's: begin again, which does no harm
        return RebuildState()


async def _settle(
    store: Store, tenants: Sequence[str], record: ScannedRecord, rules: LedgerRules
) -> bool | None:
    """Whether the ledger of a scanned identity changed; None for one that has nothing to do with it."""
    if DECIDING.isdisjoint(recorded_types(record.head)):
        return None
    try:
        identity = Identity(*msgpack.unpackb(record.plain)[:3])
    except (ValueError, TypeError, msgpack.UnpackException):
        log.warning("ledger_cannot_read_identity", home=record.home.hex())
        return None
    owner = next((it for it in tenants if store.hashes(it).owns(record.home, identity)), None)
    if owner is None:
        return None
    try:
        return await settle(store, owner, record.home, rules, quiet=True)
    except (NotFound, Restricted):
        return None
