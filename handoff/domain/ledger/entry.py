"""An entry of the ledger, and how the facts of a customer's touchpoints move it. States only advance."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from handoff.domain.clock import DAY, Micros
from handoff.domain.open_record import OpenRecord
from handoff.domain.touchpoint import LATEST

from .facts import ComplaintFact, PromiseFact

PROMISE, COMPLAINT, ANNOUNCEMENT = "promise", "complaint", "announcement"
TOUCHPOINT_SIZE = 16  # bytes of a touchpoint's id; an announcement's has its kind after them
SOON = (8, 10)  # of the time between a promise and its due time
LATE_PROOF: Micros = 90 * DAY  # so long proof is looked for after the due time: what a brief reads
REOPENABLE: Micros = 30 * DAY  # a resolved complaint that returns later is a new one


class EntryState(StrEnum):
    """The state of an entry. Promises: `open`, `due`, `broken`, `kept`. Complaints: `open`, `resolved`."""

    OPEN = "open"
    DUE = "due"
    BROKEN = "broken"
    KEPT = "kept"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


OWED = frozenset({EntryState.OPEN, EntryState.DUE})


class Alarm(StrEnum):
    """The alarms of a promise, in their order."""

    SOON = "soon"
    BROKEN = "broken"


class LedgerEntry(OpenRecord, frozen=True, kw_only=True):
    """A promise, a complaint, or an announcement: ids, times, and states, and none of anybody's words.

    `id` begins with that of the touchpoint that it began with, `home` is the identity that this is filed
    under, `homes` are the customer's identities as of the last look. `made_at` is the time of the words,
    `filed_at` that of the touchpoint. `alarm` is the last alarm that was sent. `given_up` is set if our side
    reported the promise as broken.
    """

    id: bytes
    kind: str
    home: bytes
    homes: tuple[bytes, ...]
    state: EntryState
    version: int
    filed_at: Micros
    made_at: Micros
    renewed_at: Micros
    conversation: str
    channel: str
    due: Micros | None = None
    act: str | None = None
    alarm: str = ""
    ended_at: Micros | None = None
    proof: str | None = None
    late: bool = False
    given_up: bool = False
    reopened: int = 0
    type: str = ""
    """Of an announcement: the type of its touchpoint. `act` is what it announces."""
    spoken_by: str = ""
    """Of an announcement: `person`, `bot`, or `unknown`."""
    look_at: Micros | None = None
    """Of an announcement: when it is looked at next."""
    watch_until: Micros | None = None
    """Of an announcement: until when what follows is still what was announced."""
    handoff: str | None = None
    """Of an announcement: the handoff that a policy requested because of it."""
    handoff_wanted: bool = False

    @property
    def touchpoint(self) -> bytes:
        """The touchpoint that it began with."""
        return self.id[:TOUCHPOINT_SIZE]

    @property
    def soon_at(self) -> Micros | None:
        """When the first alarm is due."""
        if self.due is None:
            return None
        return self.renewed_at + max(self.due - self.renewed_at, 0) * SOON[0] // SOON[1]

    @property
    def next_alarm(self) -> tuple[Alarm, Micros] | None:
        """The next alarm and its time; None if there is none."""
        if self.kind != PROMISE or self.state not in OWED or self.due is None or self.soon_at is None:
            return None
        return (Alarm.BROKEN, self.due) if self.alarm else (Alarm.SOON, self.soon_at)

    @property
    def watched_until(self) -> Micros | None:
        """How long touchpoints may still change it; None if none do, or if it is looked at by the clock."""
        if self.kind == ANNOUNCEMENT:
            return None
        if self.state in OWED:
            return LATEST
        if self.state is EntryState.BROKEN:
            return (self.due or self.ended_at or self.made_at) + LATE_PROOF
        if self.state is EntryState.RESOLVED and self.ended_at is not None:
            return self.ended_at + REOPENABLE
        return None

    @property
    def owed(self) -> bool:
        """Whether it is still to be done, perhaps late."""
        return self.kind != ANNOUNCEMENT and self._owed

    @property
    def _owed(self) -> bool:
        return self.state in OWED or (self.state is EntryState.BROKEN and not self.given_up)

    def overdue(self, now: Micros) -> bool:
        """Whether the promise is still owed after its time."""
        return self.kind == PROMISE and self.owed and self.due is not None and self.due < now


def opened(entry: LedgerEntry, now: Micros, *, quiet: bool) -> LedgerEntry:
    """A new entry. A promise that is overdue already gets one alarm only, and none if it is `quiet`."""
    if entry.kind != PROMISE or entry.state not in OWED or entry.due is None or entry.due > now:
        return entry
    if quiet:
        return msgspec.structs.replace(entry, state=EntryState.BROKEN, alarm=Alarm.BROKEN, ended_at=entry.due)
    return msgspec.structs.replace(entry, state=EntryState.DUE, alarm=Alarm.SOON)


def with_promise(entry: LedgerEntry, fact: PromiseFact, now: Micros) -> LedgerEntry:
    """The entry after these touchpoints; the same if they are known."""
    after = _renewed(entry, fact, now)
    state = EntryState(fact.ended) if fact.ended else None
    if state is None or after.state in (EntryState.KEPT, EntryState.DISMISSED):
        return after
    if state is EntryState.BROKEN and after.given_up:
        return after
    return msgspec.structs.replace(
        after,
        state=state,
        alarm=Alarm.BROKEN,
        ended_at=fact.ended_at,
        proof=fact.proof or None,
        late=state is EntryState.KEPT and after.due is not None and fact.ended_at > after.due,
        given_up=state is EntryState.BROKEN,
    )


def _renewed(entry: LedgerEntry, fact: PromiseFact, now: Micros) -> LedgerEntry:
    """The entry with another due time, if there is one. A promise that is made again is owed again."""
    again = fact.renewed_at > entry.renewed_at
    if entry.state is EntryState.DISMISSED or not (again or (not fact.ended and fact.due != entry.due)):
        return entry
    if entry.state is EntryState.KEPT and not (again and not fact.ended):
        return entry
    after = msgspec.structs.replace(
        entry,
        state=EntryState.OPEN,
        due=fact.due,
        renewed_at=max(fact.renewed_at, entry.renewed_at),
        alarm="",
        ended_at=None,
        proof=None,
        late=False,
        given_up=False,
    )
    return opened(after, now, quiet=entry.alarm == Alarm.BROKEN)


def with_complaint(entry: LedgerEntry, fact: ComplaintFact) -> LedgerEntry:
    """The entry after these touchpoints; the same if they are known.

    A resolved complaint stays resolved after retention has deleted the report, until the customer
    returns or somebody deletes the report.
    """
    state = EntryState(fact.ended) if fact.ended else EntryState.OPEN
    if state is EntryState.OPEN and _still_resolved(entry, fact):
        return msgspec.structs.replace(entry, made_at=min(entry.made_at, fact.since))
    return msgspec.structs.replace(
        entry,
        state=state,
        made_at=min(entry.made_at, fact.since),
        ended_at=fact.ended_at if fact.ended else None,
        proof=fact.proof or None,
        reopened=max(entry.reopened, fact.reopened),
    )


def _still_resolved(entry: LedgerEntry, fact: ComplaintFact) -> bool:
    end = entry.ended_at
    if entry.state is not EntryState.RESOLVED or end is None or entry.proof in fact.undone:
        return False
    return fact.asked_at <= end
