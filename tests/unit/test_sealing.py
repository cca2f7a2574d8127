"""Sealed secrets: they open only with a configured key, for their tenant and at their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.codec.sealing import NAME, NONCE, VERSION, Seal
from handoff.domain.errors import ConfigurationError

OLD, NEW = b"the old secret of the store", b"the new secret of the store"
PLAIN, PLACE = b"whsec_of_a_subscription", b"subscription 1"


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_a_sealed_text_opens_at_its_place(plain: bytes, place: bytes) -> None:
    seal = Seal([NEW], "alpha")
    assert seal.open(seal.seal(plain, place), place) == plain


def test_each_sealing_differs_and_shows_nothing_of_the_text() -> None:
    seal = Seal([NEW], "alpha")
    first, second = seal.seal(PLAIN, PLACE), seal.seal(PLAIN, PLACE)
    assert first != second
    assert PLAIN not in first


def test_it_does_not_open_at_another_place() -> None:
    seal = Seal([NEW], "alpha")
    with pytest.raises(ConfigurationError, match="changed"):
        seal.open(seal.seal(PLAIN, PLACE), b"subscription 2")


def test_it_does_not_open_for_another_tenant() -> None:
    with pytest.raises(ConfigurationError, match="another key"):
        Seal([NEW], "bravo").open(Seal([NEW], "alpha").seal(PLAIN, PLACE), PLACE)


def test_a_rotation_opens_the_old_and_seals_with_the_new() -> None:
    before, during, after = Seal([OLD], "alpha"), Seal([NEW, OLD], "alpha"), Seal([NEW], "alpha")
    old = before.seal(PLAIN, PLACE)
    assert during.open(old, PLACE) == PLAIN
    assert not during.is_current(old)
    renewed = during.seal(PLAIN, PLACE)
    assert during.is_current(renewed)
    assert after.open(renewed, PLACE) == PLAIN
    with pytest.raises(ConfigurationError, match="another key"):
        after.open(old, PLACE)


def test_a_key_given_twice_is_one_key() -> None:
    assert Seal([NEW, NEW], "alpha").open(Seal([NEW], "alpha").seal(PLAIN, PLACE), PLACE) == PLAIN


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    seal = Seal([NEW], "alpha")
    sealed = bytearray(seal.seal(PLAIN, PLACE))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ConfigurationError):
        seal.open(bytes(sealed), PLACE)


@pytest.mark.parametrize("size", [0, 1, len(VERSION) + NAME, len(VERSION) + NAME + NONCE, -1])
def test_a_shortened_text_is_refused(size: int) -> None:
    seal = Seal([NEW], "alpha")
    with pytest.raises(ConfigurationError):
        seal.open(seal.seal(PLAIN, PLACE)[:size], PLACE)
