"""Data keys: what one seals opens with it, at its own place, unchanged, and nowhere else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from handoff.codec.body import DIGEST_KEPT, DIGEST_VERSION, KEYED, MASKED_VERSION, keyed_digest
from handoff.codec.data_key import NONCE, OVERHEAD, DataKey, WrappingKey, derived, new_secret

OWNER = b"o" * 16
PLACES = st.binary(max_size=60)


def key(secret: bytes = b"s" * 32, broken: list[str] | None = None) -> DataKey:
    return DataKey(secret, OWNER, b"wrapped", (broken if broken is not None else []).append)


@given(plain=st.binary(max_size=2000), place=PLACES)
def test_what_is_sealed_opens(plain: bytes, place: bytes) -> None:
    sealed = key().seal(plain, place)
    assert len(sealed) == len(plain) + OVERHEAD
    assert key().open(sealed, place, "body") == plain
    assert key().seal(plain, place) == sealed, "a repeated write has the same bytes"


@given(plain=st.binary(min_size=1, max_size=200), place=PLACES, other=PLACES)
def test_nothing_opens_at_another_place(plain: bytes, place: bytes, other: bytes) -> None:
    broken: list[str] = []
    sealed = key().seal(plain, place)
    assert (key(broken=broken).open(sealed, other, "body") == plain) == (place == other)
    assert broken == ([] if place == other else ["body"])


@given(plain=st.binary(max_size=200), data=st.data())
def test_a_changed_byte_opens_nothing(plain: bytes, data: st.DataObject) -> None:
    sealed = key().seal(plain, b"place")
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + bytes((sealed[at] ^ data.draw(st.integers(1, 255)),)) + sealed[at + 1 :]
    assert key().open(changed, b"place", "body") is None


@given(sealed=st.binary(max_size=60))
def test_hostile_bytes_open_nothing(sealed: bytes) -> None:
    assert key().open(sealed, b"place", "body") is None


@given(one=PLACES, other=PLACES)
def test_equal_texts_at_two_places_share_no_nonce(one: bytes, other: bytes) -> None:
    """Two texts under one nonce would give away the key that authenticates."""
    nonces = {key().seal(b"the same words", place)[:NONCE] for place in (one, other)}
    assert len(nonces) == len({one, other})


def test_another_key_opens_nothing() -> None:
    sealed = key().seal(b"words", b"place")
    assert key(new_secret()).open(sealed, b"place", "body") is None


@given(secret=st.binary(min_size=32, max_size=32), owner=PLACES, other=PLACES)
def test_a_wrapped_key_unwraps_for_its_owner(secret: bytes, owner: bytes, other: bytes) -> None:
    wrapping = WrappingKey(derived(b"master", b"purpose"))
    wrapped = wrapping.wrap(secret, owner)
    assert wrapping.unwrap(wrapped, other) == (secret if owner == other else None)
    assert WrappingKey(derived(b"master", b"another purpose")).unwrap(wrapped, owner) is None


def test_the_digest_of_a_sealed_touchpoint_needs_its_key() -> None:
    content = DIGEST_VERSION + b"12345678"
    digest = keyed_digest(content, key())
    assert (len(digest), digest[0]) == (DIGEST_KEPT, DIGEST_VERSION[0] | KEYED)
    assert digest == keyed_digest(content[:DIGEST_KEPT], key())
    assert digest != keyed_digest(content, key(new_secret()))


def test_sealed_digests_of_masked_and_unmasked_content_count_as_equal() -> None:
    """Digests of two versions are not compared."""
    versions = [keyed_digest(it + b"12345678", key())[:1] for it in (DIGEST_VERSION, MASKED_VERSION)]
    assert len({*versions, DIGEST_VERSION, MASKED_VERSION}) == 4
