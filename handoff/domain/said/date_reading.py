"""Reading times in the words of a sentence: lengths, days, times of day, dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from .date_words import PARTS, DateLexicon, Meaning

LOOK_BACK = 4  # words before a length in which "within" may be
_CLOCK = re.compile(r"([01]?\d|2[0-4])[:.]([0-5]\d)")
_CLOCKS = re.compile(r"([01]?\d|2[0-4])(?:[:.]([0-5]\d))?[-–]([01]?\d|2[0-4])(?:[:.]([0-5]\d))?")
_RANGE = re.compile(r"(\d{1,3})[-–/](\d{1,3})")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_DATE = re.compile(r"(\d{1,2})[./\-](\d{1,2})(?:[./\-](\d{4}|\d\d)?)?\.?")
_PLAIN = re.compile(r"\d{1,4}")
MAX_LENGTH = 1000  # of one unit
AFTERNOON_UNTIL = 7  # "at 3" without more is 15:00; nobody is called at night


class Length(Struct, frozen=True):
    """A length of time from now."""

    number: int
    unit: str


class NamedDay(Struct, frozen=True):
    """`today`, `tomorrow`, `after_tomorrow`, `weekday`, or an end such as `end_of_week`."""

    kind: str
    weekday: int = 0
    next: bool = False


class CalendarDate(Struct, frozen=True):
    """A date; month and year are 0 where it names none."""

    day: int
    month: int = 0
    year: int = 0


class TimeOfDay(Struct, frozen=True):
    """Minutes after midnight; of a `part` of the day, when it ends."""

    minutes: int
    part: bool = False


Element = Length | NamedDay | CalendarDate | TimeOfDay


class Term(Struct, frozen=True):
    """A word, or a phrase of several, with what it may mean."""

    text: str
    meanings: tuple[Meaning, ...] = ()

    def value(self, kind: str) -> object:
        """Its value as a word of this class, None where it has no such meaning."""
        return next((value for name, value in self.meanings if name == kind), None)

    def has(self, kind: str) -> bool:
        return any(name == kind for name, _value in self.meanings)


def terms(words: Sequence[str], known: DateLexicon) -> list[Term]:
    """The words with their meanings; the longest phrase wins."""
    found, at = [], 0
    while at < len(words):
        for length in range(known.starts.get(words[at], 0), 0, -1):
            text = " ".join(words[at : at + length])
            if text in known.meanings:
                found.append(Term(text, known.meanings[text]))
                at += length
                break
        else:
            found.append(Term(words[at]))
            at += 1
    return found


def elements(words: Sequence[str], known: DateLexicon) -> list[Element]:
    """The times that a sentence names, in their order."""
    read = _TimeReader(terms(words, known))
    return list(read.all())


_NOTHING = Term("")


class _TimeReader:
    """Reads terms from left to right."""

    def __init__(self, found: Sequence[Term]) -> None:
        self.terms = found

    def at(self, place: int) -> Term:
        return self.terms[place] if 0 <= place < len(self.terms) else _NOTHING

    def all(self) -> Iterator[Element]:
        place = 0
        while place < len(self.terms):
            used, found = self._one(place)
            if found and not self._about(place):
                yield from found
            place += max(used, 1)

    def _about(self, place: int) -> bool:
        return any(self.at(place - back).has("topic") for back in (1, 2))

    def _one(self, place: int) -> tuple[int, list[Element]]:
        term = self.at(place)
        if term.has("keep"):
            return 1, []
        for read in (self._length, self._span, self._date, self._day, self._end, self._time):
            used, found = read(place)
            if used:
                return used, found
        return 1, []

    def _length(self, place: int) -> tuple[int, list[Element]]:
        """ "5 days", "3-5 working days", "two to three weeks"."""
        number, used = self._number(place)
        if number is None:
            return 0, []
        unit = self.at(place + used)
        name = unit.value("unit")
        span = unit.value("span")
        if isinstance(span, str) and span.startswith("1 "):  # "kahden | tunnin sisällä"
            name = span.removeprefix("1 ")
        if not isinstance(name, str) or not 0 < number <= MAX_LENGTH:
            return 0, []
        if unit.has("oclock") and not self._within(place) and number < 24:
            return 0, []
        used += 1
        if self._over(place, used):
            return used, []
        return used, [Length(number, name)]

    def _number(self, place: int) -> tuple[int | None, int]:
        """A number or the upper end of a range, and the terms that it takes."""
        number = self._plain(place)
        if number is None:
            return None, 0
        if self.at(place + 1).has("between") and (upper := self._plain(place + 2)) is not None:
            return upper, 3
        return number, 1

    def _plain(self, place: int) -> int | None:
        term = self.at(place)
        value = term.value("number")
        if isinstance(value, int):
            return value
        if _PLAIN.fullmatch(term.text):
            return int(term.text)
        if match := _RANGE.fullmatch(term.text):
            return int(match[2])
        return None

    def _within(self, place: int) -> bool:
        return any(self.at(place - back).has("within") for back in range(1, LOOK_BACK + 1))

    def _over(self, place: int, used: int) -> bool:
        """Whether a length of time is over, or only measures how long something lasts."""
        if self.at(place + used).has("ago_after") or self.at(place - 1).has("ago_before"):
            return True
        return self.at(place - 2).has("ago_before") and not self.at(place - 1).has("within")

    def _span(self, place: int) -> tuple[int, list[Element]]:
        stated = self.at(place).value("span")
        if not isinstance(stated, str):
            return 0, []
        if self._over(place, 1):
            return 1, []
        number, _, unit = stated.partition(" ")
        return 1, [Length(int(number), unit)]

    def _end(self, place: int) -> tuple[int, list[Element]]:
        stated = self.at(place).value("end")
        if not isinstance(stated, str):
            return 0, []
        if self._past(place, 1):
            return 1, []
        return 1, [NamedDay(stated)]

    def _past(self, place: int, used: int) -> bool:
        return self.at(place - 1).has("past_before") or self.at(place + used).has("past_after")

    def _day(self, place: int) -> tuple[int, list[Element]]:
        term = self.at(place)
        used, found = 1, list[Element]()
        both, day = term.value("both"), term.value("day")
        weekday = term.value("weekday")
        if isinstance(both, str):
            name, _, part = both.partition(" ")
            named = NamedDay("weekday", int(name), self._next(place)) if name.isdigit() else NamedDay(name)
            found = [named, TimeOfDay(PARTS[part], part=True)]
        elif isinstance(day, str):
            found = [NamedDay(day)]
        elif isinstance(weekday, int):
            following = self._next(place)
            found = [NamedDay("weekday", weekday, following)]
            if self.at(place + 1).has("next"):
                used += 1
        else:
            return 0, []
        if isinstance(found[0], NamedDay) and found[0].kind == "weekday" and self._past(place, used):
            return used, []
        return used, found

    def _next(self, place: int) -> bool:
        return self.at(place - 1).has("next") or self.at(place + 1).has("next")

    def _date(self, place: int) -> tuple[int, list[Element]]:
        used, found = self._written_date(place)
        if not used:
            used, found = self._month_date(place)
        if used and self._past(place, used):
            return used, []
        return used, found

    def _written_date(self, place: int) -> tuple[int, list[Element]]:
        """ "2026-12-04", "4.12.", "4/12/2026"; "15.30" after "at" is a time."""
        text = self.at(place).text
        if match := _ISO.fullmatch(text):
            return 1, _dated(int(match[3]), int(match[2]), int(match[1]))
        match = _DATE.fullmatch(text)
        if not match or self.at(place - 1).has("clock") or self.at(place + 1).has("oclock"):
            return 0, []
        day, month = int(match[1]), int(match[2])
        if text.count("-") and not match[3]:
            return 0, []  # 3-5
        if month > 12 >= day and "/" in text:
            day, month = month, day
        if not match[3] and "." in text and not text.endswith(".") and len(match[2]) == 2 and month > 12:
            return 0, []  # 15.30
        year = int(match[3]) if match[3] else 0
        found = _dated(day, month, year + 2000 if 0 < year < 100 else year)
        return (1, found) if found else (0, [])

    def _month_date(self, place: int) -> tuple[int, list[Element]]:
        """ "4 December 2026", "December 4th", "the 4th", "le 4"."""
        month = self.at(place).value("month")
        if isinstance(month, int):
            day = self._day_number(place + 1)
            if day is None or self.at(place + 2).has("unit"):
                return 0, []
            used = 3 if self.at(place + 2).has("day_ends") else 2
            return self._with_year(place, used, day, month)
        day = self._day_number(place)
        if day is None:
            return 0, []
        used = 2 if self.at(place + 1).has("day_ends") else 1
        for skipped in (0, 1):  # "4 de diciembre", "4th of December"
            month = self.at(place + used + skipped).value("month")
            if isinstance(month, int):
                return self._with_year(place, used + skipped + 1, day, month)
        marked = self.at(place - 1).has("day_marks") and not self._is_time(place + used)
        if used == 2 or (marked and (self.at(place).text.rstrip(".").isdigit())):
            return used, _dated(day, 0, 0)
        return 0, []

    def _is_time(self, place: int) -> bool:
        term = self.at(place)
        return any(term.has(it) for it in ("unit", "oclock", "am", "pm", "between", "number"))

    def _day_number(self, place: int) -> int | None:
        term = self.at(place)
        text = term.text.rstrip(".")
        if text.isdigit() and len(text) <= 2 and 0 < int(text) <= 31:
            return int(text)
        value = term.value("number")
        return value if isinstance(value, int) and 0 < value <= 31 else None

    def _with_year(self, place: int, used: int, day: int, month: int) -> tuple[int, list[Element]]:
        for skipped in (0, 1):
            text = self.at(place + used + skipped).text.rstrip(".")
            if len(text) == 4 and text.isdigit() and text.startswith("20"):
                return used + skipped + 1, _dated(day, month, int(text))
        return used, _dated(day, month, 0)

    def _time(self, place: int) -> tuple[int, list[Element]]:
        term = self.at(place)
        part = term.value("part")
        if isinstance(part, str):
            return 1, [TimeOfDay(PARTS[part], part=True)]
        shift = term.value("shift")
        if isinstance(shift, str):
            hour = self._hour(place + 1)
            if hour is None:
                return 0, []
            return self._clock(place, 2, hour * 60 + int(shift), certain=False)
        if match := _CLOCKS.fullmatch(term.text.rstrip(".")):
            if not (match[2] or match[4] or self._marked(place, place + 1)):
                return 0, []
            return self._clock(place, 1, int(match[3]) * 60 + int(match[4] or 0), certain=bool(match[4]))
        if match := _CLOCK.fullmatch(term.text.rstrip(".")):
            return self._clock(place, 1, int(match[1]) * 60 + int(match[2]), certain=len(match[1]) == 2)
        hour = self._hour(place)
        if hour is None:
            return 0, []
        if term.has("hour") or self._marked(place, place + 1):
            return self._clock(place, 1, hour * 60, certain=False)
        return self._range_of_hours(place, hour)

    def _range_of_hours(self, place: int, hour: int) -> tuple[int, list[Element]]:
        """ "from 9 to 12 am", "zwischen 9 und 12 Uhr": the first hour, where the second is one."""
        other = self._hour(place + 2)
        if not self.at(place + 1).has("between") or other is None:
            return 0, []
        if not self._marked(place + 2, place + 3):
            return 0, []
        return 2, []

    def _marked(self, place: int, after: int) -> bool:
        """Whether a number is a time of day by the words around it."""
        following = self.at(after)
        if any(following.has(it) for it in ("oclock", "am", "pm", "shift_after")):
            return True
        before = self.at(place - 1)
        if following.has("counted"):
            return False
        if before.has("clock"):
            return True
        if before.has("range_starts"):
            return (
                following.has("between")
                and self._hour(after + 1) is not None
                and not self.at(after + 2).has("counted")
            )
        return before.has("between") and self.at(place - 3).has("range_starts")

    def _hour(self, place: int) -> int | None:
        term = self.at(place)
        text = term.text.rstrip(".")
        if text.isdigit() and len(text) <= 2 and int(text) <= 24:
            return int(text)
        value = term.value("number") or term.value("hour")
        return value if isinstance(value, int) and 0 < value <= 24 else None

    def _clock(self, place: int, used: int, minutes: int, *, certain: bool) -> tuple[int, list[Element]]:
        """A time of day, with the words after it: "3 o'clock in the afternoon"."""
        after = self.at(place + used)
        if after.has("oclock"):
            used += 1
            after = self.at(place + used)
            minute = after.text.rstrip(".")
            if minute.isdigit() and len(minute) == 2 and int(minute) < 60:  # 15 h 30
                minutes, certain = minutes + int(minute), True
                used += 1
                after = self.at(place + used)
        shift = after.value("shift_after")
        if isinstance(shift, str):
            minutes, used = minutes + int(shift), used + 1
            after = self.at(place + used)
        if after.has("pm") and minutes < 12 * 60:
            return used + 1, [TimeOfDay(minutes + 12 * 60)]
        if after.has("am") or after.has("pm"):
            early = after.has("am") and minutes >= 12 * 60  # 12 am
            return used + 1, [TimeOfDay(minutes - 12 * 60 if early else minutes)]
        if not certain and 0 < minutes < AFTERNOON_UNTIL * 60:
            minutes += 12 * 60
        return used, [TimeOfDay(minutes)]


def _dated(day: int, month: int, year: int) -> list[Element]:
    return [CalendarDate(day, month, year)] if 0 < day <= 31 and 0 <= month <= 12 else []
