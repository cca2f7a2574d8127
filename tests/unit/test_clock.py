"""Times: every way of writing one, read to the microsecond, and never another error than ValueError."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handoff.domain.clock import (
    SECOND,
    format_time,
    from_datetime,
    from_epoch,
    parse_any_time,
    parse_mail_date,
    parse_time,
    to_datetime,
)

NOON = from_datetime(datetime(2026, 11, 21, 12, tzinfo=UTC))
moments = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))
zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments)
def test_what_is_written_is_read_back_to_the_microsecond(moment: datetime) -> None:
    at = from_datetime(moment)
    assert to_datetime(at) == moment
    text = format_time(at)
    assert len(text) == 27
    assert parse_time(text) == at


@given(moments, zones, st.sampled_from(["T", "t", " "]), st.booleans())
def test_every_way_of_writing_a_moment_is_the_same_moment(
    moment: datetime, zone: timezone, separator: str, colon: bool
) -> None:
    there = moment.astimezone(zone)
    text = there.strftime(f"%Y-%m-%d{separator}%H:%M:%S.%f%z")
    if colon:
        text = f"{text[:-2]}:{text[-2:]}"
    assert parse_time(text) == from_datetime(moment)


@given(moments, moments)
def test_text_sorts_as_time_does(one: datetime, other: datetime) -> None:
    left, right = from_datetime(one), from_datetime(other)
    assert (format_time(left) < format_time(right)) is (left < right)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T12:00:00Z", NOON),
        ("2026-11-21T12:00:00.5Z", NOON + 500_000),
        ("2026-11-21T12:00:00.123Z", NOON + 123_000),
        ("2026-11-21T12:00:00.123456Z", NOON + 123_456),
        ("2026-11-21T12:00:00.123456789Z", NOON + 123_456),
        ("2026-11-21T12:00:00.1234567890123456789Z", NOON + 123_456),
        ("2026-11-21T12:00:00,25z", NOON + 250_000),
        ("2026-11-21T14:00:00+02:00", NOON),
        ("2026-11-21 14:00:00 +0200", NOON),
        (" 2026-11-21T12:00:00Z ", NOON),
        ("2026-11-21T11:59:60Z", NOON - 1),
        ("2026-11-21T11:59:60.9Z", NOON - 1),
    ],
)
def test_what_senders_write(text: str, expected: int) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T12:00:00",
        "2026-11-21T12:00Z",
        "2026-13-21T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T12:00:61Z",
        "2026-11-21T12:00:00+25:00",
        "0000-01-01T00:00:00Z",
        "2026-11-21T12:00:00.Z",
        "٢٠٢٦-11-21T12:00:00Z",
        "2026-11-21T12:00:00Zulu",
        "2026-11-21X12:00:00Z",
        "yesterday",
    ],
)
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|must be in|out of range|strictly between"):
        parse_time(text)


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        from_datetime(datetime(2026, 1, 1))


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_the_size_of_an_epoch_number_shows_its_unit(unit: int) -> None:
    assert from_epoch(NOON // SECOND * unit) == NOON
    assert from_epoch(str(NOON // SECOND * unit)) == NOON


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Sat, 21 Nov 2026 14:00:00 +0200", NOON),
        ("21 Nov 2026 12:00:00 -0000", NOON),
        (NOON / SECOND, NOON),
        (NOON // SECOND, NOON),
        ("1795262400.5", NOON + 500_000),
    ],
)
def test_any_time_is_whatever_a_sender_calls_one(value: object, expected: int) -> None:
    assert parse_any_time(value) == expected


@pytest.mark.parametrize(
    "value", [None, True, False, [], {}, "", "nan", "inf", "1e300", float("nan"), 10**400]
)
def test_any_time_that_is_none_is_a_value_error(value: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse_any_time(value)


@pytest.mark.no_cover
@given(st.text())
@example("1e400")
@example("9" * 5000)
@example("Mon, 99 Nov 2026 12:00:00 +9999")
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
def test_no_text_ends_in_another_error(text: str) -> None:
    for read in (parse_time, parse_mail_date, parse_any_time):
        with suppress(ValueError):
            assert isinstance(read(text), int)
