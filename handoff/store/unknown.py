"""Stored values that only a newer release knows: counted, and logged once a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

EVERY_S = 60.0  # a timeline full of one unknown type is one line of the log a minute

log = structlog.get_logger(__name__)


class UnknownValues:
    """`what` is a short name from our own code (`type`, `codec`, `outbox_kind`), never stored text.

    `counted` is called with each; the composition root sets it to a metric.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.counted: Callable[[str], None] | None = None

    def met(self, what: str, code: object = None) -> bool:
        """Count a value that was skipped or shown without being understood; whether it was logged."""
        self.counts[what] = self.counts.get(what, 0) + 1
        if self.counted is not None:
            self.counted(what)
        now = self._clock()
        if now - self._logged.get(what, -EVERY_S) < EVERY_S:
            return False
        self._logged[what] = now
        log.warning("unknown_stored_value", what=what, code=code, count=self.counts[what])
        return True
