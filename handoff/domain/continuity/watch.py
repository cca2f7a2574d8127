"""The operators' view of continuity codes: counts, and an alarm when somebody guesses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Counted = Callable[[str, str], None]
"""Takes the state of a code that a touchpoint carried, and its source."""
Alarmed = Callable[[str, str, str], Awaitable[None]]
"""Takes the tenant, the source, and the limit that wrong digits reached: `handle`, `source`, or `tenant`."""


class CodeWatch:
    """Set by the composition root."""

    def __init__(self) -> None:
        self.counted: Counted = _uncounted
        self.alarmed: Alarmed = _unheard


def _uncounted(_state: str, _source: str) -> None:
    """Until the metrics exist."""


async def _unheard(_tenant: str, _source: str, _limit: str) -> None:
    """Until the audit trail is open."""
