"""Stored values are read back unchanged; byte order is time order; keyed hashes separate tenants."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handoff.codec.body import DIGEST_KEPT, DIGEST_SIZE, Body, decode_body, digest, encode_body
from handoff.codec.compression import CURRENT, PLAIN, compress, decompress
from handoff.codec.keyed_hash import CUSTOMER, SIZE, TOUCHPOINT, KeyedHash
from handoff.codec.member import (
    ARRIVAL_BIT,
    FLAG_ARRIVAL,
    FLAG_LATE,
    PLACE,
    channel_code,
    channel_name,
    pack_occurred,
    read_member,
    sequence,
    type_code,
)
from handoff.domain.errors import NotFound, Unprocessable
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.touchpoint import (
    CHANNELS,
    EARLIEST,
    LATEST,
    MAX_TOUCHPOINT_BYTES,
    TYPES,
    Direction,
    Participant,
    Visibility,
)
from tests.samples import touchpoint

texts = st.text(st.characters(codec="utf-8"), max_size=40)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars, lambda it: st.lists(it, max_size=3) | st.dictionaries(texts, it, max_size=3), max_leaves=8
)
tables = st.dictionaries(texts, values, max_size=3)
identities = st.builds(Identity, st.just("user"), texts, texts)
fields = st.fixed_dictionaries(
    {
        "source": texts,
        "direction": st.sampled_from(Direction),
        "visibility": st.sampled_from(Visibility),
        "subject": st.none() | texts,
        "text": st.none() | texts,
        "data": tables,
        "participants": st.lists(st.builds(Participant, identities, texts), max_size=2).map(tuple),
        "medium": st.none() | texts,
        "language": st.none() | texts,
        "attachments": st.lists(tables, max_size=2).map(tuple),
        "actor": st.none() | tables,
        "traits": tables,
        "channel": st.sampled_from([*CHANNELS, "branch"]),
    }
)
handles = st.lists(st.builds(Handle, identities, st.sampled_from(Assurance)), min_size=1, max_size=3)


@pytest.mark.no_cover
@given(fields, handles, st.none() | st.binary(min_size=16, max_size=32))
def test_a_body_is_read_back_as_it_was_written(
    given_: dict[str, Any], stated: list[Handle], conversation: bytes | None
) -> None:
    recorded = touchpoint("e", *stated, **given_)
    body = decode_body(*encode_body(recorded, conversation=conversation, amends=b"a" * 16))
    for name, value in given_.items():
        if name != "channel":
            assert getattr(body, name) == value
    assert body.handles == recorded.identities[1:]
    assert body.stated == (recorded.direction, recorded.visibility, recorded.assurance)
    assert body.assurance is recorded.assurance
    assert (body.conversation, body.amends) == (conversation, b"a" * 16)
    assert body.channel == ("branch" if recorded.channel == "branch" else None)


def test_a_bare_touchpoint_takes_few_bytes() -> None:
    codec, raw = encode_body(touchpoint("e", text=None, source="t"), conversation=None, amends=None)
    assert len(raw) <= 4
    assert decode_body(codec, raw) == Body(source="t")


UNSTORABLE: list[dict[str, Any]] = [
    {"data": {"n": 2**64}},
    {"attachments": ({"x": object()},)},
    {"data": {"fine": "before", "x": object()}},
    {"text": "\ud800"},
]


@pytest.mark.parametrize("change", UNSTORABLE, ids=range(len(UNSTORABLE)))
def test_what_cannot_be_stored_is_refused_and_spoils_nothing_after_it(change: dict[str, Any]) -> None:
    """The packer is shared: leftovers of a failed body must not start the next one."""
    with pytest.raises(Unprocessable):
        encode_body(touchpoint("e", **change), conversation=None, amends=None)
    after = decode_body(*encode_body(touchpoint("f", text="after"), conversation=None, amends=None))
    assert (after.text, after.source) == ("after", "test")


def test_the_limit_of_a_touchpoint_is_on_its_bytes() -> None:
    with pytest.raises(Unprocessable) as refused:
        encode_body(touchpoint("e", data={"x": "x" * MAX_TOUCHPOINT_BYTES}), conversation=None, amends=None)
    assert refused.value.problem_code == "touchpoint_too_large"


# --- Digest ----------------------------------------------------------------------------------------

COUNTED: list[dict[str, Any]] = [
    {"text": "other"},
    {"text": None},
    {"subject": "x"},
    {"type": "message.sent"},
    {"attachments": ({"name": "a"},)},
    {"data": {"a": 2}},
    {"data": {"a": "1"}},
    {"data": {}},
]
NOT_COUNTED: list[dict[str, Any]] = [
    {"occurred_at": 5},
    {"data": {"sentAt": "later", "a": 1}},
    {"traits": {"plan": "gold"}},
    {"actor": {"type": "bot"}},
    {"seq": 4},
    {"source": "other"},
    {"language": "fi"},
    {"identities": (Handle(Identity("user", "", "bo"), Assurance.CLAIMED),)},
]
FIRST = touchpoint("e", data={"a": 1, "sentAt": "now"}, envelope=("sentAt",))


@pytest.mark.parametrize("change", COUNTED, ids=range(len(COUNTED)))
def test_other_content_has_another_digest(change: dict[str, Any]) -> None:
    assert digest(msgspec.structs.replace(FIRST, **change)) != digest(FIRST)


@pytest.mark.parametrize("change", NOT_COUNTED, ids=range(len(NOT_COUNTED)))
def test_fields_that_a_retry_may_change_are_not_in_the_digest(change: dict[str, Any]) -> None:
    assert digest(msgspec.structs.replace(FIRST, **change)) == digest(FIRST)
    assert len(digest(FIRST)) == DIGEST_SIZE


def test_the_order_of_keys_is_not_content() -> None:
    one, other = {"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": 1}
    assert digest(touchpoint("e", data=one)) == digest(touchpoint("e", data=other))


def test_a_digest_is_the_same_for_ever() -> None:
    """Stored beside every touchpoint: another value needs another version."""
    recorded = touchpoint("e", text="hello", subject="hi", data={"b": 1, "a": [True, None, 1.5]})
    assert digest(recorded).hex() == "01" + DIGEST_OF_HELLO


DIGEST_OF_HELLO = "fd6c6e073863de07"


# --- Order -----------------------------------------------------------------------------------------

times = st.integers(EARLIEST, LATEST)


@given(times, times)
@example(-1, 0)
@example(-1, 1)
def test_bytes_sort_as_times_do(one: int, other: int) -> None:
    assert (pack_occurred(one) < pack_occurred(other)) is (one < other)
    assert int.from_bytes(pack_occurred(one)) - (1 << 63) == one


DIGEST = b"d" * DIGEST_KEPT


def member(at: int, order: int, id_: bytes, flags: int, tail: bytes = b"") -> bytes:
    head = pack_occurred(at) + order.to_bytes(8, "big") + id_
    return head + bytes((flags, type_code("message.sent"), channel_code("chat"), PLAIN)) + tail


def test_a_member_with_an_arrival_for_its_order() -> None:
    raw = member(-5, ARRIVAL_BIT | 1234, b"i" * 16, FLAG_LATE, DIGEST + b"body")
    found = read_member(raw, b"h" * 16)
    assert (found.occurred_at, found.recorded_at, found.id, found.late) == (-5, 1234, b"i" * 16, True)
    assert (found.type, sequence(found), found.raw[found.body_at :]) == ("message.sent", None, b"body")
    assert found.place == raw[:PLACE]


def test_a_member_with_a_sequence_has_its_arrival_behind_the_header() -> None:
    raw = member(7, 42, b"i" * 16, FLAG_ARRIVAL, (99).to_bytes(8, "big") + DIGEST + b"body")
    found = read_member(raw, b"h" * 16)
    assert (sequence(found), found.recorded_at, found.late) == (42, 99, False)
    assert found.raw[found.body_at :] == b"body"


def test_the_codes_of_types_and_channels_are_their_places() -> None:
    assert [type_code(name) for name in TYPES] == list(range(len(TYPES)))
    assert [channel_code(name) for name in CHANNELS] == [0, 1, 2, 3]
    assert channel_code("branch") == 255
    stored = read_member(member(0, ARRIVAL_BIT, b"i" * 16, 0), b"h" * 16)
    assert channel_name(stored, Body()) == "chat"


# --- Compression -----------------------------------------------------------------------------------


@given(st.binary(max_size=3000))
def test_compression_gives_back_what_it_was_given(raw: bytes) -> None:
    codec, packed = compress(raw)
    assert decompress(codec, packed) == raw
    assert len(packed) <= len(raw)


def test_what_resembles_the_training_takes_a_third_and_noise_stays_plain() -> None:
    recorded = touchpoint(
        "e",
        source="shop-web",
        type="page.viewed",
        channel="web",
        text=None,
        data={"url": "https://shop.example.com/returns/refund-form?step=2", "title": "Refund form"},
    )
    codec, packed = encode_body(recorded, conversation=b"\x07" * 16, amends=None)
    assert codec == CURRENT
    assert len(packed) < 110
    assert compress(bytes(range(7)))[0] == PLAIN


# --- Keyed hashes ----------------------------------------------------------------------------------

ONE, OTHER = KeyedHash(b"p" * 32, "acme"), KeyedHash(b"p" * 32, "globex")
hashes = st.binary(min_size=SIZE, max_size=SIZE)


@given(hashes, hashes)
def test_a_public_id_is_read_back_by_its_own_tenant_only(one: bytes, other: bytes) -> None:
    public = ONE.public(TOUCHPOINT, one, other)
    assert ONE.private(TOUCHPOINT, public, 2) == (one, other)
    assert OTHER.private(TOUCHPOINT, public, 2) != (one, other)
    assert one.hex() not in public
    assert KeyedHash(b"q" * 32, "acme").public(TOUCHPOINT, one, other) != public


@given(hashes, st.lists(hashes, max_size=3))
@example(b"\xff" * SIZE, [b"\0" * SIZE, b"\xff" * SIZE])
def test_public_ids_of_one_home_are_made_as_those_of_any(home: bytes, others: list[bytes]) -> None:
    public = ONE.publics(TOUCHPOINT, home)
    assert [public(it) for it in others] == [ONE.public(TOUCHPOINT, home, it) for it in others]


@given(st.text(max_size=60))
@example("cu_")
@example("cu_\u00e4")
@example("cu_" + "=" * 22)
@example("cu_" + "A" * 21 + "\n")
def test_what_is_no_id_is_not_found(text: str) -> None:
    try:
        found = ONE.private(CUSTOMER, text)
    except NotFound:
        return
    assert [len(it) for it in found] == [SIZE]


@given(texts, texts, texts, texts)
def test_words_are_hashed_apart(one: str, two: str, three: str, four: str) -> None:
    same = (one, two) == (three, four)
    assert (ONE.event(one, two) == ONE.event(three, four)) is same


def test_every_key_and_kind_has_hashes_of_its_own() -> None:
    identity = Identity("user", "", "anna")
    values_ = {
        KeyedHash(pepper, tenant).identity(identity) for pepper in (b"p", b"q") for tenant in ("a", "b")
    }
    values_ |= {ONE.event("user", "anna"), ONE.thread("user", "anna"), ONE.request("user", "anna")}
    assert len(values_) == 7
