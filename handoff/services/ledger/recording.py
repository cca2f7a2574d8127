"""The touchpoints that the ledger records by itself. Each has a fixed event id: repeating it adds nothing."""

from __future__ import annotations

from typing import Any

import structlog

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import HandoffError, NotFound
from handoff.domain.identity import Handle, default_assurance
from handoff.domain.ledger.entry import LedgerEntry
from handoff.domain.ledger.facts import SOURCE, PromiseFact
from handoff.domain.touchpoint import Direction, Touchpoint, Visibility
from handoff.services.handoffs.targets import read_conversation_id
from handoff.services.timeline.recording import Result, record
from handoff.store.repositories.components import read_records
from handoff.store.store import Store

from .entries import public_entry_id

ID_SPACE = "ledger"
REUSED = "id_reused"

log = structlog.get_logger(__name__)


async def record_kept(
    store: Store, tenant: str, fact: PromiseFact, proof: TimelineItem, *, quiet: bool
) -> None:
    """Record `promise.kept`, at the promise's home and the time of its proof."""
    home, _id = store.hashes(tenant).private(TOUCHPOINT, fact.id, 2)
    late = fact.due is not None and proof.occurred_at > fact.due
    data = {"promise": fact.id, "proof": proof.id, "proof_type": proof.type, "late": late}
    await _record(
        store,
        tenant,
        home,
        ("promise.kept", f"{fact.id}/{fact.renewed_at}/kept"),
        (fact.channel, fact.conversation, proof.occurred_at),
        data,
        quiet=quiet,
    )


async def record_broken(store: Store, tenant: str, entry: LedgerEntry, due: Micros) -> None:
    """Record `promise.broken` at the time it was due. Quiet: subscribers get the alarm instead."""
    id_ = public_entry_id(store.hashes(tenant), entry)
    await _record(
        store,
        tenant,
        entry.home,
        ("promise.broken", f"{id_}/{due}/broken"),
        (entry.channel, entry.conversation, due),
        {"promise": id_, "due": format_time(due)},
        quiet=True,
    )


async def _record(
    store: Store,
    tenant: str,
    home: bytes,
    event: tuple[str, str],
    place: tuple[str, str, Micros],
    data: dict[str, Any],
    *,
    quiet: bool,
) -> None:
    type_, event_id = event
    channel, conversation, at = place
    touchpoint = Touchpoint(
        id_space=ID_SPACE,
        event_id=event_id,
        source=SOURCE,
        channel=channel,
        type=type_,
        occurred_at=at,
        identities=(await home_handle_of(store, home),),
        direction=Direction.INTERNAL,
        visibility=Visibility.INTERNAL,
        conversation=read_conversation_id(store.hashes(tenant), conversation),
        data=data,
    )
    (result,) = await record(store, tenant, [touchpoint], quiet=quiet)
    _require_recorded(result)


def _require_recorded(result: Result) -> None:
    """HandoffError unless the touchpoint is stored, or an earlier one about the same."""
    if not result.ok and result.code != REUSED:
        raise HandoffError(result.detail or "", code=result.code)


async def home_handle_of(store: Store, home: bytes) -> Handle:
    """The handle of an identity. Raises NotFound if it was erased."""
    known = (await read_records(store.connection, store.keys, [home])).get(home)
    if known is None:
        raise NotFound("the customer was erased")
    return Handle(known.identity, known.own_assurance or default_assurance(known.identity.type))
