"""When a promise is due: the times of a sentence, in the customer's zone, seen from when it was made."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from handoff.domain.clock import Micros, from_datetime, to_datetime

from .date_reading import CalendarDate, Element, Length, NamedDay, TimeOfDay

FRIDAY, SATURDAY = 4, 5
LAST_MINUTE = 23 * 60 + 59
EVENING = 21 * 60


class Due(Struct, frozen=True):
    """When something is due, and the rules that found it, such as `tomorrow+clock`."""

    at: Micros
    rule: str


def due_of(found: Sequence[Element], spoken_at: Micros, zone: ZoneInfo, day_ends: int) -> Due | None:
    """The due time that these elements of a sentence give; None where they give none.

    `day_ends` is when the tenant's business day ends, in minutes after midnight.
    """
    try:
        return _due(found, to_datetime(spoken_at).astimezone(zone), day_ends)
    except (ValueError, OverflowError):  # a date outside the calendar
        return None


def _due(found: Sequence[Element], now: datetime, day_ends: int) -> Due | None:
    days = [it for it in found if isinstance(it, NamedDay | CalendarDate | Length)]
    times = [it for it in found if isinstance(it, TimeOfDay)]
    day = _joined_days(days)
    minutes, time_rule = _time(times)
    if isinstance(day, Length) and day.unit in ("minute", "hour"):
        length = timedelta(minutes=day.number) if day.unit == "minute" else timedelta(hours=day.number)
        return Due(from_datetime(now) + length // timedelta(microseconds=1), f"{day.unit}s")
    today = now.date()
    passed = now.hour * 60 + now.minute
    if day is None:
        if minutes is None:
            return None
        return _today_or_tomorrow(now, minutes, time_rule)
    named, rule = _date(day, today)
    if minutes is not None:
        if named == today and minutes <= passed and time_rule == "part_of_day":
            minutes = LAST_MINUTE
        return _at(named, minutes, now, f"{rule}+{time_rule}")
    if named == today and day_ends <= passed:
        return _at(named, LAST_MINUTE, now, rule)
    return _at(named, day_ends, now, rule)


def _joined_days(days: Sequence[NamedDay | CalendarDate | Length]) -> NamedDay | CalendarDate | Length | None:
    """The day that counts: the last; "Friday next week" is one day."""
    if not days:
        return None
    weekday = next((it for it in reversed(days) if isinstance(it, NamedDay) and it.kind == "weekday"), None)
    if weekday and any(isinstance(it, NamedDay) and it.kind == "next_week" for it in days):
        return NamedDay("weekday", weekday.weekday, True)
    dated = next((it for it in reversed(days) if isinstance(it, CalendarDate)), None)
    if weekday and dated:  # "Friday, 4 December"
        return dated
    return days[-1]


def _time(times: Sequence[TimeOfDay]) -> tuple[int | None, str]:
    """The time of day that counts: the last clock time, else the last part of the day."""
    clocks = [it.minutes for it in times if not it.part]
    if clocks:
        late = any(it.part and it.minutes >= 17 * 60 for it in times)
        minutes = clocks[-1]
        return (minutes + 12 * 60 if late and minutes < 8 * 60 else minutes), "clock"
    return (times[-1].minutes, "part_of_day") if times else (None, "")


def _today_or_tomorrow(now: datetime, minutes: int, rule: str) -> Due:
    passed = now.hour * 60 + now.minute
    if minutes > passed:
        return _at(now.date(), minutes, now, rule)
    if rule == "part_of_day" and minutes >= EVENING:
        return _at(now.date(), LAST_MINUTE, now, rule)
    return _at(now.date() + timedelta(days=1), minutes, now, rule)


def _date(day: NamedDay | CalendarDate | Length, today: date) -> tuple[date, str]:
    if isinstance(day, Length):
        return _after(day, today), f"{day.unit}s"
    if isinstance(day, CalendarDate):
        return _calendar(day, today), "date"
    if day.kind == "weekday":
        return _weekday(day, today), "next_weekday" if day.next else "weekday"
    return _named(day.kind, today), day.kind


def _after(length: Length, today: date) -> date:
    if length.unit == "working_day":
        found = today
        for _day in range(length.number):
            found += timedelta(days=1)
            while found.weekday() >= SATURDAY:
                found += timedelta(days=1)
        return found
    if length.unit == "month":
        months = today.month - 1 + length.number
        year, month = today.year + months // 12, months % 12 + 1
        return date(year, month, min(today.day, monthrange(year, month)[1]))
    return today + timedelta(days=length.number * (7 if length.unit == "week" else 1))


def _weekday(day: NamedDay, today: date) -> date:
    if day.next:
        monday = today + timedelta(days=7 - today.weekday())
        return monday + timedelta(days=day.weekday)
    return today + timedelta(days=(day.weekday - today.weekday() - 1) % 7 + 1)


def _named(kind: str, today: date) -> date:
    if kind in ("end_of_week", "this_week"):
        return today + timedelta(days=(FRIDAY - today.weekday()) % 7)
    if kind in ("next_week", "end_of_next_week"):
        return _weekday(NamedDay("weekday", FRIDAY, True), today)
    if kind == "end_of_month":
        return _last_of(today.year, today.month)
    if kind == "next_month":
        return _last_of(today.year + today.month // 12, today.month % 12 + 1)
    days = {"today": 0, "end_of_day": 0, "tomorrow": 1, "after_tomorrow": 2}
    return today + timedelta(days=days[kind])


def _last_of(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])


def _calendar(stated: CalendarDate, today: date) -> date:
    """A date; without its year, or without its month, the next such date from today on."""
    if stated.year:
        return date(stated.year, stated.month, stated.day)
    if stated.month:
        found = _valid(today.year, stated.month, stated.day)
        return found if found > today else _valid(today.year + 1, stated.month, stated.day)
    for ahead in range(13):
        months = today.month - 1 + ahead
        year, month = today.year + months // 12, months % 12 + 1
        if stated.day <= monthrange(year, month)[1] and date(year, month, stated.day) > today:
            return date(year, month, stated.day)
    raise ValueError("no such date")


def _valid(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, monthrange(year, month)[1]))


def _at(day: date, minutes: int, now: datetime, rule: str) -> Due:
    day, minutes = day + timedelta(days=minutes // (24 * 60)), minutes % (24 * 60)
    moment = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=now.tzinfo)
    return Due(from_datetime(moment), rule)
