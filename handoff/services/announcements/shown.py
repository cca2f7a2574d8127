"""Announcements as clients see them."""

from __future__ import annotations

from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, TOUCHPOINT, KeyedHash
from handoff.domain.clock import format_time
from handoff.domain.ledger.entry import EntryState, LedgerEntry
from handoff.services.ledger.entries import public_entry_id
from handoff.services.ledger.owners import LedgerOwner

STORED_STATES = {
    "open": "open",
    "unfulfilled": EntryState.BROKEN.value,
    "fulfilled": EntryState.KEPT.value,
    "dismissed": EntryState.DISMISSED.value,
}
"""The states of announcements, and those of their entries."""
_SHOWN = {stored: shown for shown, stored in STORED_STATES.items()}


class AnnouncementView(Struct, frozen=True, kw_only=True):
    """An announcement. `kind` is `transfer`, `callback`, or `mail`; `text` is null if its words may not be
    shown.

    `state`: `open` until its time has passed, then `fulfilled` if something followed (`late`: after its
    time), else `unfulfilled`. `requested_handoff` is what a policy requested because of it.
    """

    id: str
    kind: str
    customer_id: str
    conversation_id: str
    touchpoint: str
    channel: str
    state: str
    text: str | None
    announced_by: str
    announced_at: str
    due: str
    ended_at: str | None
    late: bool
    proof: str | None
    requested_handoff: str | None
    owner: LedgerOwner


def announcement_view(
    hashes: KeyedHash, entry: LedgerEntry, owner: LedgerOwner, text: str | None
) -> AnnouncementView:
    return AnnouncementView(
        id=public_entry_id(hashes, entry),
        kind=entry.act or "",
        customer_id=hashes.public(CUSTOMER, entry.home),
        conversation_id=entry.conversation,
        touchpoint=hashes.public(TOUCHPOINT, entry.home, entry.touchpoint),
        channel=entry.channel,
        state=_SHOWN.get(entry.state.value, entry.state.value),
        text=text,
        announced_by=entry.spoken_by,
        announced_at=format_time(entry.made_at),
        due=format_time(entry.due or entry.made_at),
        ended_at=format_time(entry.ended_at) if entry.ended_at is not None else None,
        late=entry.late,
        proof=entry.proof,
        requested_handoff=entry.handoff,
        owner=owner,
    )
