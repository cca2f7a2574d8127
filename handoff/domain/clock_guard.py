"""Noticing that the store's clock jumped, so that deadlines do not all fall at once.

Two clocks are compared: the store's, which deadlines are kept in, and this process's monotonic one,
which nobody sets. While they run side by side timers fire; after a jump nothing fires for a while,
so that an operator can mend the clock, and then the new time is taken as it is.
"""

from __future__ import annotations

from msgspec import Struct

from .clock import SECOND, Micros

TOLERANCE: Micros = 20 * SECOND  # beyond any stop of a process or a slow answer that is ordinary
HOLD: Micros = 300 * SECOND  # how long nothing fires after a jump


class Jump(Struct, frozen=True):
    """The store's clock went ahead (or back) by this much more than time passed."""

    by: Micros


class ClockGuard:
    """Ask it before every turn of timers; times in µs."""

    def __init__(self, *, tolerance: Micros = TOLERANCE, hold: Micros = HOLD) -> None:
        self._tolerance = tolerance
        self._hold = hold
        self._offset: Micros | None = None
        self._held_until: Micros | None = None

    def look(self, store: Micros, monotonic: Micros) -> Jump | None:
        """Compare the clocks; the jump where one happened since the last look."""
        offset = store - monotonic
        before, self._offset = self._offset, offset
        if before is None or abs(offset - before) <= self._tolerance:
            return None
        back = self._held_until is not None and monotonic < self._held_until
        # A second jump that takes the first one back ends the wait; any other begins one.
        self._held_until = None if back else monotonic + self._hold
        return Jump(offset - before)

    def holds(self, monotonic: Micros) -> bool:
        """Whether timers must not fire now."""
        if self._held_until is not None and monotonic >= self._held_until:
            self._held_until = None
        return self._held_until is not None
