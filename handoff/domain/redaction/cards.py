"""Finding card numbers in a text: digits with anything between them that a person would read past."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from handoff.domain.personal_numbers.iban import ibans

from .digits import FEWEST, LEAF, NUMBER, PADDED
from .issuers import lengths_of, passes, running_sums

KEPT = 4  # last digits that stay readable, as on a receipt (PCI DSS 3.4.1)
GAP = 6  # characters between two digits of one number: " - ", a line break with a quote mark
SPACES = 40  # and before them: columns of a table in plain text
MAX_IRREGULAR = 26
"""Digits of a run in which any grouping counts: a card number, its expiry date and its code. In longer runs,
such as a column of prices, only the groupings that cards have do."""
_RUN = re.compile(rf"(?<![0-9])[0-9](?:\s{{0,{SPACES}}}+[\W_]{{0,{GAP}}}[0-9]){{{FEWEST - 1},}}")
_BREAK = re.compile(f"[{re.escape(LEAF + NUMBER)}]")
_DIGIT = re.compile("[0-9]")
_NEW_NUMBER = re.compile(r"[\s,;/(|]\+|\A\+\Z")
"""A gap after which another telephone number begins."""
SHAPES = frozenset(
    {
        (4, 4, 4, 4),
        (4, 4, 4, 4, 3),
        (4, 4, 4, 1),
        (4, 6, 5),
        (4, 6, 4),
        (4, 5, 5, 1),
        (4, 4, 8),
        (4, 8, 4),
        (8, 4, 4),
        (8, 8),
        (4, 12),
        (12, 4),
        (6, 10),
        (6, 9),
        (6, 8),
        (6, 6, 4),
        (6, 6, 3),
        (6, 13),
        (10, 6),
        (4, 11),
        (4, 10),
        (4, 9),
    }
)
"""The groupings in which people and forms write card numbers."""
_AMAZON = re.compile(r"(?<![0-9-])[0-9]{3}-[0-9]{7}-[0-9]{7}(?![0-9-])")
"""Order numbers of Amazon: 17 digits in groups that no card has."""
_PHONE = re.compile(r"\+[0-9]{7,15}\Z")


class Number(Struct, frozen=True):
    """A card number in a text: the places of its digits."""

    places: tuple[int, ...]

    @property
    def masked(self) -> tuple[int, ...]:
        """The places of the digits to mask."""
        return self.places[:-KEPT]


def card_numbers(text: str) -> Iterator[Number]:
    """Every card number in a text with ASCII digits. Readings that overlap are all given."""
    exempt: list[tuple[int, int]] | None = None
    breaks = [match.start() for match in _BREAK.finditer(text)]
    for match in _RUN.finditer(text):
        for run in _parts(match.group(), match.start()):
            for number in _in_run(text, run, breaks):
                if exempt is None:
                    exempt = [*ibans(text, apart=False), *(it.span() for it in _AMAZON.finditer(text))]
                if not _exempt(text, number, exempt):
                    yield number


def _parts(found: str, offset: int) -> Iterator[list[int]]:
    """The places of the digits of a run, split where another telephone number begins."""
    if "+" not in found:
        yield [match.start() + offset for match in _DIGIT.finditer(found)]
        return
    run: list[int] = []
    for match in _DIGIT.finditer(found):
        place = match.start() + offset
        if run and place - run[-1] > 1 and _NEW_NUMBER.search(found, run[-1] + 1 - offset, match.start()):
            if len(run) >= FEWEST:
                yield run
            run = []
        run.append(place)
    if len(run) >= FEWEST:
        yield run


def _in_run(text: str, run: list[int], breaks: list[int]) -> Iterator[Number]:
    plain = "".join([text[place] for place in run])
    starts = [0, *(at for at in range(1, len(run)) if run[at] != run[at - 1] + 1)]
    bounds = [*starts, len(run)]
    ends = {end: at for at, end in enumerate(bounds)}
    sums = running_sums(list(map(int, plain)))
    for start, end in pairwise(bounds):
        real = end - len(plain[start:end].lstrip("0"))
        if (
            end - start in PADDED
            and end - real in lengths_of(plain[real : real + 4])
            and passes(sums, real, end)
        ):
            yield Number(tuple(run[real:end]))
    for first, start in enumerate(starts):
        for length in lengths_of(plain[start : start + 4]):
            last = ends.get(start + length)
            if last is not None and passes(sums, start, start + length):
                shape = tuple([bounds[at + 1] - bounds[at] for at in range(first, last)])
                if _plausible(text, run, start, start + length, shape, breaks):
                    yield Number(tuple(run[start : start + length]))


def _plausible(
    text: str, run: list[int], start: int, end: int, shape: tuple[int, ...], breaks: list[int]
) -> bool:
    """Whether the grouping is one of a card number, and not of several numbers side by side.

    `breaks` are the places in the text where one value ends and the next begins.
    """
    if len(shape) == 1 or shape in SHAPES or (len(set(shape[:-1])) == 1 and shape[-1] <= shape[0]):
        return True
    between = text[run[start] : run[end - 1]]
    if NUMBER in between:
        return False
    if LEAF in between:
        return start == 0 and end == len(run)
    following = bisect_right(breaks, run[end - 1])
    before = bisect_left(breaks, run[start]) - 1
    left = bisect_right(run, breaks[before]) if before >= 0 else 0
    right = bisect_left(run, breaks[following]) if following < len(breaks) else len(run)
    return right - left <= MAX_IRREGULAR


def _exempt(text: str, number: Number, others: list[tuple[int, int]]) -> bool:
    """Whether the digits are part of another known number, or a valid telephone number with its plus sign."""
    first, last = number.places[0], number.places[-1]
    if any(start <= first and last < end for start, end in others):
        return True
    solid = last - first + 1 == len(number.places)
    return solid and first > 0 and text[first - 1] == "+" and _is_phone(text[first - 1 : last + 1])


def _is_phone(text: str) -> bool:
    if not _PHONE.match(text):
        return False
    import phonenumbers  # tables of many countries: only where a number may be a card

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False
