"""Finding card numbers in a text: digits with anything between them that a person would read past."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

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
_IBAN = re.compile(r"([A-Za-z]{2})[0-9]{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in re.findall(
        r"(\d+)((?: [A-Z]{2})+)",
        "15 NO 16 BE 18 DK FI FO GL NL SD 19 MK SI 20 AT BA EE KZ LT LU MN XK 21 CH HR LI LV"
        " 22 BG BH CR DE GB GE IE ME RS VA 23 AE GI IL IQ OM SO TL 24 AD CZ ES MD PK RO SA SE SK TN VG"
        " 25 LY PT ST 26 IS TR 27 BI DJ FR GR IT MC MR SM 28 AL AZ BY CY DO GT HU LB NI PL SV"
        " 29 BR EG PS QA UA 30 JO KW MU 31 MT SC 32 LC 33 RU",
    )
    for country in countries.split()
}
"""Characters of an IBAN by country, from SWIFT's IBAN registry (release 99)."""
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
                    exempt = [*_ibans(text), *(it.span() for it in _AMAZON.finditer(text))]
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


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    """The places of valid IBANs (ISO 13616): as long as the country's, with the right check digits."""
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match.group(1).upper(), 0)
        places = [at for at in range(*match.span()) if text[at].isalnum()][:length]
        plain = "".join(text[at] for at in places)
        if not length or len(plain) != length:
            continue
        if int("".join(str(int(it, 36)) for it in plain[4:] + plain[:4])) % 97 == 1:
            yield places[0], places[-1] + 1


def _is_phone(text: str) -> bool:
    if not _PHONE.match(text):
        return False
    import phonenumbers  # tables of many countries: only where a number may be a card

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False
