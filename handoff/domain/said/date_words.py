"""The words of a language's date grammar: as its pack states them, and ready to be looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, get_args

from msgspec import Struct, field

from .words import phrase

MAX_WORDS = 6  # of one phrase
PARTS: Mapping[str, int] = {"morning": 12 * 60, "noon": 12 * 60, "afternoon": 17 * 60, "evening": 21 * 60}
"""Part of a day -> when it ends, in minutes after midnight."""
Part = Literal["morning", "noon", "afternoon", "evening"]
Unit = Literal["minute", "hour", "day", "working_day", "week", "month"]
End = Literal[
    "end_of_day",
    "end_of_week",
    "end_of_next_week",
    "end_of_month",
    "this_week",
    "next_week",
    "next_month",
]
_DAYS = frozenset({"today", "tomorrow", "after_tomorrow", *map(str, range(7))})


class DateWords(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words of the date grammar. `a|b` are forms of one word; a word after `=` is matched with the accents
    that it is written with. Weekdays begin with Monday, months with January."""

    today: list[str] = field(default_factory=list)
    tomorrow: list[str] = field(default_factory=list)
    after_tomorrow: list[str] = field(default_factory=list)
    weekdays: list[str] = field(default_factory=list)
    months: list[str] = field(default_factory=list)
    parts: dict[Part, list[str]] = field(default_factory=dict)
    """`morning`, `noon`, `afternoon`, `evening` -> their words."""
    both: dict[str, list[str]] = field(default_factory=dict)
    """A day and a part, such as `today evening` -> phrases for both: "tonight"."""
    glued: list[str] = field(default_factory=list)
    """Endings that name a part, such as `nachmittag:afternoon`, as in "Freitagnachmittag"."""
    hours: dict[str, int] = field(default_factory=dict)
    """Words that are a time of day by themselves: "kolmelta"."""
    numbers: dict[str, int] = field(default_factory=dict)
    units: dict[Unit, list[str]] = field(default_factory=dict)
    """`minute`, `hour`, `day`, `working_day`, `week`, `month` -> their forms."""
    spans: dict[str, list[str]] = field(default_factory=dict)
    """A length, such as `30 minute` -> phrases for it: "half an hour"."""
    ends: dict[End, list[str]] = field(default_factory=dict)
    """`end_of_day`, `end_of_week`, `end_of_next_week`, `end_of_month`, `this_week`, `next_week`,
    `next_month` -> phrases."""
    next: list[str] = field(default_factory=list)
    """"Next" before or after a weekday."""
    within: list[str] = field(default_factory=list)
    """Before a length of time, where the unit may also be a time of day: "dans 2 h"."""
    clock: list[str] = field(default_factory=list)
    """Before a time of day: "at", "um", "klo"."""
    oclock: list[str] = field(default_factory=list)
    """After an hour: "Uhr", "h", "o'clock"."""
    am: list[str] = field(default_factory=list)
    pm: list[str] = field(default_factory=list)
    shifts: dict[str, list[str]] = field(default_factory=dict)
    """Minutes to add to the hour that follows (`30`, `-30`, `15`, `-15`) -> words: "half past", "halb"."""
    shifts_after: dict[str, list[str]] = field(default_factory=dict)
    """The same for words after the hour: "y media"."""
    between: list[str] = field(default_factory=list)
    """Between the ends of a range: "to", "bis"."""
    range_starts: list[str] = field(default_factory=list)
    """Before the first of two times of day: "from", "zwischen"."""
    counted: list[str] = field(default_factory=list)
    """After a number that is not a time: "euros"."""
    day_marks: list[str] = field(default_factory=list)
    """Before a bare number that is a day of the month: "le 4"."""
    day_ends: list[str] = field(default_factory=list)
    """After a bare number that is a day of the month: "th"."""
    ago_before: list[str] = field(default_factory=list)
    """Before a length of time that is over or only lasts: "hace", "for"."""
    ago_after: list[str] = field(default_factory=list)
    past_before: list[str] = field(default_factory=list)
    """Before a day in the past: "last"."""
    past_after: list[str] = field(default_factory=list)
    topic: list[str] = field(default_factory=list)
    """Before a day that is only spoken about: "about", "wegen"."""
    keep: list[str] = field(default_factory=list)
    """Phrases that look like times and are none: "any time"."""

    def __post_init__(self) -> None:
        """A mistake in a pack shows when the pack is read, not in the first sentence that has the word."""
        if len(self.weekdays) not in (0, 7) or len(self.months) not in (0, 12):
            raise ValueError("weekdays are seven, months are twelve")
        for stated in self.both:
            day, _, part = stated.partition(" ")
            if day not in _DAYS or part not in PARTS:
                raise ValueError(f"both: {stated!r} is not a day and a part of the day")
        for stated in self.glued:
            if stated.partition(":")[2] not in PARTS:
                raise ValueError(f"glued: {stated!r} is not an ending, a colon, and a part of the day")
        for stated in self.spans:
            number, _, unit = stated.partition(" ")
            if not number.isdecimal() or unit not in get_args(Unit):
                raise ValueError(f"spans: {stated!r} is not a number and a unit")
        for stated in (*self.shifts, *self.shifts_after):
            if not stated.removeprefix("-").isdecimal():
                raise ValueError(f"shifts: {stated!r} is not a number of minutes")


Meaning = tuple[str, object]
"""A class of words and a value: `("unit", "hour")`."""


class DateLexicon(Struct, frozen=True):
    """Phrase -> what it may mean; `starts` are the first words of all phrases."""

    meanings: Mapping[str, tuple[Meaning, ...]]
    starts: Mapping[str, int]
    """First word -> words of the longest phrase that begins with it."""


def lexicon(words: DateWords) -> DateLexicon:
    """The words of a language, ready to be looked up."""
    found: dict[str, list[Meaning]] = {}
    for stated, meaning in _entries(words):
        for form in stated.split("|"):
            for spelled in phrase(form):
                meanings = found.setdefault(spelled, [])
                if meaning not in meanings:
                    meanings.append(meaning)
    starts: dict[str, int] = {}
    for spelled in found:
        parts = spelled.split(" ")
        starts[parts[0]] = min(max(starts.get(parts[0], 0), len(parts)), MAX_WORDS)
    return DateLexicon({name: tuple(meanings) for name, meanings in found.items()}, starts)


def _entries(words: DateWords) -> Iterator[tuple[str, Meaning]]:
    for name in ("today", "tomorrow", "after_tomorrow"):
        yield from _listed(getattr(words, name), ("day", name))
    yield from _numbered(words.weekdays, "weekday", 0)
    yield from _numbered(words.months, "month", 1)
    for table, kind in (
        (words.parts, "part"),
        (words.both, "both"),
        (words.units, "unit"),
        (words.spans, "span"),
        (words.ends, "end"),
        (words.shifts, "shift"),
        (words.shifts_after, "shift_after"),
    ):
        for value, stated in table.items():
            yield from _listed(stated, (kind, value))
    for word, number in words.numbers.items():
        yield word, ("number", number)
    for word, hour in words.hours.items():
        yield word, ("hour", hour)
    for kind in _MARKS:
        yield from _listed(getattr(words, kind), (kind, True))
    yield from _compounds(words)


_MARKS = (
    *(
        "next",
        "within",
        "clock",
        "oclock",
        "am",
        "pm",
        "between",
        "range_starts",
        "counted",
        "day_marks",
        "day_ends",
    ),
    *("ago_before", "ago_after", "past_before", "past_after", "topic", "keep"),
)


def _listed(stated: Iterable[str], meaning: Meaning) -> Iterator[tuple[str, Meaning]]:
    for word in stated:
        yield word, meaning


def _numbered(stated: Iterable[str], kind: str, first: int) -> Iterator[tuple[str, Meaning]]:
    for number, forms in enumerate(stated, first):
        yield forms, (kind, number)


def _compounds(words: DateWords) -> Iterator[tuple[str, Meaning]]:
    """Weekdays with a part of the day in one word: "Freitagnachmittag", "perjantai-iltana"."""
    for number, forms in enumerate(words.weekdays):
        for glued in words.glued:
            ending, _, part = glued.partition(":")
            for form in forms.split("|"):
                for glue in ("", "s", "-"):
                    yield f"{form}{glue}{ending}", ("both", f"{number} {part}")
