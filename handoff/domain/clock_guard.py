"""Detection of jumps of the store's clock, so that not all deadlines expire together.

The guard compares the store's clock, which deadlines refer to, with this process's monotonic clock,
which nobody sets. Timers fire while both advance equally. After a jump no timer fires and no deadline
counts as passed for a while, so that an operator can correct the clock. Then the new time is accepted.
"""

from __future__ import annotations

from msgspec import Struct

from .clock import SECOND, Micros

TOLERANCE: Micros = 20 * SECOND  # longer than ordinary pauses of a process or slow answers
HOLD: Micros = 300 * SECOND  # how long no timer fires after a jump


class Jump(Struct, frozen=True):
    """The store's clock advanced by `by` more than the time that passed (less, if negative)."""

    by: Micros


class ClockGuard:
    """Decides whether timers may fire. Times are in µs."""

    def __init__(self, *, tolerance: Micros = TOLERANCE, hold: Micros = HOLD) -> None:
        self._tolerance = tolerance
        self._hold = hold
        self._offset: Micros | None = None
        self._held_until: Micros | None = None

    def look(self, store: Micros, monotonic: Micros) -> Jump | None:
        """Compares the clocks. Returns the jump since the last call, or None."""
        offset = store - monotonic
        before, self._offset = self._offset, offset
        if before is None or abs(offset - before) <= self._tolerance:
            return None
        # A jump back during the pause corrects the clock and ends the pause. Any other jump begins one: a
        # correction ahead, too, passes deadlines, those that were set while the clock was behind.
        corrected = offset < before and self.holds(monotonic)
        self._held_until = None if corrected else monotonic + self._hold
        return Jump(offset - before)

    def trusts(self, store: Micros, monotonic: Micros) -> bool:
        """Whether a deadline that has passed by the store's clock has really passed.

        False for a jump that `look` has not seen yet, too.
        """
        jumped = self._offset is not None and abs(store - monotonic - self._offset) > self._tolerance
        return not jumped and not self.holds(monotonic)

    def holds(self, monotonic: Micros) -> bool:
        """Whether timers must not fire now."""
        if self._held_until is not None and monotonic >= self._held_until:
            self._held_until = None
        return self._held_until is not None
