"""The forms of a continuity code: a token for links and texts, digits for keypads and speech.

A token is a random number and its signature in Crockford's base32: 24 letters and digits that survive a
change of case and the letters that people confuse. The signature covers the tenant, so text that looks like
a token, and another tenant's token, are recognised without a look into the store.
"""

from __future__ import annotations

import re
from collections.abc import Callable

RANDOM, SIGNED = 10, 5  # bytes of a token: 80 bits to guess, 40 bits of signature
TOKEN_CHARACTERS = 24
DIGITS = 10  # the last one is a check digit
GROUPS = (3, 3, 4)
LINK_PARAMETER = "handoff"

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)} | {"I": 1, "L": 1, "O": 0}
TOKEN = re.compile(
    rf"(#h-|\+h-|\b{LINK_PARAMETER}=)([0-9a-tv-z]{{{TOKEN_CHARACTERS}}})(?![0-9a-z])", re.I | re.A
)
"""A token where a text, an address, or a link may carry it: the mark before it, and its characters."""


def has_token(text: str) -> bool:
    """Whether TOKEN finds one. The pattern tries every character, so the marks are searched for first."""
    lowered = text.lower()
    if "#h-" in lowered or "+h-" in lowered or f"{LINK_PARAMETER}=" in lowered:
        return TOKEN.search(text) is not None
    return False


_SPACING = str.maketrans("", "", " \t-.,/()\u00a0\u202f*#")

Signs = Callable[[bytes], bytes]
"""The signature of a token's random bytes, at least `SIGNED` bytes long."""


def write_token(random: bytes, signs: Signs) -> str:
    """The token of these random bytes, in upper case."""
    number = int.from_bytes(random + signs(random)[:SIGNED], "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(115, -1, -5))


def read_token(characters: str) -> tuple[bytes, bytes] | None:
    """The random bytes of a token and its signature, in any case; None for anything else."""
    if len(characters) != TOKEN_CHARACTERS:
        return None
    number = 0
    for character in characters.upper():
        value = _VALUES.get(character)
        if value is None:
            return None
        number = number << 5 | value
    raw = number.to_bytes(RANDOM + SIGNED, "big")
    return raw[:RANDOM], raw[RANDOM:]


def write_digits(number: int) -> str:
    """The digits of a random number below 10 ** (DIGITS - 1), with their check digit."""
    digits = f"{number:0{DIGITS - 1}d}"
    return digits + _check_digit(digits)


def read_digits(text: str) -> str | None:
    """The digits that a keypad or a speech recogniser gave, without what groups them.

    None if these are not the digits of a code: a mistyped digit, or two swapped ones, are noticed here.
    """
    digits = text.translate(_SPACING) if len(text) <= 4 * DIGITS else ""
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    return digits if _check_digit(digits[:-1]) == digits[-1] else None


def _check_digit(digits: str) -> str:
    """ISO 7064, MOD 11,10."""
    product = 10
    for digit in digits:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def grouped(digits: str) -> str:
    """The digits as people read them out: `482 993 1047`."""
    groups, start = [], 0
    for size in GROUPS:
        groups.append(digits[start : start + size])
        start += size
    return " ".join(groups)


def spoken(digits: str) -> str:
    """The digits for a speech synthesiser, one by one, with a pause after each group."""
    return ", ".join(" ".join(group) for group in grouped(digits).split(" "))


def subject_tag(token: str) -> str:
    """The tag for a mail's subject."""
    return f"[#H-{token}]"


def plus_address(mailbox: str, token: str) -> str:
    """The address of a mailbox that carries the token (RFC 5233)."""
    local, _, domain = mailbox.rpartition("@")
    return f"{local}+h-{token.lower()}@{domain}"
