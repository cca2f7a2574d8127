"""Issuer ranges of payment cards, and whether digits are a card number.

Sources: ISO/IEC 7812-1 (structure and check digit), "Payment card number" on Wikipedia (ranges and lengths
by network, read in 2026), and the networks' own publications where they differ: Mastercard's 2-series
(2221–2720), Discover's global BIN ranges, Visa's 13, 16 and 19 digits.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct


class IssuerRange(Struct, frozen=True):
    """A network's range of first digits, inclusive, and the lengths of its numbers."""

    network: str
    first: str
    last: str
    lengths: tuple[int, ...]


_ALL = (13, 14, 15, 16, 17, 18, 19)
_LONG = (16, 17, 18, 19)
RANGES = (
    IssuerRange("Visa", "4", "4", (13, 16, 19)),
    IssuerRange("Mastercard", "51", "55", (16,)),
    IssuerRange("Mastercard", "2221", "2720", (16,)),
    IssuerRange("American Express", "34", "34", (15,)),
    IssuerRange("American Express", "37", "37", (15,)),
    IssuerRange("Diners Club", "300", "305", (14, 15, *_LONG)),
    IssuerRange("Diners Club", "3095", "3095", (14, 15, *_LONG)),
    IssuerRange("Diners Club", "36", "36", (14, 15, *_LONG)),
    IssuerRange("Diners Club", "38", "39", (14, 15, *_LONG)),
    IssuerRange("Discover", "6011", "6011", _LONG),
    IssuerRange("Discover", "644", "649", _LONG),
    IssuerRange("Discover, RuPay, Troy, Verve", "65", "65", _LONG),
    IssuerRange("RuPay, Hipercard", "60", "60", (16,)),
    IssuerRange("JCB", "3528", "3589", _LONG),
    IssuerRange("UnionPay", "62", "62", _LONG),
    IssuerRange("UnionPay", "8100", "8171", _LONG),
    IssuerRange("RuPay", "81", "82", (16,)),
    IssuerRange("Maestro, Dankort, Verve, Elo", "50", "50", _ALL),
    IssuerRange("Maestro", "56", "58", _ALL),
    IssuerRange("Maestro", "6304", "6304", _ALL),
    IssuerRange("Maestro", "6390", "6390", _ALL),
    IssuerRange("Maestro", "67", "67", _ALL),
    IssuerRange("InterPayment", "636", "636", _LONG),
    IssuerRange("InstaPayment", "637", "639", (16,)),
    IssuerRange("Mir, Borica", "2200", "2205", _LONG),
    IssuerRange("Troy", "9792", "9792", (16,)),
    IssuerRange("UzCard", "8600", "8600", (16,)),
    IssuerRange("Humo", "9860", "9860", (16,)),
    IssuerRange("UATP", "1", "1", (15,)),
)
_PREFIX = 4  # digits of the longest entry above


def _by_prefix() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for issued in RANGES:
        width = len(issued.first)
        for number in range(int(issued.first), int(issued.last) + 1):
            found.setdefault(str(number).zfill(width), set()).update(issued.lengths)
    return {prefix: frozenset(lengths) for prefix, lengths in found.items()}


_LENGTHS = _by_prefix()
_NONE: frozenset[int] = frozenset()


def lengths_of(digits: str) -> frozenset[int]:
    """The lengths that a card number with these first digits may have; empty if no network issues it."""
    return _known(digits[:_PREFIX])


@lru_cache(maxsize=16384)  # all prefixes of four digits
def _known(prefix: str) -> frozenset[int]:
    found = _NONE
    for width in range(1, _PREFIX + 1):
        found |= _LENGTHS.get(prefix[:width], _NONE)
    return found


def is_card_number(digits: str) -> bool:
    """Whether ASCII digits have a network's first digits, one of its lengths, and a valid check digit."""
    return len(digits) in lengths_of(digits) and luhn(digits)


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Whether the check digit is valid (ISO/IEC 7812-1, annex B)."""
    numbers = [int(it) for it in reversed(digits)]
    return (sum(numbers[::2]) + sum(_DOUBLED[it] for it in numbers[1::2])) % 10 == 0


def running_sums(digits: list[int]) -> tuple[list[int], list[int]]:
    """Luhn's sums up to each place, with the even and with the odd places doubled.

    The sum of digits `a` to `b` (exclusive) is then one subtraction: see `passes`.
    """
    even, odd = [0], [0]
    for at, digit in enumerate(digits):
        doubled = _DOUBLED[digit]
        even.append(even[-1] + (digit if at % 2 else doubled))
        odd.append(odd[-1] + (doubled if at % 2 else digit))
    return even, odd


def passes(sums: tuple[list[int], list[int]], start: int, end: int) -> bool:
    """Luhn's test of the digits from `start` to `end`, exclusive. The last digit is not doubled."""
    chosen = sums[(end - 1) % 2 == 0]
    return (chosen[end] - chosen[start]) % 10 == 0
