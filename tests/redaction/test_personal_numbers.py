"""Bank account and national numbers in texts and documents: found in every form, and nothing else is."""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from random import Random

import msgspec
import pytest

from handoff.bootstrap.redaction import build_masking
from handoff.domain.personal_numbers.masking import NumberMasking, masked_text
from handoff.services.privacy.settings import MaskingRule

from .measure import readers_alarms

IBANS = (  # examples of SWIFT's registry
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
    "FI2112345600000785",
    "NL91ABNA0417164300",
    "SE4550000000058398257466",
    "ES9121000418450200051332",
    "IT60X0542811101000000123456",
)
NATIONAL = (  # examples of the authorities and of the literature
    "131052-308T",
    "010594Y9021",
    "811228-9874",
    "19811228-9874",
    "811228\u20139874",
    "701063-2391",
    "86 095 742 719",
    "Steuer-ID: 86095742719",
    "Steueridentifikationsnummer 65 929 970 489",
    "1 84 12 76 451 089 46",
    "184127645108946",
    "12345678Z",
    "12345678-z",
    "12.345.678-Z",
    "X-2482300W",
    "AB 12 34 56 C",
    "AB123456C",
    "RCCMNL83S18D969H",
    "BSN 111222333",
    "burgerservicenummer: 1112.22.333",
    "536-90-4399",
    "my social security number is 536904399",
    "personnummer 20161224-2386",
)
BASE64 = string.ascii_letters + string.digits + "_-"


@pytest.fixture(scope="module")
def masking() -> NumberMasking:
    return build_masking([MaskingRule(tenant="shop"), MaskingRule(tenant="bank", kinds=["national_id"])])


def document(masking: NumberMasking, value: object, tenant: str = "shop") -> object:
    return msgspec.json.decode(masking.json(tenant, msgspec.json.encode(value)))


def digits_of(text: str) -> str:
    """The digits that can be read."""
    return "".join(it for it in text if it.isdigit())


@pytest.mark.parametrize("number", IBANS)
@pytest.mark.parametrize(
    "write", [str, str.lower, lambda it: " ".join(it[at : at + 4] for at in range(0, 34, 4))]
)
@pytest.mark.parametrize("around", ["{}", "my IBAN is {}, thanks", "(iban:{})", "konto\n{}\nbic"])
def test_an_iban_keeps_its_country_and_its_end(
    masking: NumberMasking, number: str, write: Callable[[str], str], around: str
) -> None:
    text = around.format(write(number))
    shown = document(masking, {"text": text})["text"]  # type: ignore[index]
    assert len(shown) == len(text)
    assert shown.count("*") == len(number) - 6
    assert number[:2].lower() in shown.lower()
    assert shown.replace(" ", "").lower().find("*" + number[-4:].lower()) > 0


def test_an_iban_over_two_lines_of_a_mail_is_one(masking: NumberMasking) -> None:
    shown = document(masking, "Bitte auf DE89 3704 0044\r\n0532 0130 00 zahlen")
    assert shown == "Bitte auf DE** **** ****\r\n**** **30 00 zahlen"


@pytest.mark.parametrize("number", NATIONAL)
@pytest.mark.parametrize("around", ["{}", "it is {}.", "\u00bb{}\u00ab ok", "a {}\nb"])
def test_nothing_of_a_national_number_can_be_read(masking: NumberMasking, number: str, around: str) -> None:
    shown = str(document(masking, {"data": {"note": around.format(number)}}))
    assert digits_of(shown) == ""


@pytest.mark.parametrize(
    "number", [it for it in (*IBANS, *NATIONAL) if not it.startswith(("AB", "536", "my"))]
)
def test_a_wrong_check_digit_is_no_number(masking: NumberMasking, number: str) -> None:
    """One wrong digit of the first ones; formats without a check digit are left out."""
    at = next(at for at, it in enumerate(number) if it.isdigit() and at > 3 and number[at - 1 : at].isdigit())
    wrong = number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]
    assert document(masking, wrong) == wrong


def test_the_name_of_a_member_counts_as_the_word_before(masking: NumberMasking) -> None:
    given = {
        "bsn": "111222333",
        "customerBsn": 111222333,
        "person_number": ["8112289874"],
        "order": "111222333",
    }
    assert document(masking, given) == {
        "bsn": "*" * 9,
        "customerBsn": "*" * 9,
        "person_number": ["*" * 10],
        "order": "111222333",
    }


def test_the_name_of_a_member_counts_for_what_is_nested_in_it(masking: NumberMasking) -> None:
    """However far from its name the number is."""
    given = {
        "ssn": {
            "issued by": "the authorities of the United States",
            "checked": "in person",
            "value": "123456789",
        },
        "customerBsn": [{"entered": {"raw": 111222333, "order": "123456"}}],
        "social_security_number_of_the_account_holder": "123456789",
        "order": {"value": "123456789"},
    }
    assert document(masking, given) == {
        "ssn": {**given["ssn"], "value": "*" * 9},
        "customerBsn": [{"entered": {"raw": "*" * 9, "order": "123456"}}],
        "social_security_number_of_the_account_holder": "*" * 9,
        "order": {"value": "123456789"},
    }
    for one in ({name: it} for name, it in given.items() if name != "order"):
        assert "123456789" not in str(document(masking, one))
        assert "111222333" not in str(document(masking, one))


def test_names_of_members_are_masked_too(masking: NumberMasking) -> None:
    given = {"131052-308T": 1, "010594Y9021": 2, "******-****": 3, "811228-9874": 4}
    assert document(masking, given) == {
        "******-**** (2)": 1,
        "***********": 2,
        "******-****": 3,
        "******-**** (3)": 4,
    }


def test_names_that_are_alike_take_linear_time(masking: NumberMasking) -> None:
    """A sender chooses the names of members. Half of them have the form of a name that is made here."""
    numbers = [f"{number:08d}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}" for number in range(2_000)]
    taken = [f"********* ({number})" for number in range(2_000)]
    raw = msgspec.json.encode(dict.fromkeys([*numbers, *taken], 1))
    began = time.process_time()
    shown = msgspec.json.decode(masking.json("shop", raw))
    assert time.process_time() - began < 10
    assert len(shown) == 4_000
    assert not shown.keys() & set(numbers)
    assert max(map(len, shown)) < 20


def test_characters_that_look_like_latin_ones_are_left_alone(masking: NumberMasking) -> None:
    for text in ("\u212aZ86125KZT5004100100", "RCCMNL83S18D969\u212a", "\u0410B123456C", "DE89\ud800"):
        assert masked_text(text) == text
    text = "\u212aZ86125KZT5004100100"
    assert document(masking, text) == text


def test_identities_stay_since_callers_look_up_by_them(masking: NumberMasking) -> None:
    number = "131052-308T"
    view = {"type": "user", "space": "", "value": number, "assurance": "verified"}
    shown = document(
        masking, {"identity": f"user:{number}", "identities": [view], "data": {"identity": number}}
    )
    assert shown == {"identity": f"user:{number}", "identities": [view], "data": {"identity": "******-****"}}
    assert document(masking, {"type": "hetu", "value": number}) == {"type": "hetu", "value": "******-****"}


def test_each_tenant_has_its_kinds_and_others_have_none(masking: NumberMasking) -> None:
    given = {"a": IBANS[0], "b": NATIONAL[0]}
    assert document(masking, given, "bank") == {"a": IBANS[0], "b": "******-****"}
    assert document(masking, given, "elsewhere") == given
    raw = msgspec.json.encode(given)
    assert masking.json("elsewhere", raw) is raw


def test_a_document_without_numbers_is_the_same_object(masking: NumberMasking) -> None:
    raw = b'{"id":"tp_Ab12cdEf34gHi-2fde89xQz0","at":"2026-11-28T10:11:12.123456Z","n":18446744073709551616}'
    assert masking.json("shop", raw) is raw


def test_large_integers_survive_beside_a_number(masking: NumberMasking) -> None:
    raw = b'{"n":123456789012345678901234567890,"f":1.5,"t":"131052-308T","\xc3\xa9":null}'
    assert masking.json("shop", raw) == raw.replace(b"131052-308T", b"******-****")


def test_times_and_ids_are_no_numbers(masking: NumberMasking) -> None:
    random = Random(4)
    for _ in range(5_000):
        at = f"2026-{random.randint(1, 12):02d}-{random.randint(1, 28):02d}T{random.randrange(24):02d}:"
        at += f"{random.randrange(60):02d}:{random.randrange(60):02d}.{random.randrange(10**6):06d}Z"
        id_ = "tp_" + "".join(random.choices(BASE64, k=64))
        text = f"{at} {id_}"
        assert masked_text(text) == text


def test_at_most_one_in_a_thousand_other_numbers_is_masked() -> None:
    """`python -m tests.redaction.measure` does the same with five times as many."""
    alarms = readers_alarms(20_000)
    assert len(alarms) <= 20, alarms


@pytest.mark.parametrize(
    "unit",
    ["DE89", "DE89 ", "1 ", "12345678", "12345678Q ", "bsn ", "bsn 123456789 ", "131052-", "A1", "-", "\n"],
)
def test_hostile_texts_take_linear_time(masking: NumberMasking, unit: str) -> None:
    """128 KiB of what looks like a number take a second, where a quadratic search takes an hour."""
    raw = msgspec.json.encode({"text": (unit * 2**17)[: 2**17]})
    began = time.process_time()
    masking.json("shop", raw)
    assert time.process_time() - began < 10
