"""Numbers as people write them: plans of the past, and every spelling of a look-up in twelve countries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import phonenumbers
import pytest

from handoff.domain.errors import InvalidIdentity
from handoff.domain.identity import Identity, identity, normal_phone
from handoff.domain.numbering import LINE_VARIANTS, current_spelling, is_retired, other_spellings
from handoff.domain.phone_readings import phone_readings

OLD_AND_NEW = [
    ("+5215512345678", "+525512345678"),
    ("+551181234567", "+5511981234567"),
    ("+556199887766", "+5561999887766"),
    ("+22997068652", "+2290197068652"),
    ("+22507068652", "+2250707068652"),
    ("+22505068652", "+2250505068652"),
    ("+22502068652", "+2250102068652"),
    ("+22577068652", "+2250777068652"),
    ("+22520212345", "+2252720212345"),
    ("+22521012345", "+2252521012345"),
    ("+841201234567", "+84701234567"),
    ("+841691234567", "+84391234567"),
    ("+2307123456", "+23057123456"),
    ("+59391234567", "+593991234567"),
]


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_both_spellings_of_a_changed_plan_lead_to_each_other(old: str, new: str) -> None:
    assert current_spelling(old) == new
    assert is_retired(old)
    assert new in other_spellings(old)
    assert old in other_spellings(new)
    assert current_spelling(new) == new
    assert phonenumbers.is_valid_number(phonenumbers.parse(new))
    assert not phonenumbers.is_valid_number(phonenumbers.parse(old))


def test_argentine_spellings_are_candidates_only() -> None:
    """A mobile number without its 9 is a valid fixed number: nothing proves that it is the same line."""
    assert other_spellings("+5491123456789") == ("+541123456789",)
    assert other_spellings("+541123456789") == ("+5491123456789",)
    assert current_spelling("+541123456789") == "+541123456789"


@pytest.mark.parametrize(
    "number",
    ["+358401234567", "+12025550146", "+551132345678", "+525", "+5511", "+52551234567890", "+2252", "+8412"],
)
def test_other_numbers_have_one_spelling(number: str) -> None:
    assert current_spelling(number) == number
    assert other_spellings(number) == ()


def test_the_table_names_no_country_without_a_rule_for_both_directions() -> None:
    assert {it.region for it in LINE_VARIANTS} == {"MX", "BR", "AR", "BJ", "CI", "VN", "MU", "EC"}


@pytest.mark.parametrize("old", [old for old, _new in OLD_AND_NEW])
def test_a_number_of_a_former_plan_is_kept_as_sent(old: str) -> None:
    kept = identity("phone", f"{old[:4]} {old[4:8]}-{old[8:]}")
    assert kept == Identity("phone", "", old)
    assert identity("phone", kept.value) == kept


@pytest.mark.parametrize("wrong", ["+35840", "+3584012345678901", "+35840123XXXX", "0401"])
def test_numbers_that_cannot_be_dialled_are_refused(wrong: str) -> None:
    with pytest.raises(InvalidIdentity):
        identity("phone", wrong)


def test_a_number_to_dial_is_written_as_today() -> None:
    assert normal_phone("+5215512345678") == "+525512345678"
    assert normal_phone("+22997068652") == "+2290197068652"
    with pytest.raises(InvalidIdentity):
        normal_phone("+120255501461234")


# Look-ups

COUNTRIES = {
    "FI": "+358404013863", "SE": "+46701234567", "DE": "+4915112345678", "FR": "+33612345678",
    "IT": "+393123456789", "ES": "+34612345678", "GB": "+447400123456", "US": "+14155552671",
    "BR": "+5511981234567", "MX": "+525512345678", "AR": "+5491123456789", "RU": "+79123456789",
}  # fmt: skip
SEPARATORS = (" ", "-", ".", "/", "\u00a0", "\u2009", "\u2010", "\u2011", "\u2013", "\u2014", "  ", "")


def spellings(region: str, number: str) -> Iterator[str]:
    """Spellings of one number by people and programs of its country."""
    parsed = phonenumbers.parse(number)
    code, national = str(parsed.country_code), phonenumbers.national_significant_number(parsed)
    formats = phonenumbers.PhoneNumberFormat
    local = phonenumbers.format_number(parsed, formats.NATIONAL)
    groups = phonenumbers.format_number(parsed, formats.INTERNATIONAL).split()
    yield from (local, national, phonenumbers.format_number(parsed, formats.RFC3966))
    for separator, lead in product(SEPARATORS, ("+", "00", "", "++", "+ ")):
        yield f"tel:{lead}{separator.join(groups)[1:]}"
        yield lead + separator.join(groups).removeprefix("+") if lead else separator.join(groups)[1:]
    for separator in SEPARATORS:
        yield separator.join(groups[1:])
        if local.replace(" ", "").isdigit():
            yield separator.join(local.split())
    for inner in (number, "00" + number[1:], number[1:], local, national, " ".join(groups)):
        for wrapped in ("{}", "tel:{}", "TEL:{}", "callto:{}", "sms:{}", " {} ", "({})", "whatsapp:{}"):
            yield wrapped.format(inner)
        yield f"tel:{inner};ext=12"
        yield f"sip:{inner.replace(' ', '')}@carrier.example"
    for inner in (number, local):
        yield f"{inner} ext. 12"
        yield inner.translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
        yield inner.translate({ord(str(digit)): chr(0x0660 + digit) for digit in range(10)})
    yield f"tel:{national};phone-context=+{code}"
    yield f"\uff0b{number[1:]}"
    yield f"(+{code}) {national}"
    yield f"+{code} (0) {national}" if local.startswith("0") else f"+{code} {national}"
    yield f"(00{code}) {national}"
    yield f"00 {code} {national}"
    yield f"+{code}.{national}"
    yield f"\u202a{number}\u202c"  # what a phone's address book copies


@pytest.mark.parametrize("region", COUNTRIES)
def test_every_spelling_of_a_home_number_is_read(region: str) -> None:
    number = COUNTRIES[region]
    written = list(dict.fromkeys(spellings(region, number)))
    assert len(written) >= 150
    wrong = {}
    for text in written:
        try:
            found = [it.value for it in phone_readings(text, (region,))]
        except InvalidIdentity as error:
            found = [error.detail]
        if found[:1] != [number] and number not in other_spellings(found[0]):
            wrong[text] = found
    assert not wrong


def test_the_table_is_long_enough() -> None:
    counts = [len(set(spellings(region, number))) for region, number in COUNTRIES.items()]
    assert len(counts) == 12
    assert sum(counts) >= 2_400


@pytest.mark.parametrize(
    ("text", "regions", "expected"),
    [
        ("0404013863", ("FI", "SE"), ["+358404013863", "+46404013863"]),
        ("46701234567", ("FI",), ["+46701234567"]),
        ("358404013863", (), ["+358404013863"]),
        ("5215512345678", ("MX",), ["+5215512345678"]),
        ("0445512345678", ("MX",), ["+525512345678"]),
        ("97068652", ("BJ",), ["+22997068652"]),
        ("+0404013863", ("FI",), ["+358404013863"]),
        ("4155552671", ("US",), ["+14155552671"]),  # also a Swiss number, but the tenant is American
        ("+41555552671", ("US",), ["+41555552671"]),
    ],
)
def test_readings_are_national_first(text: str, regions: tuple[str, ...], expected: list[str]) -> None:
    assert [it.value for it in phone_readings(text, regions)] == expected


@pytest.mark.parametrize("text", ["", "  ", "12", "anna", "+35840123XXXX", "+", "00", "()", "x" * 600])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentity):
        phone_readings(text, ("FI",))


def test_a_national_number_without_a_region_names_the_missing_option() -> None:
    with pytest.raises(InvalidIdentity, match="default_region"):
        phone_readings("0404013863", ())
