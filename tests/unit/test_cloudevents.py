"""CloudEvents 1.0: what is ours is understood, what is not is kept, what is wrong is named."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handoff.adapter.cloudevents import as_structured, is_binary
from handoff.codec.body import digest
from handoff.domain.errors import InvalidPayload, Unprocessable
from handoff.services.sources.cloudevents import read_cloudevent
from handoff.services.sources.native import Caller

CALLER = Caller(name="bus", channels=frozenset({"chat", "web"}))
NOW = 1_795_000_000_000_000


def event(**changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/shop/basket",
        "type": "message.received",
        "subject": "user:anna",
        "time": "2026-11-21T10:00:00Z",
        "data": {"channel": "chat", "text": "hello"},
        **changes,
    }


def read(**changes: Any) -> Any:
    given_ = {key: value for key, value in event(**changes).items() if value is not msgspec.UNSET}
    return read_cloudevent(msgspec.json.encode(given_), CALLER, NOW)


def test_a_touchpoint_in_an_envelope() -> None:
    found = read(
        data={"channel": "chat", "text": "hello", "identities": ["user:anna", "email:a@b.fi"], "seq": 3}
    )
    assert (found.type, found.channel, found.text, found.seq, found.event_id) == (
        "message.received",
        "chat",
        "hello",
        3,
        "1",
    )
    assert [str(handle.identity) for handle in found.identities] == ["user:anna", "email:a@b.fi"]


def test_the_identity_may_stand_in_the_subject() -> None:
    assert str(read().home.identity) == "user:anna"
    for subject in (msgspec.UNSET, "nobody", 5, "Order: 7"):
        with pytest.raises(Unprocessable) as refused:
            read(subject=subject)
        assert refused.value.fields["pointers"][0]["pointer"] == "/subject"


def test_an_event_is_named_by_its_source_and_id() -> None:
    """CloudEvents §3.1: source and id together are unique; however long the source is."""
    spaces = {read(source=source).id_space for source in ("/a", "/b", "x" * 600 + "1", "x" * 600 + "2")}
    assert len(spaces) == 4


def test_without_a_time_it_is_when_it_came() -> None:
    assert read(time=msgspec.UNSET).occurred_at == NOW
    assert read(time=None).occurred_at == NOW


def test_what_is_not_ours_is_kept() -> None:
    found = read(
        type="com.shop.basket", data={"lines": [1, 2], "data": {"total": 5}}, region="eu", partitionkey="k"
    )
    assert found.type == "event.tracked"
    assert found.data == {
        "lines": [1, 2],
        "total": 5,
        "name": "com.shop.basket",
        "cloudevent": {"region": "eu", "partitionkey": "k"},
    }
    assert read(data="plain text", type="x").data["content"] == "plain text"
    assert read(data=[1], type="x").data["content"] == [1]


def test_members_that_the_envelope_states_too_are_kept() -> None:
    own = {"id": "order-7", "type": "express", "occurred_at": "2026-11-20T10:00:00Z", "status": "sent"}
    found = read(type="com.shop.order", data=own)
    assert (found.type, found.event_id, found.occurred_at) == ("event.tracked", "1", read().occurred_at)
    assert found.data == {**own, "name": "com.shop.order"}
    repeated = {"id": "1", "type": "message.received", "occurred_at": "2026-11-21T10:00:00Z"}
    assert read(data={"channel": "chat", **repeated}).data == {}
    assert read(data={"data": [1, 2]}).data == {"data": [1, 2]}


@pytest.mark.parametrize("media", [msgspec.UNSET, "application/json; charset=utf-8", "application/x+json"])
def test_json_that_came_as_bytes_is_json(media: Any) -> None:
    encoded = base64.b64encode(b'{"channel": "chat", "text": "hello"}').decode()
    found = read(data=msgspec.UNSET, data_base64=encoded, datacontenttype=media)
    assert (found.channel, found.text, found.data) == ("chat", "hello", {})


@pytest.mark.parametrize(
    ("encoded", "media"),
    [("AAEC", "application/octet-stream"), ("eyJ4", "application/json"), ("?", "a/json")],
)
def test_other_bytes_are_kept_as_they_came(encoded: str, media: str) -> None:
    found = read(data=msgspec.UNSET, data_base64=encoded, datacontenttype=media)
    assert found.data["cloudevent"] == {"data_base64": encoded}


def test_a_retry_may_carry_another_trace_and_time() -> None:
    one, other = read(traceparent="00-aa"), read(traceparent="00-bb", time="2027-01-01T00:00:00Z")
    assert digest(one) == digest(other)
    assert digest(one) != digest(read(data={"channel": "chat", "text": "other"}))


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("value", [msgspec.UNSET, "", None, 5])
def test_what_every_event_needs_is_pointed_at(name: str, value: Any) -> None:
    with pytest.raises(Unprocessable) as refused:
        read(**{name: value})
    assert refused.value.fields["pointers"][0]["pointer"] == f"/{name}"


def test_another_version_is_refused() -> None:
    with pytest.raises(Unprocessable) as refused:
        read(specversion="0.3")
    assert refused.value.problem_code == "unsupported_specversion"


HEADERS = {
    "ce-specversion": "1.0",
    "CE-Id": "1",
    "ce-source": "/shop/basket",
    "ce-type": "message.received",
    "ce-subject": '"user:anna"',
    "ce-time": "2026-11-21T10:00:00Z",
    "ce-traceparent": "caf%C3%A9%20%22x%22",
    "Content-Type": "application/json",
}


def binary(body: bytes, media: str | None = "application/json; charset=utf-8", **changes: str) -> Any:
    headers = HEADERS | {name.replace("_", "-"): value for name, value in changes.items()}
    assert is_binary({name.lower(): value for name, value in headers.items()})
    return read_cloudevent(as_structured(headers, media, body), CALLER, NOW)


def test_binary_mode_is_the_same_event() -> None:
    made = binary(msgspec.json.encode(event()["data"]))
    structured = read(traceparent='caf\u00e9 "x"')
    assert made == structured
    assert made.id_space == "cloudevents//shop/basket"


@pytest.mark.parametrize("media", ["text/plain", "application/x-ndjson", "image/png"])
def test_binary_data_that_is_not_json_is_kept_whole(media: str) -> None:
    made = binary(b"\xff\x00 raw", media)
    assert made.data["cloudevent"]["data_base64"] == base64.b64encode(b"\xff\x00 raw").decode()


def test_a_binary_event_without_data_is_an_event() -> None:
    assert binary(b"", None).type == "message.received"


def test_a_binary_event_whose_body_is_not_its_type_is_refused() -> None:
    with pytest.raises(InvalidPayload):
        binary(b"{not json")


@pytest.mark.parametrize("missing", ["ce-specversion", "CE-Id", "ce-source", "ce-type"])
def test_an_incomplete_binary_event_is_refused_not_half_read(missing: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != missing}
    assert is_binary({name.lower(): value for name, value in headers.items()})
    with pytest.raises(Unprocessable) as refused:
        read_cloudevent(as_structured(headers, "application/json", b"{}"), CALLER, NOW)
    pointer = f"/{missing.lower().removeprefix('ce-')}"
    assert refused.value.fields["pointers"][0]["pointer"] == pointer


@given(st.binary(max_size=200))
@example(b'{"specversion":"1.0","id":"\xff"}')
@example(b'{"specversion":"1.0","id":"\\ud800","source":"s","type":"t"}')
@example(b"[" * 5000)
@example(b"null")
def test_no_bytes_end_in_another_error(raw: bytes) -> None:
    with pytest.raises((InvalidPayload, Unprocessable)):
        read_cloudevent(raw, CALLER, NOW)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"time": "yesterday"}, "/time"),
        ({"subject": "somebody"}, "/subject"),
        ({"channel": "pigeon", "data": {}}, "/channel"),
        ({"data": {"channel": "pigeon"}}, "/data/channel"),
        ({"data": {"seq": "first"}}, "/data/seq"),
        ({"data": {"identities": ["user:anna", "email:nobody"]}}, "/data/identities/1"),
        ({"time": None, "data": {"occurred_at": "yesterday"}}, "/data/occurred_at"),
    ],
)
def test_a_refusal_points_into_the_event(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        read(**changes)
    assert [it["pointer"] for it in refused.value.fields["pointers"]] == [pointer]
