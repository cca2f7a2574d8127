"""Whether digits and letters are a national identification number, by each country's own rules.

Every function takes the number without separators and in upper case.
"""

from __future__ import annotations

from handoff.domain.redaction.issuers import luhn

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_NIE = {"X": "0", "Y": "1", "Z": "2"}
_OMOCODE = {letter: digit for digit, letter in enumerate("LMNPQRSTUV")}
"""Letters that replace digits of a codice fiscale where two people would share one."""
_CF_MONTHS = "ABCDEHLMPRST"
_CF_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_RECENT = range(16, 36)
"""Years of this century in which customers are rarely born and order numbers with a date begin."""


def is_date(day: int, month: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]


def fi_hetu(number: str) -> bool:
    """Finland: ddmmyy, a sign of the century, three digits, and a check character modulo 31."""
    digits = number[:6] + number[7:10]
    given_out = int(digits[6:]) >= 2
    return given_out and is_date(int(number[:2]), int(number[2:4])) and number[10] == _HETU[int(digits) % 31]


def se_personnummer(number: str) -> bool:
    """Sweden: [yy]yymmdd, four digits, and Luhn's check digit. A coordination number has 60 in its day."""
    digits = number[-10:]
    day = int(digits[4:6])
    century = number[:-10] in ("", "18", "19", "20")
    return century and is_date(day - 60 if day > 60 else day, int(digits[2:4])) and luhn(digits)


def se_born_before(number: str) -> bool:
    """The same, if the year is none that an order number begins with."""
    recent = int(number[-10:-8]) in _RECENT and number[:-10] in ("", "20")
    return not recent and se_personnummer(number)


def de_steuer_id(number: str) -> bool:
    """Germany: one digit twice or three times, the others once, and a check digit (ISO 7064, MOD 11,10)."""
    first = number[:10]
    most = max(map(first.count, first))
    if number[0] == "0" or most not in (2, 3) or len(set(first)) != 11 - most:
        return False
    product = 10
    for digit in first:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(number[10])


def fr_nir(number: str) -> bool:
    """France: sex, year, month, department, commune, order, and a key modulo 97. Corsica has letters."""
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(number[13:])


def es_dni(number: str) -> bool:
    """Spain: eight digits, and a letter modulo 23."""
    return number[8] == _DNI[int(number[:8]) % 23]


def es_nie(number: str) -> bool:
    """Spain, foreigners: a letter for the first digit."""
    return es_dni(_NIE[number[0]] + number[1:])


def gb_nino(number: str) -> bool:
    """United Kingdom: prefixes that are given out. There is no check digit."""
    return (
        number[0] not in "DFIQUV"
        and number[1] not in "DFIOQUV"
        and number[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
    )


def it_codice_fiscale(number: str) -> bool:
    """Italy: month and day of birth, and a check letter."""
    day = "".join([str(_OMOCODE.get(it, it)) for it in number[9:11]])
    if not is_date(int(day) % 40, _CF_MONTHS.find(number[8]) + 1):
        return False
    total = sum(_CF_ODD[_value(it)] if at % 2 == 0 else _value(it) for at, it in enumerate(number[:15]))
    return number[15] == chr(ord("A") + total % 26)


def _value(character: str) -> int:
    return int(character) if character.isdigit() else ord(character) - ord("A")


def nl_bsn(number: str) -> bool:
    """The Netherlands: the test of eleven. Short ones have zeros in front."""
    digits = [int(it) for it in number.zfill(9)]
    total = sum(digit * (9 - at) for at, digit in enumerate(digits[:8])) - digits[8]
    return total % 11 == 0 and any(digits)


def us_ssn(number: str) -> bool:
    """United States: areas, groups, and serial numbers that are given out. There is no check digit."""
    area, group, serial = number[:3], number[3:5], number[5:]
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"
