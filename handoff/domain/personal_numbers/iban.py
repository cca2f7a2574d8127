"""International bank account numbers (ISO 13616): where they are in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

LENGTHS = {
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
COUNTRIES = "|".join(sorted(LENGTHS))
_HEAD = re.compile(rf"(?<![0-9A-Za-z])({COUNTRIES})[0-9]{{2}}", re.IGNORECASE | re.ASCII)
_HEAD_WITHIN = re.compile(rf"(?<![0-9])({COUNTRIES})[0-9]{{2}}", re.IGNORECASE | re.ASCII)
_GAP = " .-\u2010\u2011\u2013\u00a0\u202f\r\n\t"
MAX_GAP = 2  # characters between two of an IBAN: a line break of a mail
WIDE_GAP = 6  # the same in a disguise: " - ", a line break with a quote mark, as of a card number
_BETWEEN = rf'(?:[^\w"]|_){{0,{WIDE_GAP}}}'
_COUNTRY = rf"([A-Z]){_BETWEEN}([A-Z])(?:{_BETWEEN}[0-9]){{2}}"
_COUNTRY_FIRST = re.compile(_COUNTRY, re.IGNORECASE)
_WIDE_HEAD = re.compile(
    rf"(?<![0-9A-Za-z])(?={_COUNTRY}(?:{_BETWEEN}[A-Z]){{0,4}}(?:{_BETWEEN}[0-9]){{3}})", re.IGNORECASE
)
"""A bank's code has four letters at most, and digits come next."""


def ibans(text: str, *, apart: bool = True) -> Iterator[tuple[int, int]]:
    """The places of valid IBANs: as long as the country's, with the right check digits.

    Without `apart`, letters may touch them, as in `accountDE89…`.
    """
    for match in (_HEAD if apart else _HEAD_WITHIN).finditer(text):
        places = _places(text, match.start(), LENGTHS[match.group(1).upper()])
        follows = text[places[-1] + 1 : places[-1] + 2] if places else ""
        if follows.isalnum() if apart else follows.isdigit():
            continue
        if places and is_iban("".join([text[at] for at in places])):
            yield places[0], places[-1] + 1


def disguised_ibans(text: str) -> Iterator[tuple[int, int]]:
    """The places of valid IBANs with anything between their characters.

    At least half of the account are digits. Otherwise one in a hundred sentences that begin with "be 20"
    would be an IBAN.
    """
    for match in _WIDE_HEAD.finditer(text):
        length = LENGTHS.get((match.group(1) + match.group(2)).upper())
        places = _places(text, match.start(), length, wide=True) if length else []
        if not places or text[places[-1] + 1 : places[-1] + 2].isalnum():
            continue
        plain = "".join([text[at] for at in places])
        if 2 * sum(map(str.isdigit, plain[4:])) >= len(plain) - 4 and is_iban(plain):
            yield places[0], places[-1] + 1


def starts_iban(text: str, at: int) -> bool:
    """Whether the letters and digits from a place on are an IBAN, whatever is between them."""
    match = _COUNTRY_FIRST.match(text, at)
    length = LENGTHS.get((match.group(1) + match.group(2)).upper()) if match else None
    places = _places(text, at, length, wide=True) if length else []
    return bool(places) and is_iban("".join([text[it] for it in places]))


def is_iban(plain: str) -> bool:
    """Whether letters and digits without gaps have the check digits of an IBAN."""
    return int("".join([str(int(it, 36)) for it in plain[4:] + plain[:4]])) % 97 == 1


def _places(text: str, start: int, length: int, *, wide: bool = False) -> list[int]:
    """The places of the next `length` letters and digits; empty if there are fewer."""
    places: list[int] = []
    at, end = start, len(text)
    longest = WIDE_GAP if wide else MAX_GAP
    while len(places) < length:
        if at >= end or (places and at - places[-1] > longest + 1):
            return []
        character = text[at]
        if character.isascii() and character.isalnum():
            places.append(at)
        elif (character.isalnum() or character == '"') if wide else character not in _GAP:
            return []
        at += 1
    return places
