"""When a source is polled next. Pure."""

from __future__ import annotations

from handoff.adapter.poller import Page, PollFailed, PollOptions
from handoff.domain.clock import SECOND, Micros
from handoff.store.repositories.tenant.poll_records import PollState

FIRST_S = 1.0
LONGEST_S = 300.0
LONGEST_RETRY_AFTER_S = 3600.0  # a longer one is a mistake of the vendor
UNREACHABLE_FAILURES = 3
"""Failed polls in a row after which history may be missing."""


def backoff_s(failures: int, retry_after_s: float | None, chance: float) -> float:
    """Seconds until the next poll after so many failures in a row; `chance` from 0 to 1 sets the jitter.

    Never less than the vendor asks for.
    """
    planned = min(FIRST_S * 2.0 ** min(failures - 1, 30), LONGEST_S)
    jittered = planned * (0.5 + 0.5 * chance)
    return max(jittered, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))


def due_in_s(state: PollState, now: Micros) -> float:
    """Seconds until the source is due. A clock that was set back cannot stop a source for longer than the
    longest wait."""
    return min((state.next_at - now) / SECOND, LONGEST_RETRY_AFTER_S)


def after_page(state: PollState, page: Page, options: PollOptions, now: Micros) -> PollState:
    """The state after everything of the page is durable."""
    cursor = page.cursor if page.cursor is not None else state.cursor
    moved = cursor != state.cursor
    wait_s = page.wait_s if page.wait_s is not None else options.every_s
    if page.more and moved:
        wait_s = 0.0
    return PollState(cursor=cursor, next_at=now + int(max(wait_s, 0.0) * SECOND))


def after_failure(state: PollState, error: PollFailed, now: Micros, chance: float) -> PollState:
    """The state after a failed poll: the cursor stays."""
    failures = state.failures + 1
    wait_s = backoff_s(failures, error.retry_after_s, chance)
    return PollState(
        cursor=state.cursor,
        next_at=now + int(wait_s * SECOND),
        failures=failures,
        failing_since=state.failing_since or now,
        reason=error.reason,
    )
