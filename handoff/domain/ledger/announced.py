"""How an announcement's entry moves on with time and with what follows. States only advance.

An entry that is `broken` was not followed in time, one that is `kept` was: the states of promises, which
earlier releases can read.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from handoff.domain.brief.sections.announced import DISMISSED_TYPE, FollowUp
from handoff.domain.clock import DAY, HOUR, MINUTE, Micros

from .entry import EntryState, LedgerEntry

AnnouncementEvent = Literal["unfulfilled", "fulfilled"]
UNFULFILLED: AnnouncementEvent = "unfulfilled"
FULFILLED: AnnouncementEvent = "fulfilled"
HISTORY: Micros = HOUR
"""A touchpoint that is recorded so long after it occurred is history: nobody waits for what it announces."""
LATE_LOOKS: tuple[Micros, ...] = (
    *(MINUTE, 3 * MINUTE, 10 * MINUTE, 20 * MINUTE),
    *(HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY),
)
"""How long after its time an announcement that was not followed is looked at again."""
KIND_CODES = {"transfer": b"t", "callback": b"c", "mail": b"m"}
"""The end of an announcement's id, after that of its touchpoint."""


def looked_at(
    entry: LedgerEntry, found: FollowUp | None, now: Micros, *, hand_over: bool
) -> tuple[LedgerEntry, AnnouncementEvent | None]:
    """The entry after a look, and the event to send, if any.

    `hand_over`: a policy requests a handoff if nothing has followed.
    """
    due = entry.due or entry.made_at
    if found is not None and found.state == "void" and _voids(entry, found):
        return _ended(entry, EntryState.DISMISSED, found), None
    followed = found is not None and found.state == "followed"
    if entry.state is EntryState.OPEN:
        if found is not None and followed and found.at <= due:
            return _ended(entry, EntryState.KEPT, found), None
        broken = msgspec.structs.replace(
            entry,
            state=EntryState.BROKEN,
            alarm=UNFULFILLED,
            ended_at=due,
            handoff_wanted=hand_over and not followed,
        )
        again = now if followed or broken.handoff_wanted else _next_look(broken, now)
        return msgspec.structs.replace(broken, look_at=again), UNFULFILLED
    if found is not None and followed:
        late = _ended(entry, EntryState.KEPT, found)
        return msgspec.structs.replace(late, late=True), FULFILLED
    return msgspec.structs.replace(entry, look_at=_next_look(entry, now)), None


def handed_over(entry: LedgerEntry, handoff: str | None, now: Micros) -> LedgerEntry:
    """The entry after the handoff of the policy was requested, or found to be needless (None)."""
    after = msgspec.structs.replace(entry, handoff=handoff, handoff_wanted=False)
    return msgspec.structs.replace(after, look_at=_next_look(after, now))


def dismissed(entry: LedgerEntry, at: Micros, by: str) -> LedgerEntry:
    """The entry after somebody dismissed it with this touchpoint, or its touchpoint was deleted."""
    return msgspec.structs.replace(
        entry, state=EntryState.DISMISSED, ended_at=at, proof=by or None, look_at=None, handoff_wanted=False
    )


def _voids(entry: LedgerEntry, found: FollowUp) -> bool:
    """Whether the announcement ends: after its time, only a dismissal undoes that nothing followed."""
    return (
        entry.state is EntryState.OPEN and found.at <= (entry.due or 0)
    ) or found.by.type == DISMISSED_TYPE


def _ended(entry: LedgerEntry, state: EntryState, found: FollowUp) -> LedgerEntry:
    return msgspec.structs.replace(
        entry, state=state, ended_at=found.at, proof=found.by.id, look_at=None, handoff_wanted=False
    )


def _next_look(entry: LedgerEntry, now: Micros) -> Micros | None:
    due, until = entry.due or entry.made_at, entry.watch_until or 0
    looks = (*(due + it for it in LATE_LOOKS), until)
    return min((at for at in looks if now < at <= until), default=None)
