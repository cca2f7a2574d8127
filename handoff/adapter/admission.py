"""Limits of incomplete requests: bytes from a shared budget, for as long as more of them arrive."""

from __future__ import annotations

STEP = 64 * 1024  # bytes: a request takes its share of the budget in steps
LEAST_PROGRESS = 8 * 1024  # bytes that a slow sender must send within each timeout


class ByteBudget:
    """The bytes of all requests that are being received or processed, HTTP and mail together.

    Requests without a valid credential get half of them, so that strangers leave the rest to known callers.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.peak = 0
        """The most since it was last reset, for the owner to see when memory can be given back."""

    def take(self, count: int, *, known: bool) -> bool:
        """Take bytes for a request; False, and nothing taken, if they would exceed its share."""
        used = self.used + count
        if used > (self.limit if known else self.limit // 2):
            return False
        self.used = used
        self.peak = max(self.peak, used)
        return True

    def give(self, count: int) -> None:
        self.used -= count


class HeldBytes:
    """The bytes that one request holds. `known`: its sender has shown a valid credential."""

    def __init__(self, budget: ByteBudget, *, known: bool = False) -> None:
        self._budget = budget
        self._known = known
        self.count = 0

    def reach(self, size: int) -> bool:
        """Hold at least `size` bytes; False if the budget has no more."""
        if size <= self.count:
            return True
        more = -(-(size - self.count) // STEP) * STEP
        if not self._budget.take(more, known=self._known):
            return False
        self.count += more
        return True

    def release(self) -> None:
        self._budget.give(self.count)
        self.count = 0


class ArrivalProgress:
    """Whether the bytes that a peer owes keep arriving. Asked now and then, not with every byte."""

    __slots__ = ("_at", "_of", "_size")

    def __init__(self) -> None:
        self._of: object = None
        self._at = 0.0
        self._size = 0

    def since(self, now: float, of: object, size: int, least: int = LEAST_PROGRESS) -> float:
        """Seconds without progress of what is owed: `of` identifies it, `size` bytes of it have arrived.

        ArrivalProgress is at least `least` bytes. It begins when it is first asked about.
        """
        if of != self._of or size >= self._size + least:
            self._of, self._at, self._size = of, now, size
        return now - self._at

    def stop(self) -> None:
        """Nothing is owed now."""
        self._of = None
