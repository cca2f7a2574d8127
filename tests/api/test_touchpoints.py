"""`/v1/touchpoints`: single, arrays, NDJSON, and CloudEvents; errors have a place and a reason."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import msgspec
import pytest

from handoff.api.http.exchange import MAX_BODY
from handoff.domain.identity import parse_identity
from handoff.domain.touchpoint import MAX_DEPTH, MAX_IDENTITIES, MAX_TEXT
from handoff.store.repositories.outbox import is_quiet, read_entries
from tests.api.conftest import Api, message
from tests.samples import WEEK_AGO

PATH = "/v1/touchpoints"
NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*items: Any) -> bytes:
    return b"\n".join(it if isinstance(it, bytes) else msgspec.json.encode(it) for it in items)


async def test_a_touchpoint_is_stored_and_found_by_its_id(api: Api) -> None:
    answer = await api.record("e1", subject="hello", seq=7, thread="t", data={"a": {"b": [1, None]}})
    assert (answer["accepted"], answer["duplicates"], answer["rejected"]) == (1, 0, [])
    stored = await api.ok("GET", f"{PATH}/{answer['ids'][0]}")
    assert stored["id"] == answer["ids"][0]
    expected = {
        "channel": "chat",
        "type": "message.received",
        "direction": "inbound",
        "visibility": "public",
        "assurance": "verified",
        "occurred_at": f"{WEEK_AGO}T10:00:00.000000Z",
        "identity": "user:anna",
        "thread": "t",
        "subject": "hello",
        "text": "text of e1",
        "data": {"a": {"b": [1, None]}},
        "seq": 7,
        "late": False,
        "source": "desk",
    }
    assert {key: stored[key] for key in expected} == expected


async def test_a_repeat_is_a_duplicate_whatever_its_times(api: Api) -> None:
    first = await api.record("e1")
    again = await api.record("e1", occurred_at="2027-01-01T00:00:00+02:00", actor="bot:b1")
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert again["ids"] == first["ids"]
    assert (await api.context())["timeline"]["total"] == 1


async def test_other_content_under_a_known_id_is_rejected_with_the_stored_id(api: Api) -> None:
    first = await api.record("e1")
    answer = await api.post(PATH, message("e1", text="something else"))
    assert (answer.status, answer.code) == (422, "id_reused")
    assert answer.json["id"] == first["ids"][0]


async def test_fifty_concurrent_touchpoints_with_one_id_are_one(api: Api) -> None:
    answers = await asyncio.gather(*(api.record("same") for _ in range(50)))
    assert sum(it["accepted"] for it in answers) == 1
    assert len({it["ids"][0] for it in answers}) == 1


async def test_a_batch_stores_valid_items_and_names_the_others(api: Api) -> None:
    batch: list[Any] = [
        message("a"),
        message("b", type="no.such"),
        message("a"),
        "not an object",
        message("c", identities=["email:not an address"]),
        message("a", text="other"),
        message("d"),
    ]
    answer = await api.post(PATH, batch)
    assert answer.status == 207
    body = answer.json
    assert (body["accepted"], body["duplicates"]) == (2, 1)
    rejected = [(it["index"], it["code"]) for it in body["rejected"]]
    assert rejected == [(1, "unknown_type"), (3, "invalid"), (4, "invalid_identity"), (5, "id_reused")]
    assert body["rejected"][2]["errors"][0]["pointer"] == "/identities/0"
    assert [it is None for it in body["ids"]] == [False, True, False, True, True, True, False]
    assert body["ids"][0] == body["ids"][2]
    assert (await api.context())["timeline"]["total"] == 2


async def test_a_batch_without_valid_items_is_422(api: Api) -> None:
    answer = await api.post(PATH, [message("a", channel="pigeon"), message("b", occurred_at="yesterday")])
    assert (answer.status, answer.code) == (422, "all_rejected")
    assert [it["code"] for it in answer.json["rejected"]] == ["unknown_channel", "invalid_time"]


async def test_an_array_of_valid_items_is_200(api: Api) -> None:
    answer = await api.post(PATH, [message("a"), message("b")])
    assert (answer.status, answer.json["accepted"]) == (200, 2)


INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown channel": ({"channel": "pigeon"}, "unknown_channel", "/channel"),
    "unknown type": ({"type": "message.shouted"}, "unknown_type", "/type"),
    "no zone": ({"occurred_at": f"{WEEK_AGO}T10:00:00"}, "invalid_time", "/occurred_at"),
    "out of all time": ({"occurred_at": "1066-10-14T09:00:00Z"}, "invalid", "/occurred_at"),
    "no identity": ({"identities": []}, "invalid", "/identities"),
    "many identities": ({"identities": [f"user:u{n}" for n in range(MAX_IDENTITIES + 1)]}, "invalid", ""),
    "bad identity": ({"identities": ["user:anna", "nonsense"]}, "invalid_identity", "/identities/1"),
    "bad phone": ({"identities": ["phone:12"]}, "invalid_identity", "/identities/0"),
    "wrong type within": ({"identities": [{"type": 5, "value": "x"}]}, "invalid", "/identities/0/type"),
    "empty id": ({"id": ""}, "invalid", "/id"),
    "long id": ({"id": "x" * 513}, "invalid", "/id"),
    "long text": ({"text": "x" * (MAX_TEXT + 1)}, "invalid", "/text"),
    "negative seq": ({"seq": -1}, "invalid", "/seq"),
    "unknown field": ({"txet": "typo"}, "invalid", ""),
    "wrong assurance": ({"identities": [{"type": "user", "value": "a", "assurance": "sure"}]}, "invalid", ""),
    "nobody": ({"identities": ["email:noreply@example.com"]}, "blocked_identity", "/identities"),
    "a whole number of 65 bits": ({"data": {"n": [2**64]}}, "invalid", "/data"),
    "one of them in an attachment": ({"attachments": [{"size": -(2**64)}]}, "invalid", "/attachments"),
    "one of them in the actor": ({"actor": {"id": 2**64}}, "invalid", "/actor"),
    "bad participant": (
        {"participants": [{"type": "email", "value": "x"}]},
        "invalid_identity",
        "/participants/0",
    ),
}


@pytest.mark.parametrize("case", INVALID)
async def test_an_invalid_touchpoint_is_422_with_pointers(api: Api, case: str) -> None:
    changes, code, pointer = INVALID[case]
    answer = await api.post(PATH, message("e1", **changes))
    assert (answer.status, answer.code) == (422, code)
    assert answer.json["errors"][0]["pointer"].startswith(pointer)
    assert (await api.context())["match"] == "none"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe{}", b'{"id": "\xff"}', b"[" * 100_000, b"nul\x00"])
async def test_invalid_json_is_400(api: Api, raw: bytes) -> None:
    answer = await api.post(PATH, data=raw, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (400, "invalid_json")


async def test_deeply_nested_json_is_rejected(api: Api) -> None:
    """A decoder accepts nesting that an encoder with a deeper stack could not write."""
    for depth in (MAX_DEPTH, MAX_DEPTH + 1, 600, *range(850, 1030, 10), 5_000):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        for field, value in ((b"data", deep), (b"attachments", b"[" + deep + b"]"), (b"actor", deep)):
            raw = msgspec.json.encode(message(f"{depth}"))[:-1] + b',"%s":%s}' % (field, value)
            answer = await api.post(PATH, data=raw, headers={"Content-Type": "application/json"})
            if depth > MAX_DEPTH:
                assert answer.status in (400, 422), (depth, field)
    assert (await api.context())["timeline"]["total"] == 1


@pytest.mark.parametrize("number", ["1e400", "-" + "9" * 400, "123456789012345678901234567890", "1e-400"])
async def test_unusual_numbers_never_crash(api: Api, number: str) -> None:
    raw = msgspec.json.encode(message("odd"))[:-1] + f',"data":{{"n":{number}}}}}'.encode()
    answer = await api.post(PATH, data=raw, headers={"Content-Type": "application/json"})
    assert answer.status in (200, 400, 422)


async def test_a_request_above_the_limit_is_413_with_the_limit(api: Api) -> None:
    for body in (io.BytesIO(b" " * (MAX_BODY + 1)), _chunks(MAX_BODY + 1)):
        answer = await api.post(PATH, data=body, headers={"Content-Type": "application/json"})
        assert (answer.status, answer.code, answer.json["limit"]) == (413, "too_large", MAX_BODY)


async def _chunks(size: int) -> Any:
    """A body without Content-Length."""
    while size > 0:
        yield b" " * min(size, 65536)
        size -= 65536


async def test_a_touchpoint_above_its_limit_is_rejected_and_never_truncated(api: Api) -> None:
    answer = await api.post(PATH, message("large", data={"noise": "ä" * 150_000}))
    assert (answer.status, answer.code) == (422, "touchpoint_too_large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "br"},
    ],
)
async def test_another_media_type_or_encoding_is_415(api: Api, headers: dict[str, str]) -> None:
    answer = await api.post(PATH, data=b"{}", headers=headers)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_a_declared_channel_is_accepted(api: Api) -> None:
    answer = await api.record("e1", channel="branch")
    assert (await api.ok("GET", f"{PATH}/{answer['ids'][0]}"))["channel"] == "branch"


@pytest.mark.parametrize(
    "id_", ["tp_", "tp_AAAA", "cu_" + "A" * 43, "tp_" + "A" * 43, "nonsense", "tp_%C3%A4"]
)
async def test_an_unknown_touchpoint_is_404(api: Api, id_: str) -> None:
    answer = await api.get(f"{PATH}/{id_}")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_touchpoint_includes_its_edit_and_deletion(api: Api) -> None:
    first = (await api.record("m1", text="typo"))["ids"][0]
    await api.record("m2", type="message.edited", text="spelt right", amends=first)
    shown = await api.ok("GET", f"{PATH}/{first}")
    assert (shown["text"], shown["deleted"]) == ("spelt right", False)
    await api.record("m3", type="message.deleted", text=None, amends="m1")
    shown = await api.ok("GET", f"{PATH}/{first}")
    assert (shown["text"], shown["deleted"]) == (None, True)
    context = await api.context()
    assert b"typo" not in msgspec.json.encode(context)
    assert b"spelt right" not in msgspec.json.encode(context)


async def test_a_deleted_edit_has_no_effect(api: Api) -> None:
    first = (await api.record("m1", text="first words"))["ids"][0]
    await api.record("m2", type="message.edited", text="other words", amends=first)
    await api.record("m3", type="message.deleted", text=None, amends="m2")
    assert (await api.ok("GET", f"{PATH}/{first}"))["text"] == "first words"
    assert (await api.context())["timeline"]["total"] == 3


@pytest.mark.parametrize(
    "pairs", [[("a", "a")], [("a", "b"), ("b", "a")], [("a", "b"), ("b", "c"), ("c", "a")]]
)
async def test_circular_amendments_are_harmless(api: Api, pairs: list[tuple[str, str]]) -> None:
    for event, amends in pairs:
        await api.record(event, type="message.edited", amends=amends)
    for _, amends in pairs:
        await api.record(f"delete {amends}", type="message.deleted", amends=amends, text=None)
    assert (await api.context())["timeline"]["total"] == 2 * len(pairs)


# --- CloudEvents in binary mode, byte order marks -------------------------------------------------

CE = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "bus", "ce-type": "message.received"}
BOM = b"\xef\xbb\xbf"


async def test_a_binary_cloudevent_is_read_and_not_taken_for_a_touchpoint(api: Api) -> None:
    """Its body alone would be a valid touchpoint with another id."""
    for accepted in (1, 0):
        answer = await api.post(PATH, message("other-id", text="by bus"), headers=CE)
        assert (answer.status, answer.json["accepted"]) == (200, accepted)
    structured = {it.removeprefix("ce-"): value for it, value in CE.items()}
    body = msgspec.json.encode(structured | {"data": message("other-id", text="by bus")})
    media = {"Content-Type": "application/cloudevents+json"}
    assert (await api.post(PATH, data=body, headers=media)).json["duplicates"] == 1
    assert (await api.context())["timeline"]["total"] == 1


async def test_an_incomplete_binary_cloudevent_is_refused(api: Api) -> None:
    headers = {name: value for name, value in CE.items() if name != "ce-specversion"}
    for body in (msgspec.json.encode(message("e1")), b"[]", b"{}"):
        given = {**headers, "Content-Type": "application/json"}
        answer = await api.post(PATH, data=body, headers=given)
        assert (answer.status, answer.code) == (422, "invalid")
        assert answer.json["errors"][0]["pointer"] == "/specversion"
    assert (await api.context())["match"] == "none"


async def test_a_byte_order_mark_is_skipped(api: Api) -> None:
    one = BOM + msgspec.json.encode(message("e1"))
    for headers in ({"Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        assert (await api.post(PATH, data=one, headers=headers)).status == 200
    batch = BOM + msgspec.json.encode([message("e2"), message("e3")])
    assert (await api.post(PATH, data=batch, headers={"Content-Type": "application/json"})).status == 200
    body = BOM + lines(message("e4"), BOM + msgspec.json.encode(message("e5")), BOM + b"\r")
    (part,) = (await api.post(PATH, data=body, headers=NDJSON)).raw.splitlines()
    assert (msgspec.json.decode(part)["accepted"], msgspec.json.decode(part)["rejected"]) == (2, [])
    asked = BOM + msgspec.json.encode({"identities": ["user:anna"]})
    found = await api.post("/v1/context", data=asked, headers={"Content-Type": "application/json"})
    assert found.json["timeline"]["total"] == 5


# --- NDJSON ----------------------------------------------------------------------------------------


async def test_a_stream_is_answered_line_by_line(api: Api) -> None:
    good = [message(f"e{number}", occurred_at=f"{WEEK_AGO}T10:00:{number % 60:02}Z") for number in range(450)]
    body = lines(*good[:300], b"", b"not json", *good[300:], message("bad", channel="pigeon"), b"\r", b"")
    answer = await api.post(PATH, data=body, headers=NDJSON)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert len(answer.headers["Handoff-Request-Id"]) == 16
    parts = [msgspec.json.decode(line) for line in answer.raw.splitlines()]
    assert sum(it["accepted"] for it in parts) == 450
    rejected = [(it["index"], it["code"]) for part in parts for it in part["rejected"]]
    assert rejected == [(301, "invalid_json"), (452, "unknown_channel")]
    assert [it["through"] for it in parts] == sorted(it["through"] for it in parts)
    assert parts[-1]["through"] in (453, 454)
    assert (await api.context())["timeline"]["total"] == 450


async def test_a_stream_may_be_sent_again_from_the_start(api: Api) -> None:
    body = lines(*(message(f"e{number}") for number in range(30)))
    for expected in (30, 0):
        answer = await api.post(PATH, data=body, headers=NDJSON)
        parts = [msgspec.json.decode(line) for line in answer.raw.splitlines()]
        assert sum(it["accepted"] for it in parts) == expected


async def test_only_the_line_above_the_limit_is_rejected(api: Api) -> None:
    huge = b'{"id": "' + b"x" * 3_000_000 + b'"}'
    answer = await api.post(PATH, data=io.BytesIO(lines(message("a"), huge, message("b"))), headers=NDJSON)
    parts = [msgspec.json.decode(line) for line in answer.raw.splitlines()]
    assert sum(it["accepted"] for it in parts) == 2
    assert [(it["index"], it["code"]) for part in parts for it in part["rejected"]] == [(1, "too_large")]


async def test_an_empty_stream_is_400(api: Api) -> None:
    answer = await api.post(PATH, data=b"", headers=NDJSON)
    assert (answer.status, answer.code) == (400, "empty")


# --- CloudEvents -----------------------------------------------------------------------------------


def cloudevent(id_: str, **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "/shop",
        "type": "message.received",
        "subject": "user:anna",
        "time": f"{WEEK_AGO}T10:00:00Z",
        "data": {"channel": "chat", "text": "hello"},
        **changes,
    }


async def test_a_structured_cloudevent_is_a_touchpoint(api: Api) -> None:
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    answer = await api.post(PATH, cloudevent("1", traceparent="00-ab"), headers=headers)
    stored = await api.ok("GET", f"{PATH}/{answer.json['ids'][0]}")
    assert (stored["text"], stored["channel"], stored["identity"]) == ("hello", "chat", "user:anna")
    assert stored["data"]["cloudevent"] == {"traceparent": "00-ab"}
    again = await api.post(PATH, cloudevent("1", time="2027-01-01T00:00:00Z"), headers=headers)
    assert again.json["duplicates"] == 1


async def test_a_batch_of_cloudevents_may_have_invalid_ones(api: Api) -> None:
    batch = [cloudevent("1"), {"specversion": "1.0"}, cloudevent("2", specversion="0.3"), cloudevent("3")]
    answer = await api.post(PATH, batch, headers={"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status == 207
    assert answer.json["accepted"] == 2
    assert [it["index"] for it in answer.json["rejected"]] == [1, 2]


async def test_an_unknown_type_is_tracked_by_its_name(api: Api) -> None:
    headers = {"Content-Type": "application/cloudevents+json"}
    answer = await api.post(PATH, cloudevent("1", type="com.shop.basket"), headers=headers)
    stored = await api.ok("GET", f"{PATH}/{answer.json['ids'][0]}")
    assert (stored["type"], stored["data"]["name"]) == ("event.tracked", "com.shop.basket")


EVENT = {"specversion": "1.0", "source": "shop", "type": "page.viewed", "subject": "user:anna"}


@pytest.mark.parametrize("announce", ["", "false,true", "0", "no", "FALSE", "false&announce=false"])
async def test_announce_is_true_or_false(api: Api, announce: str) -> None:
    refused = await api.post(f"/v1/touchpoints?announce={announce}", message("m1"))
    assert (refused.status, refused.code) == (422, "invalid_parameter")
    assert (await api.context())["match"] == "none"


async def test_recording_quietly_needs_another_scope(api: Api) -> None:
    refused = await api.post("/v1/touchpoints?announce=false", message("m1"), token="only-touchpoints:write")
    assert (refused.status, refused.json["scope"]) == (403, "operate")
    loud = await api.post("/v1/touchpoints?announce=true", message("m1"), token="only-touchpoints:write")
    assert loud.json["accepted"] == 1


async def test_every_format_can_be_recorded_quietly(api: Api) -> None:
    bodies = [
        ("application/json", message("one")),
        ("application/json", [message("two"), message("three")]),
        (NDJSON["Content-Type"], message("four")),
        ("application/cloudevents+json", EVENT | {"id": "five"}),
        ("application/cloudevents-batch+json", [EVENT | {"id": "six"}]),
    ]
    for media, body in bodies:
        path, headers = "/v1/touchpoints?announce=false", {"Content-Type": media}
        assert (await api.post(path, body, headers=headers)).json["rejected"] == []
    store = api.server.site.store
    home = store.hashes(api.tenant).identity(parse_identity("user:anna"))
    stream = store.keys.outbox(store.keys.partition(home))
    found = await read_entries(store.connection, [(stream, b"0-0")], count=100_000, block_ms=None)
    mine = [it.payload for it in found[stream] if it.payload[:16] == home]
    assert [is_quiet(it) for it in mine] == [True] * 6
    assert (await api.context())["timeline"]["total"] == 6


async def test_a_sender_can_identify_its_store(api: Api) -> None:
    mine = await api.ok("GET", "/v1/store", token="only-touchpoints:write")
    assert mine["tenant"] == api.tenant
    assert mine == await api.ok("GET", "/v1/store")
    other = await api.ok("GET", "/v1/store", token="elsewhere")
    assert other["tenant"] == api.other
    assert other["id"] != mine["id"]
    assert (await api.get("/v1/store", token="nothing")).status == 403


async def test_a_long_import_waits_for_the_fan_out(api: Api) -> None:
    """For a limited time: a fan-out that hangs slows imports down but does not stop them."""
    behind = [60.0]
    looks = 0

    def backlog_s() -> float:
        nonlocal looks
        looks += 1
        if looks == 5:
            behind[0] = 0.0
        return behind[0]

    api.server.site.monitor.fan_out_backlog_s = backlog_s
    lines = [message(f"m{number}") for number in range(500)]
    body = b"".join(msgspec.json.encode(it) + b"\n" for it in lines[:200])
    assert (
        await api.post("/v1/touchpoints", headers={"Content-Type": NDJSON["Content-Type"]}, data=body)
    ).status == 200
    assert looks == 0, "a short request does not wait"
    body = b"".join(msgspec.json.encode(it) + b"\n" for it in lines)
    assert (
        await api.post("/v1/touchpoints", headers={"Content-Type": NDJSON["Content-Type"]}, data=body)
    ).status == 200
    assert looks >= 5
    assert (await api.context())["timeline"]["total"] == 500
