"""Generated card numbers in disguises, and other numbers of commerce."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from random import Random

from handoff.domain.redaction.issuers import RANGES, luhn

SEPARATORS = (
    " ",
    "-",
    ".",
    "/",
    "_",
    "\u00a0",
    "\u202f",
    "\u2009",
    "\u200b",
    "\u2011",
    "\n",
    "\t",
    " - ",
    " / ",
    "\r\n> ",
)
ZEROS = (0x30, 0xFF10, 0x660, 0x6F0, 0x966, 0x1D7CE)
SHAPES = ((4, 4, 4, 4, 3), (4, 6, 9), (8, 11), (6, 13), (1,) * 19)


def check_digit(digits: str) -> str:
    return next(it for it in "0123456789" if luhn(digits + it))


def card(random: Random) -> str:
    """A card number of any network and length that the table has."""
    issued = random.choice(RANGES)
    first = str(random.randint(int(issued.first), int(issued.last))).zfill(len(issued.first))
    length = random.choice(issued.lengths)
    body = first + "".join(random.choices("0123456789", k=length - len(first) - 1))
    return body + check_digit(body)


def grouped(random: Random, digits: str) -> str:
    """Digits in groups with one separator, or with a new one at each place."""
    groups, rest = [], digits
    for size in random.choice(SHAPES):
        groups.append(rest[:size])
        rest = rest[size:]
    shown = [it for it in [*groups, rest] if it]
    one = random.choice(SEPARATORS)
    mixed = random.random() < 0.3
    return "".join(it + (random.choice(SEPARATORS) if mixed else one) for it in shown).strip()


def scattered(random: Random, digits: str) -> str:
    """Separators at random places."""
    return "".join(it + (random.choice(SEPARATORS) if random.random() < 0.4 else "") for it in digits).strip()


def foreign(random: Random, digits: str) -> str:
    """Digits of other scripts, one script or a mixture."""
    zero = random.choice(ZEROS)
    mixed = random.random() < 0.3
    shown = grouped(random, digits)
    return "".join(
        chr((random.choice(ZEROS) if mixed else zero) + int(it)) if it.isdigit() else it for it in shown
    )


def markup(random: Random, digits: str) -> str:
    """HTML: tags and entities between and instead of digits."""
    between = ("<b></b>", "</span><span class='a1'>", "&nbsp;", "&#8203;", "<!-- 12 -->", "&#x2d;", "<br>")
    shown = [f"&#{ord(it)};" if random.random() < 0.2 else it for it in digits]
    return "".join(it + (random.choice(between) if random.random() < 0.3 else "") for it in shown)


def percent(random: Random, digits: str) -> str:
    """A URL: percent-encoded digits and spaces."""
    shown = [f"%{ord(it):02x}" if random.random() < 0.2 else it for it in digits]
    return "https://shop.example/pay?n=" + "".join(
        it + (random.choice(("%20", "+", "-")) if random.random() < 0.2 else "") for it in shown
    )


def escaped(random: Random, digits: str) -> str:
    """JSON escapes that somebody escaped again."""
    return "".join(f"\\u{ord(it):04x}" if random.random() < 0.3 else it for it in digits)


def solid(_random: Random, digits: str) -> str:
    return digits


Disguise = Callable[[Random, str], str]
DISGUISES: tuple[Disguise, ...] = (solid, grouped, scattered, foreign, markup, percent, escaped)
AROUND = (
    "{}",
    "my card {} thanks",
    "Karte: {}, gültig bis 12/29",
    "pay with {} exp 11/27 cvv 123",
    "({})",
    "Visa{}x",
    "\n{}\n",
)


def disguised(random: Random) -> tuple[str, str]:
    """A card number, and a text that has it in disguise."""
    digits = card(random)
    disguise = random.choice(DISGUISES)
    return digits, random.choice(AROUND).format(disguise(random, digits))


def readable(text: str) -> str:
    """All digits of a text, as a determined reader would extract them."""
    text = html.unescape(re.sub(r"<[^<>]*>", "", text))
    text = re.sub(r"%([0-9a-fA-F]{2})", lambda it: chr(int(it[1], 16)), text)
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda it: chr(int(it[1], 16)), text)
    return "".join(str(unicodedata.digit(it)) for it in text if unicodedata.digit(it, None) is not None)


def order(random: Random) -> str:
    """Order numbers: counters, dates with counters, Amazon's and Shopify's forms, ids of databases."""
    any_ = random.randrange
    return random.choice(
        (
            lambda: f"{any_(10**5, 10**9)}",
            lambda: f"2026{any_(1, 13):02d}{any_(1, 29):02d}{any_(10**4, 10**6)}",
            lambda: f"{any_(300, 500)}-{any_(10**6, 10**7)}-{any_(10**6, 10**7)}",
            lambda: f"#{any_(1000, 99999)}",
            lambda: f"ORD-{any_(10**9, 10**10)}-{any_(1, 99)}",
            lambda: f"{any_(10**9, 10**12)}",
            lambda: f"17{any_(10**11, 10**12)}",  # milliseconds since 1970
            lambda: f"{any_(10**18, 2 * 10**18)}",  # ids of the snowflake kind
        )
    )()


def phone(random: Random) -> str:
    """Telephone numbers in international and national form."""
    number = "".join(random.choices("0123456789", k=random.randint(8, 10)))
    country = random.choice(("49", "44", "33", "1", "34", "39", "41", "43", "358", "48"))
    return random.choice(
        (
            f"+{country}{number}",
            f"00{country} {number[:3]} {number[3:]}",
            f"0{number[:3]}/{number[3:]}",
            f"+{country} ({number[:3]}) {number[3:6]}-{number[6:]}",
            f"+{country} {number[:3]} {number[3:]}, +{country} {number[2:5]} {number[4:]}",
        )
    )


def parcel(random: Random) -> str:
    """Parcel numbers of UPS, DHL, DPD, GLS, Hermes, FedEx, Royal Mail, USPS."""
    digits = lambda count: "".join(random.choices("0123456789", k=count))  # noqa: E731
    return random.choice(
        (
            f"1Z{digits(3)}AA{digits(10)}",
            f"00340434{digits(12)}",
            f"JJD0003{digits(13)}",
            f"0{digits(13)}",
            digits(11),
            digits(12),
            f"H{digits(19)}",
            f"RR{digits(9)}DE",
            f"94{digits(20)}",
        )
    )


IBAN_LENGTHS = {
    "DE": 22,
    "AT": 20,
    "NO": 15,
    "BE": 16,
    "DK": 18,
    "FI": 18,
    "ES": 24,
    "PL": 28,
    "CH": 21,
    "PT": 25,
}


def iban(random: Random) -> str:
    country = random.choice(list(IBAN_LENGTHS))
    account = "".join(random.choices("0123456789", k=IBAN_LENGTHS[country] - 4))
    plain = "".join(str(int(it, 36)) for it in f"{account}{country}00")
    whole = f"{country}{98 - int(plain) % 97:02d}{account}"
    if random.random() < 0.5:
        return " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))
    return whole


NO_CARDS = (order, phone, parcel, iban)


def shop_order(random: Random) -> str:
    """Order numbers in groups, with dates, and with initials: likest to national numbers."""
    any_ = random.randrange
    initials = "".join(random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=2))
    return random.choice(
        (
            lambda: f"{initials}{any_(10**5, 10**8)}",
            lambda: f"{initials[0]}{any_(10**6, 10**7)}",
            lambda: f"202{any_(4, 7)}{any_(1, 13):02d}{any_(1, 29):02d}-{any_(1, 10**4):04d}",
            lambda: f"2{any_(4, 7)}{any_(1, 13):02d}{any_(1, 29):02d}-{any_(1, 10**4):04d}",
            lambda: f"{any_(100, 1000)}-{any_(10**3, 10**4)}-{any_(10**3, 10**4)}",
            lambda: f"{any_(10**8, 10**9)}",
            lambda: f"{any_(10**10, 10**11)}",
            lambda: f"ORD-2026-{any_(1, 10**6):06d}",
            lambda: f"{any_(1, 10**6):06d}/{any_(20, 27)}",
        )
    )()


NO_PERSONAL_NUMBERS = (order, phone, parcel, shop_order)
