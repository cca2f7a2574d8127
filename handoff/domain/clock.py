"""Time as whole microseconds since 1970-01-01T00:00:00Z, written as RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache

Micros = int
"""Microseconds since the epoch, UTC. May be negative: some archives are older than 1970."""

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# RFC 3339 §5.6 with common variations: a comma in the seconds, a space for the T, `+0000`.
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?\s*(?:([Zz])|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)
# The most common form, which the standard library reads six times as fast: UTC with a fraction of zero,
# three or six digits.
_PLAIN_LENGTHS = frozenset({20, 24, 27})
_PLAIN_MARKS = frozenset({"--T::Z", "--T::."})
# Formatted parts of a time: formatting one number takes as long as five lookups.
_PER_DAY = 24 * 60
_MINUTES = [f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(_PER_DAY)]
_SECONDS = [f"{second:02d}." for second in range(60)]
_THOUSANDTHS = [f"{number:03d}" for number in range(1000)]


def from_datetime(moment: datetime) -> Micros:
    """Microseconds of an aware `datetime`. ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("A time needs a zone")
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(at: Micros) -> datetime:
    """The aware UTC `datetime` of `at`."""
    return _EPOCH + timedelta(microseconds=at)


@lru_cache(maxsize=4096)  # eleven years; printing a datetime takes three times as long
def _date(day: int) -> str:
    return f"{to_datetime(day * DAY).date().isoformat()}T"


def format_time(at: Micros) -> str:
    """RFC 3339 in UTC with exactly six fraction digits, e.g. `2026-11-21T10:00:00.000000Z`."""
    minute, rest = at // MINUTE, at % MINUTE  # `divmod` is slower because it is a call
    day = _date(minute // _PER_DAY)
    second = _SECONDS[rest // SECOND]
    milli, micros = _THOUSANDTHS[rest // 1000 % 1000], _THOUSANDTHS[rest % 1000]
    return f"{day}{_MINUTES[minute % _PER_DAY]}{second}{milli}{micros}Z"


def parse_time(text: str) -> Micros:
    """Microseconds of an RFC 3339 time with a zone. Fractions beyond microseconds are truncated.

    ValueError for anything else. A leap second (`:60`) is the last microsecond before it.
    """
    if len(text) in _PLAIN_LENGTHS and text[4:20:3] in _PLAIN_MARKS and text[-1] == "Z":
        try:
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        except ValueError:
            pass  # a leap second, or invalid for the pattern too
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"Not an RFC 3339 time with a zone: {text[:40]!r}")
    year, month, day, hour, minute, second, fraction, _zulu, sign, off_h, off_m = match.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    seconds = int(second)
    if seconds == 60:
        seconds, micros = 59, 999_999
    zone: timezone = UTC
    if sign:
        offset = timedelta(hours=int(off_h), minutes=int(off_m))
        zone = timezone(offset if sign == "+" else -offset)
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), seconds, micros, tzinfo=zone)
    return from_datetime(moment)


def parse_mail_date(text: str) -> Micros:
    """Microseconds of an RFC 5322 §3.3 date (`Sun, 25 Mar 2018 09:53:19 +0000`). ValueError otherwise."""
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000": UTC, local zone unknown
            moment = moment.replace(tzinfo=UTC)
        return from_datetime(moment)
    except (TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"Not a mail date: {text[:60]!r}") from error


def from_epoch(number: float | str) -> Micros:
    """Microseconds of an epoch number in seconds, milliseconds or microseconds, distinguished by size.

    Seconds reach to the year 5138, so no real time is ambiguous. ValueError for anything else.
    """
    value = float(number)
    if value != value or abs(value) > 1e17:
        raise ValueError(f"Not an epoch time: {number!r}")
    if abs(value) < 1e11:
        return round(value * SECOND)
    if abs(value) < 1e14:
        return round(value * 1000)
    return round(value)


def parse_any_time(value: object) -> Micros:
    """Microseconds of a time in any supported format: RFC 3339, an RFC 5322 date or an epoch number."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"Not a time: {value!r}")
    if isinstance(value, int | float):
        return from_epoch(value)
    if not isinstance(value, str):
        raise ValueError(f"Not a time: {type(value).__name__}")
    text = value.strip()
    for reader in (parse_time, from_epoch, parse_mail_date):
        try:
            return reader(text)
        except (ValueError, OverflowError):
            continue
    raise ValueError(f"Not a time: {text[:40]!r}")
