"""Native touchpoints: strict, with pointers, and the home chosen by type and then by place."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handoff.domain.errors import InvalidPayload, Unprocessable
from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import Direction, Visibility
from handoff.services.sources.native import ID_SPACE, Caller, read_native

MESSAGE: dict[str, Any] = {
    "id": "e1",
    "channel": "chat",
    "type": "message.received",
    "occurred_at": "2026-11-21T10:00:00Z",
    "identities": ["user:anna"],
    "text": "hello",
}
CALLER = Caller(name="desk", channels=frozenset({"chat", "web", "phone", "email", "branch"}))


def read(**changes: Any) -> Any:
    return read_native(msgspec.json.encode(MESSAGE | changes), CALLER)


@pytest.mark.parametrize(
    ("stated", "home"),
    [
        (["anonymous:a", "email:a@b.fi", "user:anna"], "user:anna"),
        (["anonymous:a", "phone:+358401234567", "email:a@b.fi"], "email:a@b.fi"),
        (["anonymous:a", "chatwoot.contact@1:7", "phone:+358401234567"], "phone:+358401234567"),
        (["reference:A-1", "anonymous:a", "chatwoot.contact@1:7"], "chatwoot.contact@1:7"),
        (["reference:A-1", "anonymous:a"], "anonymous:a"),
        (["email:b@b.fi", "email:a@b.fi"], "email:b@b.fi"),
        (["user@x:2", "user:1"], "user@x:2"),
    ],
)
def test_the_home_is_the_first_by_type_and_then_by_place(stated: list[str], home: str) -> None:
    found = read(identities=stated)
    assert str(found.home.identity) == home
    assert len(found.identities) == len(stated)


def test_one_handle_in_two_spellings_is_one() -> None:
    found = read(identities=["email:A@b.fi", {"type": "email", "value": "a@B.FI", "assurance": "verified"}])
    assert [str(handle.identity) for handle in found.identities] == ["email:a@b.fi"]


def test_assurance_left_out_is_by_type_and_given_is_taken() -> None:
    found = read(
        identities=[
            "user:anna",
            "email:a@b.fi",
            {"type": "phone", "value": "+358401234567", "assurance": "verified"},
        ]
    )
    assert [handle.assurance for handle in found.identities] == [
        Assurance.VERIFIED,
        Assurance.CLAIMED,
        Assurance.VERIFIED,
    ]


def test_defaults_follow_the_type_and_the_caller() -> None:
    found = read(type="note.added")
    assert (found.direction, found.visibility, found.source) == (
        Direction.INTERNAL,
        Visibility.INTERNAL,
        "desk",
    )
    found = read(type="note.added", direction="outbound", visibility="public", source="crm")
    assert (found.direction, found.visibility, found.source) == (Direction.OUTBOUND, Visibility.PUBLIC, "crm")
    assert (found.id_space, found.event_id) == (ID_SPACE, "e1")


def test_an_actor_may_be_written_short() -> None:
    assert read(actor="bot:b1").actor == {"type": "bot", "id": "b1"}
    assert read(actor="Maria").actor == {"name": "Maria"}
    assert read(actor={"type": "agent", "id": "m"}).actor == {"type": "agent", "id": "m"}


def test_traits_come_with_an_identification_only() -> None:
    data = {"traits": {"plan": "gold"}}
    assert read(type="identified", data=data).traits == {"plan": "gold"}
    assert read(type="page.viewed", data=data).traits == {}


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ('{"id": 5}', "/id"),
        ('{"id":"a","identities":[{"type":"user","value":7}]}', "/identities/0/value"),
        ('{"id":"a","identities":["user:a",{"type":"user","value":"b","x":1}]}', "/identities/1"),
        ('{"id":"a","participants":[{"type":"user","value":"b","role":0}]}', "/participants/0/role"),
        ('{"id":"a","data":[]}', "/data"),
        ('{"id":"a","direction":"up"}', "/direction"),
        ("[]", ""),
        ("{}", ""),
    ],
)
def test_a_wrong_shape_is_pointed_at(raw: str, pointer: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        read_native(raw.encode(), CALLER)
    (error,) = refused.value.fields["pointers"]
    assert error["pointer"] == pointer
    assert error["detail"]


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda it: it.encode("utf-8", "surrogatepass")))
@example(b'"\xed\xa0\x80"')
@example(b'{"\xff":1}')
@example(b"\xef\xbb\xbf{}")
@example(b"1" * 5000)
@example(b"[" * 5000)
@example(b'{"id":"\\ud800"}')
@example(b'{"a":1,"a":2}')
def test_no_bytes_end_in_another_error(raw: bytes) -> None:
    with pytest.raises((InvalidPayload, Unprocessable)):
        read_native(raw, CALLER)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(max_size=6), it, max_size=3),
    max_leaves=6,
)


@pytest.mark.no_cover
@given(st.dictionaries(st.sampled_from([*MESSAGE, "seq", "data", "actor", "amends", "thread"]), json))
def test_no_values_end_in_another_error(changes: dict[str, Any]) -> None:
    with suppress(InvalidPayload, Unprocessable):
        read_native(msgspec.json.encode(MESSAGE | changes), CALLER)
