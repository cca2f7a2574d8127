"""Shared identities: the person to whom each touchpoint on one belongs.

Two things give a touchpoint on a shared identity to a person: an agent's assignment, and, on a device, the
logins on it. Without either it is unassigned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from msgspec import Struct

from handoff.domain.clock import DAY, Micros
from handoff.domain.continuity.code import SOURCE
from handoff.domain.evidence import Evidence, Statement

MAX_LOGINS = 4  # people in one household; a device with more logins is a kiosk with an unassigned history
BEGINNING: Micros = -(2**62)
CODE_BEFORE: Micros = DAY
CODE_AFTER: Micros = 30 * DAY
"""The part of a conversation, around the use of a continuity code, that the code gives to the customer. The
thread of a text message is the pair of numbers, and lasts for years."""


class Sighting(Struct, frozen=True):
    """A touchpoint in which a login used a device. `who` is any key of the person."""

    at: Micros
    who: bytes


class LoginPeriod(Struct, frozen=True):
    """A time in which only one person was logged in on a device, both ends included."""

    begins: Micros
    ends: Micros
    who: bytes


def login_periods(sightings: Iterable[Sighting], *, complete: bool = True) -> tuple[LoginPeriod, ...]:
    """The periods of a device, oldest first.

    A period lasts from a person's first to their last sighting before another person's. The first period
    includes the time before it, if the sightings are `complete`. A kiosk has no periods.
    """
    ordered = sorted(sightings, key=attrgetter("at"))
    if len({it.who for it in ordered}) > MAX_LOGINS:
        return ()
    periods: list[LoginPeriod] = []
    alone: set[bytes] = set()
    for at, group in groupby(ordered, key=attrgetter("at")):
        people = {it.who for it in group}
        if len(people) == 1 and people == alone:
            periods[-1] = LoginPeriod(periods[-1].begins, at, periods[-1].who)
        else:  # people who are seen at the same moment have one period each, which ends at once
            periods += [LoginPeriod(at, at, who) for who in sorted(people)]
        alone = people
    if complete and periods and (len(periods) == 1 or periods[1].begins > periods[0].begins):
        periods[0] = LoginPeriod(BEGINNING, periods[0].ends, periods[0].who)
    return tuple(periods)


def by_code(piece: Evidence) -> bool:
    """Whether a continuity code gives a conversation to somebody: it counts on any identity, shared or
    not."""
    return piece.statement is Statement.ASSIGNED and piece.source == SOURCE and not piece.withdrawn


def in_code_time(used_at: Micros, at: Micros) -> bool:
    """Whether a code that was used then still gives what happens now, in a thread that may never end."""
    return used_at - CODE_BEFORE <= at <= used_at + CODE_AFTER


class Ownership:
    """The owners of the touchpoints on one shared identity."""

    def __init__(
        self, home: bytes, evidence: Iterable[Evidence], periods: Sequence[LoginPeriod] = ()
    ) -> None:
        self.periods = tuple(periods)
        self.assignments = sorted(
            (
                it
                for it in evidence
                if it.statement is Statement.ASSIGNED and it.one == home and not it.withdrawn
            ),
            key=lambda it: (it.recorded_at, it.id),
        )
        self._touchpoints: dict[bytes, Evidence] = {}
        self._conversations: dict[bytes, Evidence] = {}
        for piece in self.assignments:  # the latest one counts
            if piece.whole:
                self._conversations[piece.conversation] = piece
            elif piece.touchpoint is not None:
                self._touchpoints[piece.touchpoint] = piece

    def assignment(self, touchpoint: bytes, conversation: bytes) -> Evidence | None:
        """The assignment in effect for a touchpoint: the latest one of it or of its conversation."""
        one, whole = self._touchpoints.get(touchpoint), self._conversations.get(conversation)
        if one is None or whole is None:
            return one or whole
        return max(one, whole, key=lambda it: (it.recorded_at, it.id))

    def assignment_of_conversation(self, conversation: bytes) -> Evidence | None:
        """The latest assignment of a conversation or of a touchpoint in it."""
        return next((it for it in reversed(self.assignments) if it.conversation == conversation), None)

    def owner(self, touchpoint: bytes, conversation: bytes, at: Micros) -> bytes | None:
        """A key of the person to whom a touchpoint belongs, or None."""
        piece = self.assignment(touchpoint, conversation)
        if piece is not None:
            return piece.other
        people = {it.who for it in self.periods if it.begins <= at <= it.ends}
        return next(iter(people)) if len(people) == 1 else None

    def gives_to(self, members: Collection[bytes]) -> bool:
        """Whether a person with these identities may own anything here."""
        return any(it.other in members for it in self.assignments) or any(
            it.who in members for it in self.periods
        )
