"""Identities: two spellings of one handle are one, and what cannot be one is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handoff.domain.errors import InvalidIdentity
from handoff.domain.identity import (
    MAX_VALUE,
    Assurance,
    default_assurance,
    identity,
    parse_identity,
    weaker,
)

SAME = [
    ("email:anna@example.com", "email:  Anna@EXAMPLE.com "),
    ("email:anna@example.com", "email:mailto:anna@example.com"),
    ("email:anna@example.com", "email@space:anna@example.com"),
    ("email:anna@example.com", "email:anna@example.com."),
    ("email:x@xn--mnchen-3ya.de", "email:x@MÜNCHEN.de"),
    ("phone:+358401234567", "phone:+358 40 123-4567"),
    ("phone:+358401234567", "phone:tel:+358401234567"),
    ("phone:+358401234567", "phone:00358401234567"),
    ("phone:+358401234567", "phone@x:+358(40)1234567"),
    ("user:Zo\u00eb", "user: Zoe\u0308 "),
    ("user:a:b:c", "user:a:b:c"),
    ("chatwoot.contact@1:7", "chatwoot.contact@1: 7"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_handle_are_one(one: str, other: str) -> None:
    assert parse_identity(one) == parse_identity(other)
    assert str(parse_identity(other)) == one


DIFFERENT = [
    ("user:anna", "user:Anna"),
    ("user:anna", "user@shop:anna"),
    ("chatwoot.contact@1:7", "chatwoot.contact@2:7"),
    ("email:a.b@gmail.com", "email:ab@gmail.com"),
    ("email:a+x@example.com", "email:a@example.com"),
    ("phone:+358401234567", "phone:+358401234568"),
    ("user:+358401234567", "phone:+358401234567"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_may_be_two_people_is_two(one: str, other: str) -> None:
    assert parse_identity(one) != parse_identity(other)


def test_a_national_number_needs_its_region() -> None:
    assert identity("phone", "040 1234567", region="FI").value == "+358401234567"
    with pytest.raises(InvalidIdentity, match="default_region"):
        identity("phone", "040 1234567")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user",
        "user:",
        "user:   ",
        ":anna",
        "User:anna",
        "user name:anna",
        "user@:anna",
        "user@a b:anna",
        "user@{x}:anna",
        "1user:anna",
        "user:" + "x" * (MAX_VALUE + 1),
        "user:a\x00b",
        "user:a\ud800b",
        "email:anna",
        "email:@example.com",
        "email:anna@",
        "email:anna@exa mple.com",
        "email:<anna@example.com>",
        "email:a,b@example.com",
        "email:anna@.",
        "phone:",
        "phone:12",
        "phone:anna",
        "phone:+" + "9" * 40,
        "phone:+35840123XXXX",
        "phone:+3584012345**",
        "phone:+358 40 1234 xx",
    ],
)
def test_what_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentity):
        parse_identity(text)


@given(st.sampled_from(["user", "email", "phone", "reference", "a.b_c1"]), st.text(max_size=80))
@example("email", "a@\u3002")
@example("email", "a@" + "x" * 70 + ".fi")
@example("email", "a@xn--a")
@example("phone", "+" + "1" * 300)
@example("phone", "\uff0b358401234567")
def test_normalising_is_stable_and_fails_in_one_way_only(type_: str, value: str) -> None:
    try:
        found = identity(type_, value)
    except InvalidIdentity:
        return
    assert identity(found.type, found.value, space=found.space) == found
    assert parse_identity(str(found)) == found


def test_the_weaker_of_two_is_the_weaker() -> None:
    order = [Assurance.INFERRED, Assurance.CLAIMED, Assurance.VERIFIED]
    for low, one in enumerate(order):
        for high, other in enumerate(order):
            assert weaker(one, other) is order[min(low, high)]


def test_typed_in_contact_details_are_claims() -> None:
    assert default_assurance("email") is default_assurance("phone") is Assurance.CLAIMED
    assert default_assurance("user") is default_assurance("anonymous") is Assurance.VERIFIED
