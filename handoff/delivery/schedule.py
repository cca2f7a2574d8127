"""Judge an attempt: delivered, retry later, or dead letter. Pure.

Standard Webhooks 1.0, "Delivery": only 2xx is success, a redirect is a failure, 410 disables,
429, 502 and 504 slow down, and `Retry-After` (RFC 9110 §10.2.3) is followed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

from msgspec import Struct

JITTER = 0.2  # added, never subtracted: the schedule lasts at least as long as documented
SLOW_DOWN = frozenset({429, 502, 503, 504})
LONGEST_RETRY_AFTER_S = 3600.0  # a longer one is a mistake of the subscriber
LONGEST_PAUSE_S = 60.0  # of the whole subscription, after one response that asks to slow down
BREAKER_TRIPS = 5  # consecutive failures after which a subscriber is only probed
BREAKER_PAUSE_S = 30.0  # between two probes; never longer than the schedule's wait
DISABLE_AFTER_S = 120 * 3600.0  # of failures only
WARN_AFTER_S = 24 * 3600.0
GONE = 410
SKIPPED = "skipped: "  # prefix of the reason if there was no recipient
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


class AttemptOutcome(Struct, frozen=True, kw_only=True):
    """One attempt: the status, or the `error` if there was no response; the response's first bytes.

    `skipped` is the reason why nothing was sent: there is no recipient. `final` is a rejection that a
    retry would not change.
    """

    latency_s: float
    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None
    answer: bytes = b""
    skipped: str = ""
    final: bool = False
    complete: bool = False
    """Whether `answer` is the whole response."""
    location: str | None = None
    """Where the response redirects to."""
    headers: Mapping[str, str] = {}
    """The response's headers with lower-case names, if they were asked for."""

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Why it failed, as one word: `timeout`, `connection`, `redirect`, `status_500`, …"""
        if self.skipped:
            return self.skipped
        if self.error or self.status is None:
            return self.error or "connection"
        return "redirect" if 300 <= self.status < 400 else f"status_{self.status}"


class Verdict(Struct, frozen=True, kw_only=True):
    """`ok`, `retry` after `wait_s`, or `dead`. The whole subscription pauses for `pause_s`."""

    kind: str
    wait_s: float = 0.0
    pause_s: float = 0.0
    why: str = ""
    disable: str = ""


def judge(
    outcome: AttemptOutcome,
    *,
    attempts: int,
    failures: int,
    failing_s: float,
    schedule_s: Sequence[float],
    chance: float,
) -> Verdict:
    """Judge an attempt after `attempts` earlier ones of this message.

    `failures` and `failing_s` are the subscription's before this attempt: consecutive failures, and
    for how long there were only failures. `chance` from 0 to 1 sets the jitter.
    """
    if outcome.ok:
        return Verdict(kind="ok")
    if outcome.skipped:
        return Verdict(kind="dead", why=SKIPPED + outcome.skipped)
    if outcome.status == GONE:
        return Verdict(kind="dead", why="gone", disable="gone")
    disable = "failing" if failing_s >= DISABLE_AFTER_S else ""
    if outcome.final:
        return Verdict(kind="dead", why=f"refused: {outcome.reason}", disable=disable)
    if attempts >= len(schedule_s):
        return Verdict(kind="dead", why=f"exhausted: {outcome.reason}", disable=disable)
    planned = schedule_s[attempts] * (1 + JITTER * chance)
    requested = min(outcome.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
    pause = 0.0
    if outcome.status in SLOW_DOWN:
        pause = requested or min(planned, LONGEST_PAUSE_S)
    elif failures + 1 >= BREAKER_TRIPS:
        pause = min(planned, BREAKER_PAUSE_S)
    wait = max(planned, requested) if outcome.status in SLOW_DOWN else planned
    return Verdict(kind="retry", wait_s=wait, pause_s=pause, why=outcome.reason, disable=disable)


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Seconds until a `Retry-After`, given as seconds or a date. None if absent, invalid or in the past."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        seconds = moment.timestamp() - now_s
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return seconds if seconds > 0 else None
