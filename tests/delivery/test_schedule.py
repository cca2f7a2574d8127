"""Verdicts on attempts, as the specification requires."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from handoff.delivery.schedule import (
    BREAKER_TRIPS,
    DISABLE_AFTER_S,
    LONGEST_RETRY_AFTER_S,
    AttemptOutcome,
    Verdict,
    judge,
    retry_after_s,
)
from handoff.services.webhooks.spec import RETRY_SCHEDULE_S


def verdict(status: int | None = None, error: str | None = None, **changes: Any) -> Verdict:
    retry_after = changes.pop("retry_after_s", None)
    outcome = AttemptOutcome(status=status, error=error, latency_s=0.1, retry_after_s=retry_after)
    usual: dict[str, Any] = {
        "attempts": 0,
        "failures": 0,
        "failing_s": 0.0,
        "schedule_s": (5.0, 300.0),
        "chance": 0.0,
    }
    return judge(outcome, **(usual | changes))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_2xx_is_success(status: int) -> None:
    assert verdict(status) == Verdict(kind="ok")


@pytest.mark.parametrize("status", [100, 199, 301, 302, 307, 400, 401, 404, 409, 422, 500, 501, 599])
def test_every_other_status_is_retried(status: int) -> None:
    assert (verdict(status).kind, verdict(status).wait_s, verdict(status).pause_s) == ("retry", 5.0, 0.0)


def test_an_error_without_a_response_is_retried() -> None:
    assert verdict(error="timeout") == Verdict(kind="retry", wait_s=5.0, why="timeout")


def test_gone_is_dead_and_disables() -> None:
    assert verdict(410) == Verdict(kind="dead", why="gone", disable="gone")


def test_the_schedule_ends_dead_with_its_reason() -> None:
    assert [verdict(500, attempts=it).kind for it in range(3)] == ["retry", "retry", "dead"]
    assert verdict(500, attempts=2).why == "exhausted: status_500"
    assert verdict(500, schedule_s=()).kind == "dead"


def test_the_usual_schedule_lasts_75_hours_and_35_minutes_whatever_the_jitter() -> None:
    assert sum(RETRY_SCHEDULE_S) >= 75 * 3600 + 35 * 60
    for chance in (0.0, 0.5, 1.0):
        waits = [
            verdict(500, attempts=it, schedule_s=RETRY_SCHEDULE_S, chance=chance).wait_s
            for it in range(len(RETRY_SCHEDULE_S))
        ]
        pairs = zip(waits, RETRY_SCHEDULE_S, strict=True)
        assert all(planned <= wait <= 1.2 * planned for wait, planned in pairs)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_overload_slows_the_whole_subscription_down(status: int) -> None:
    assert verdict(status).pause_s == 5.0
    slower = verdict(status, retry_after_s=40.0)
    assert (slower.wait_s, slower.pause_s) == (40.0, 40.0)
    assert verdict(status, retry_after_s=2.0).wait_s == 5.0, "never sooner than the schedule"


def test_retry_after_is_clamped_and_only_counts_for_overload() -> None:
    assert verdict(503, retry_after_s=10 * 365 * 86400.0).wait_s == LONGEST_RETRY_AFTER_S
    assert verdict(500, retry_after_s=40.0).wait_s == 5.0


@pytest.mark.parametrize("schedule", [(0.05,), (1.0,), (7200.0,)])
def test_the_breaker_opens_and_never_waits_longer_than_the_schedule(schedule: tuple[float, ...]) -> None:
    assert verdict(500, failures=BREAKER_TRIPS - 2, schedule_s=schedule).pause_s == 0.0
    assert 0 < verdict(500, failures=BREAKER_TRIPS - 1, schedule_s=schedule).pause_s <= schedule[0]


def test_days_of_failures_only_disable() -> None:
    assert verdict(500, failing_s=DISABLE_AFTER_S - 1).disable == ""
    assert verdict(500, failing_s=DISABLE_AFTER_S).disable == "failing"


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), None),
        ("315360000", 315360000.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("9" * 400, None),
        ("Sun, 99 Foo 2026 99:99:99 GMT", None),
        ("١٢", None),
    ],
)
def test_retry_after_as_seconds_as_a_date_and_invalid(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds
