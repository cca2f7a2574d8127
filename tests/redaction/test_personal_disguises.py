"""Bank account and national numbers in disguise: other scripts, separators, invisible characters, markup."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from random import Random

import msgspec
import pytest

from handoff.bootstrap.redaction import build_masking
from handoff.domain.personal_numbers.iban import LENGTHS
from handoff.domain.personal_numbers.masking import NumberMasking
from handoff.services.privacy.settings import MaskingRule
from tests.examples import examples

from .numbers import ZEROS, escaped, foreign, grouped, markup, percent, scattered, solid

SEPARATORS = (
    *(
        " ",
        "-",
        ".",
        "/",
        "_",
        "\u00a0",
        "\u202f",
        "\u2009",
        "\u2007",
        "\u200b",
        "\u2011",
        "\u2013",
        "\u00ad",
    ),
    *(
        "\u2060",
        "\u00b7",
        "\n",
        "\t",
        "\r\n",
        "\r\n> ",
        " - ",
        " / ",
        "&nbsp;",
        "<br>",
        "&#8203;",
        "\u200b \u200b",
    ),
)
VISIBLE = tuple(it for it in SEPARATORS if it not in ("\u200b", "\u00ad", "\u2060", "<br>", "&#8203;"))
DASHES = (
    "-",
    "\u2010",
    "\u2011",
    "\u2013",
    "\u2014",
    "\u2212",
    "\uff0d",
    " - ",
    "\u200b-",
    "&#45;",
    "\u00a0\u2013\u00a0",
)
SSN_GAPS = (*DASHES, " ", "\u00a0", "\u2009", "\u202f", "\u200b \u200b", "&nbsp;")
AROUND = ("{}", "my number is {}, thanks", "({})", "\n{}\n", "Konto: {} BIC", "\u00bb{}\u00ab")
NATIONAL = (  # the groups, what may be between them, and the name without which they do not count
    (("131052", "308T"), DASHES, ""),
    (("010594Y9021",), (), ""),
    (("811228", "9874"), DASHES, ""),
    (("811228", "9874"), (*DASHES, " ", ".", "/", ""), "personnummer "),
    (("86", "095", "742", "719"), VISIBLE, ""),
    (("86", "095", "742", "719"), SEPARATORS, "Steuer-ID: "),
    (("1", "84", "12", "76", "451", "089", "46"), SEPARATORS, ""),
    (("12", "345", "678", "Z"), SEPARATORS, ""),
    (("X", "2", "482", "300", "W"), SEPARATORS, ""),
    (("AB", "12", "34", "56", "C"), SEPARATORS, ""),
    (("RCC", "MNL", "83", "S", "18", "D969H"), SEPARATORS, ""),
    (("111", "222", "333"), SEPARATORS, "BSN "),
    (("536", "90", "4399"), SSN_GAPS, ""),
    (("536", "90", "4399"), SEPARATORS, "social security number: "),
)
ALPHABETS = (0xFF10, 0xFF21, 0xFF41)


@pytest.fixture(scope="module")
def masking() -> NumberMasking:
    return build_masking([MaskingRule(tenant="shop")])


def iban(random: Random, country: str) -> str:
    bank = "".join(random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=random.choice((0, 4))))
    account = bank + "".join(random.choices("0123456789", k=LENGTHS[country] - 4 - len(bank)))
    remainder = int("".join(str(int(it, 36)) for it in f"{account}{country}00")) % 97
    return f"{country}{98 - remainder:02d}{account}"


def lower(_random: Random, number: str) -> str:
    return number.lower()


def full_width(_random: Random, number: str) -> str:
    return "".join(chr(ord(it) + 0xFEE0) for it in number)


def encoded(random: Random, number: str) -> str:
    return "".join(f"%{ord(it):02x}" if random.random() < 0.5 else it for it in number)


def spelled(random: Random, number: str) -> str:
    return random.choice((" ", ".", "-", "\u00a0", "\u2009")).join(number)


def broken(random: Random, number: str) -> str:
    """Over two lines of a quoted mail."""
    at = random.randrange(4, len(number) - 2)
    return number[:at] + random.choice(("\n", "\r\n", "\r\n> ", "=\r\n")) + number[at:]


Disguise = Callable[[Random, str], str]
ANY: tuple[Disguise, ...] = (
    solid,
    lower,
    full_width,
    grouped,
    scattered,
    foreign,
    markup,
    percent,
    escaped,
    spelled,
)


def shown(text: str) -> str:
    """All letters and digits of a text, as a determined reader would extract them."""
    text = re.sub(r"%([0-9a-fA-F]{2})", lambda it: chr(int(it[1], 16)), text)
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda it: chr(int(it[1], 16)), text)
    text = unicodedata.normalize("NFKC", html.unescape(re.sub(r"<[^<>]*>", "", text)))
    return "".join(str(unicodedata.digit(it, it)) for it in text if it.isalnum() or it == "*").upper()


def read(masking: NumberMasking, text: str) -> str:
    raw = masking.json("shop", msgspec.json.encode({"data": {"note": text, "other": "<b>x</b>"}}))
    return str(msgspec.json.decode(raw)["data"]["note"])


def test_an_iban_of_any_country_is_masked_in_any_disguise(masking: NumberMasking) -> None:
    random, left = Random(5), []
    for country in LENGTHS:
        for _ in range(examples(24)):
            number = iban(random, country)
            text = random.choice(AROUND).format(random.choice((*ANY, broken))(random, number))
            if random.random() < 0.3:
                text = text.lower()
            assert shown(number) in shown(text)
            masked = shown(read(masking, text))
            hidden = number[2:-4]
            if any(hidden[at : at + 6] in masked for at in range(len(hidden) - 5)) or "*" not in masked:
                left.append((number, text, masked))
    assert left == []


def test_a_national_number_is_masked_in_any_disguise(masking: NumberMasking) -> None:
    random, left = Random(6), []
    for groups, separators, name in NATIONAL:
        number = "".join(groups)
        for _ in range(examples(200)):
            text = random.choice(separators).join(groups) if separators else number
            zero = random.choice(ZEROS)
            if random.random() < 0.5:
                text = re.sub("(?<![#&0-9])[0-9](?![0-9]*;)", lambda it: chr(zero + int(it[0])), text)  # noqa: B023
            if random.random() < 0.5:
                text = text.lower() if " " not in text and "\n" not in text and "\t" not in text else text
            assert shown(number) in shown(text)
            masked = shown(read(masking, random.choice(AROUND).format(name + text)))
            if any(it in masked for it in groups if len(it) > 2) or "*" * len(number) not in masked:
                left.append((number, text, masked))
    assert left == []


@pytest.mark.parametrize(
    "number", ["131052-308T", "12345678Z", "AB123456C", "184127645108946", "RCCMNL83S18D969H"]
)
@pytest.mark.parametrize("disguise", [full_width, markup, encoded, escaped, foreign])
def test_nothing_of_it_can_be_read(masking: NumberMasking, disguise: Disguise, number: str) -> None:
    random = Random(7)
    if disguise is foreign:  # groups of its own
        text = re.sub("[0-9]", lambda it: chr(0x966 + int(it[0])), number)
    else:
        text = disguise(random, number)
    assert shown(number) in shown(text)
    assert not re.search("[0-9]", shown(read(masking, f"it is {text} ok")))


@pytest.mark.parametrize(
    "text",
    [
        "on 12/11/26 a customer called, at 12.30.45 a colleague",
        "be 20 to 30 of us came, 12 of them by train, and it was 5 pm",
        "12345678 a week ago, 12 345 678 a day",
        "server 10.120.135.140 and 85.123.210.114",
        "invoice 123/11/2026 and 536/90/4399",
        "no 12, at 20 30 40 50 60 70",
        "\uff11\uff12\uff13 pieces, <b>45</b> left, 100%20off",
    ],
)
def test_a_sentence_is_no_number(masking: NumberMasking, text: str) -> None:
    assert read(masking, text) == text
