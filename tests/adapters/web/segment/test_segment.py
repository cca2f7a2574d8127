"""`web.segment`: SDK dialects, write keys, the clock rule, identities and answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.adapter.contract import InboundRequest, Outcome
from handoff.domain.clock import HOUR, MINUTE, SECOND, format_time, parse_time
from handoff.domain.errors import (
    ConfigurationError,
    InvalidPayload,
    NotFound,
    PayloadTooLarge,
    SignatureRefused,
)
from handoff_adapters.web.segment import SegmentAdapter, SegmentOptions
from handoff_adapters.web.segment.routes import MAX_ITEMS
from tests.adapters.contract import RECEIVED_AT, SignedContract, request, shared

FOLDER = Path(__file__).parent / "fixtures"
EVENT = {"type": "track", "event": "Hello", "messageId": "m", "anonymousId": "visitor-7"}


def basic(key: str, *, colon: bool = True) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{key}{':' * colon}".encode()).decode()}


def build(*, secrets: tuple[str, ...] = ("s3cret",), **options: Any) -> SegmentAdapter:
    made = msgspec.convert(
        {"name": "shop", "adapter": "web.segment", "secrets": secrets, **options}, SegmentOptions
    )
    return SegmentAdapter(made)


def posted(path: str, body: Any, **more: Any) -> InboundRequest:
    return request(path, body=json.dumps(body).encode(), **more)


def batch(*events: Any, **more: Any) -> InboundRequest:
    return posted("/v1/batch", {"batch": list(events), **more})


class TestContract(SignedContract):
    folder = FOLDER
    signs_body = False
    paths = ("/v1/batch", "/v1/t", "/v1/i", "/v1/pixel/track", "/nowhere")

    def build(self, **more: Any) -> SegmentAdapter:
        return build(**more)

    def good(self) -> InboundRequest:
        return batch(EVENT)

    def sign(self, one: InboundRequest, secret: str) -> InboundRequest:
        return msgspec.structs.replace(
            one, headers={**one.headers, "authorization": basic(secret)["Authorization"]}
        )


@pytest.mark.parametrize(
    "one",
    [
        batch(EVENT, writeKey="s3cret"),
        posted("/v1/track", {**EVENT, "writeKey": "s3cret"}),
        request("/v1/track", body=json.dumps(EVENT).encode(), headers=basic("s3cret", colon=False)),
        request("/beacon/v1/batch", body=b'{"batch":[1]}', query=[("writeKey", "s3cret")]),
        request("/pixel/v1/page", method="GET", query=[("writeKey", "s3cret"), ("anonymousId", "v")]),
        request(
            "/v1/pixel/page",
            method="GET",
            query=[("data", base64.b64encode(b'{"writeKey":"s3cret","userId":"u"}').decode())],
        ),
        posted(
            "/v1/batch", {"batch": [EVENT], "writeKey": "s3cret"}, headers={"Authorization": "Bearer oauth"}
        ),
        posted("/v1/track", {"x": "\ud83d", "writeKey": "s3cret"}),
    ],
)
def test_a_write_key_is_found_wherever_an_sdk_puts_it(one: InboundRequest) -> None:
    build().verify(one)
    with pytest.raises(SignatureRefused):
        build(secrets=("other",)).verify(one)


@pytest.mark.parametrize(
    "one",
    [
        request("/v1/batch", body=b"{not json"),
        posted("/v1/batch", {"batch": [EVENT], "writeKey": ["s3cret"]}),
        posted("/v1/batch", {"batch": [EVENT], "writeKey": "s3cret"}, headers=basic("wrong")),
        posted("/v1/batch", {"batch": [EVENT]}, headers={"Authorization": "Bearer oauth"}),
        request("/v1/batch", headers={"Authorization": "Basic !!!"}),
        request("/v1/batch", headers={"Authorization": "Basic \udcff"}),
        request("/v1/batch", headers={"Authorization": "Basic /w=="}),
    ],
)
def test_without_a_known_key_it_is_refused(one: InboundRequest) -> None:
    with pytest.raises(SignatureRefused):
        build().verify(one)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (posted("/v1/track", EVENT), "The request has no write key"),
        (posted("/v1/track", {**EVENT, "writeKey": ""}), "The request has no write key"),
        (posted("/v1/track", {**EVENT, "writeKey": "old"}), "The write key is unknown"),
        (posted("/v1/track", EVENT, headers=basic("old")), "The write key is unknown"),
        (posted("/v1/track", EVENT, headers=basic("")), "The request has no write key"),
    ],
)
def test_the_reason_differs_for_a_missing_and_for_a_wrong_key(one: InboundRequest, reason: str) -> None:
    with pytest.raises(SignatureRefused, match=reason):
        build().verify(one)


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/v1/pixel/track"])
@pytest.mark.parametrize("size", [60_000, 600_000])
@pytest.mark.parametrize("key", [b"", b'"writeKey":"old",', b'"writeKey":"s3cret",'])
def test_a_body_is_not_decoded_to_find_its_key(path: str, size: int, key: bytes) -> None:
    adapter = build()
    one = request(path, body=b"{" + key + b'"x":[' + b"[]," * (size // 3) + b"[]]}")
    tracemalloc.start()
    try:
        with suppress(SignatureRefused):
            adapter.verify(one)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size // 3


@pytest.mark.parametrize(
    "path", ["/v1/batch", "/v1/b", "/v1/import", "/batch", "//v1/batch/", "/beacon/v1/batch"]
)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json"])
def test_the_path_decides_and_never_the_content_type(path: str, kind: str) -> None:
    one = posted(path, {"batch": [EVENT]}, headers={"Content-Type": kind})
    assert [t.event_id for t in build().parse(one).touchpoints] == ["m"]


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v2/track", "/v1/x", "/v1/pixel/batch", "/x/v1/track"])
def test_an_unknown_path_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        build().parse(posted(path, EVENT))


def test_a_context_is_not_repeated_without_bound() -> None:
    """It is part of each event, also of each one in quarantine."""
    context = {f"k{n}": 0 for n in range(1_000)}
    assert len(build().parse(batch(*[EVENT] * 300, context=context)).touchpoints) == 300
    with pytest.raises(InvalidPayload) as error:
        build().parse(batch(*[{}] * 2_000, context=context))
    assert error.value.problem_code == "too_large"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"batch":[]}', b'{"batch":{}}', b"\xff", b"NaN"])
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        build().parse(request("/v1/batch", body=body))


def test_a_batch_has_a_greatest_size() -> None:
    build().parse(batch(*[EVENT] * MAX_ITEMS))
    with pytest.raises(PayloadTooLarge):
        build().parse(batch(*[EVENT] * (MAX_ITEMS + 1)))


def test_half_an_emoji_costs_neither_the_batch_nor_the_event() -> None:
    made = build().parse(batch({**EVENT, "event": "cut \ud83d", "properties": {"n": 10**30}}, EVENT))
    assert [t.data["name"] for t in made.touchpoints] == ["cut \ufffd", "Hello"]
    assert made.touchpoints[0].data["n"] == str(10**30)


def test_a_number_out_of_range_does_not_cost_the_batch() -> None:
    body = b'{"batch":[{"type":"track","event":"A","userId":"u","properties":{"n":1e999}}]}'
    (made,) = build().parse(request("/v1/batch", body=body)).touchpoints
    assert made.data["n"] == "1e999"


def test_data_nested_too_deep_is_quarantined_alone() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = {"x": deep}
    made = build().parse(batch({**EVENT, "properties": deep}, EVENT))
    assert ([one.code for one in made.malformed], len(made.touchpoints)) == (["too_deep"], 1)


@pytest.mark.parametrize(
    "event",
    [
        {**EVENT, "properties": {"x": "y" * 300_000}},
        {**EVENT, "event": "Search", "properties": {"q": "y" * 250_000}},
    ],
)
def test_an_event_that_is_too_large_is_quarantined_whole(event: dict[str, Any]) -> None:
    (bad,) = build().parse(batch(event, sentAt="2026-11-21T21:00:00Z", writeKey="s3cret")).malformed
    assert bad.code == "too_large"
    assert json.loads(bad.item) == {"batch": [event], "sentAt": "2026-11-21T21:00:00Z"}


def test_a_title_too_long_for_a_subject_stays_in_the_data() -> None:
    title = "t" * 3_000
    (made,) = build().parse(posted("/v1/page", {"userId": "u", "properties": {"title": title}})).touchpoints
    assert (made.subject, made.data["title"]) == (None, title)


# When it happened


def at(event: dict[str, Any], **more: Any) -> str:
    (made,) = build().parse(batch({**EVENT, **event}, **more)).touchpoints
    return format_time(made.occurred_at)[11:19]


@pytest.mark.parametrize(
    ("event", "more", "expected"),
    [
        ({}, {}, "21:10:00"),
        ({"timestamp": "2026-11-21T20:00:00Z"}, {}, "20:00:00"),
        ({"timestamp": "2026-11-21T20:00:00Z"}, {"sentAt": "2026-11-21T20:00:05+00:00"}, "20:00:00"),
        ({"timestamp": "2026-11-22T21:00:00Z"}, {"sentAt": "2026-11-22T21:10:00Z"}, "21:00:00"),
        ({"timestamp": "2026-11-20T20:59:55Z"}, {"sentAt": "2026-11-20T21:00:00Z"}, "20:59:55"),
        ({"timestamp": "2025-11-21T20:59:55Z"}, {"sentAt": "2025-11-21T21:00:00Z"}, "21:09:55"),
        ({"timestamp": "2026-11-21T20:00:00.1234567Z", "sentAt": "2026-11-21T20:01:00Z"}, {}, "20:00:00"),
        ({"originalTimestamp": "2026-11-21T20:00:00Z", "sentAt": "2026-11-21T20:00:30Z"}, {}, "20:00:00"),
        (
            {"originalTimestamp": "2026-11-21T20:00:00Z", "timestamp": "2024-03-01T12:00:00Z"},
            {"sentAt": "2026-11-21T20:00:30Z"},
            "12:00:00",
        ),
        ({"timestamp": 1795291200}, {}, "20:00:00"),
        ({"timestamp": 1795291200000}, {}, "20:00:00"),
        ({"timestamp": "2026-11-21T20:00:00"}, {}, "20:00:00"),
        ({"timestamp": "2026-11-21T20:00Z"}, {}, "20:00:00"),
        ({"timestamp": "2026-11-21T22:00+02:00"}, {}, "20:00:00"),
        ({"timestamp": "2026-11-21 20:00:00 UTC"}, {}, "20:00:00"),
        ({"timestamp": "2015-2-02T00:30:08.276Z"}, {"sentAt": "2026-11-21T21:00:00Z"}, "21:10:00"),
        ({"timestamp": {"$date": 1}}, {}, "21:10:00"),
        ({"timestamp": "1970-01-01T00:00:00Z"}, {}, "21:10:00"),
        ({"timestamp": "2031-01-01T00:00:00Z"}, {}, "21:10:00"),
        ({"timestamp": "0001-01-01T00:00:00Z"}, {}, "21:10:00"),
        ({"timestamp": 10**400}, {}, "21:10:00"),
        ({"timestamp": "2026-11-21T20:00:00Z", "sentAt": "rubbish"}, {}, "20:00:00"),
    ],
)
def test_the_clock_rule(event: dict[str, Any], more: dict[str, Any], expected: str) -> None:
    assert at(event, **more) == expected


def spread(*events: dict[str, Any], **more: Any) -> list[int]:
    """The minutes between the receipt and each event of one batch."""
    made = build().parse(batch(*({**EVENT, **it} for it in events), **more)).touchpoints
    return [(RECEIVED_AT - it.occurred_at) // MINUTE for it in made]


def test_a_clock_that_is_ahead_is_corrected_alike_for_the_whole_batch() -> None:
    times = ("2026-11-22T20:40:00Z", "2026-11-22T20:50:00Z", "2026-11-22T21:10:00Z")
    assert spread(*({"timestamp": it} for it in times), sentAt="2026-11-22T21:10:00Z") == [30, 20, 0]


def test_events_that_state_their_own_sending_are_corrected_like_the_others() -> None:
    sent = {"sentAt": "2026-11-22T21:10:00Z"}
    own, bare = {"timestamp": "2026-11-22T20:40:00Z"}, {"timestamp": "2026-11-22T20:50:00Z"}
    assert spread(own | sent, bare) == [30, 20]
    assert spread(own, bare, {"timestamp": "2026-11-22T21:10:00Z"}) == [30, 20, 0]


def test_one_event_in_the_future_does_not_move_the_others() -> None:
    times = ("2026-11-21T20:40:00Z", "2026-11-23T12:00:00Z", "2026-11-21T21:00:00Z")
    assert spread(*({"timestamp": it} for it in times)) == [30, 0, 10]


@pytest.mark.parametrize("waited_s", [0, 5, 3600, 86_400, 20 * 86_400])
def test_a_batch_that_waited_or_is_sent_again_keeps_its_times(waited_s: int) -> None:
    times = ("2026-11-21T20:40:00Z", "2026-11-21T20:50:00Z")
    one = batch(*({**EVENT, "timestamp": it} for it in times), sentAt="2026-11-21T21:10:00Z")
    late = msgspec.structs.replace(one, received_at=RECEIVED_AT + waited_s * SECOND)
    assert [format_time(it.occurred_at)[:19] + "Z" for it in build().parse(late).touchpoints] == list(times)


def test_rudderstack_golden_time_is_capped_at_the_receipt() -> None:
    vectors = json.loads(shared("rudderstack", "goldenUtMirrorClientEvents.json").read_text())
    message = vectors[0]["message"]
    received = parse_time(message["receivedAt"])
    event = {**EVENT, "originalTimestamp": message["originalTimestamp"], "sentAt": message["sentAt"]}
    one = msgspec.structs.replace(batch(event), received_at=received)
    (made,) = build().parse(one).touchpoints
    assert parse_time(message["timestamp"]) == received + 45 * SECOND
    assert made.occurred_at == received


# The same event


def test_a_retry_with_other_times_is_the_same_event_with_the_same_content() -> None:
    first = {**EVENT, "originalTimestamp": "2026-11-21T21:00:00Z", "sentAt": "2026-11-21T21:00:01Z"}
    again = {**first, "sentAt": "2026-11-21T21:05:01Z", "originalTimestamp": "2026-11-21T21:00:00.000Z"}
    one, two = (build().parse(posted("/v1/track", event)).touchpoints[0] for event in (first, again))
    assert (one.event_id, one.home, one.data, one.text, one.subject) == (
        two.event_id, two.home, two.data, two.text, two.subject,
    )  # fmt: skip


def test_events_without_an_id_are_named_by_their_content() -> None:
    bare = {"type": "track", "event": "Hello", "userId": "u", "messageId": "  "}
    other = {**bare, "event": "Other"}
    first = [
        t.event_id for t in build().parse(batch(bare, bare, other, sentAt="2026-11-21T21:00:00Z")).touchpoints
    ]
    again = [
        t.event_id for t in build().parse(batch(bare, bare, other, sentAt="2026-11-21T21:01:00Z")).touchpoints
    ]
    assert len(set(first)) == 3
    assert first == again


@pytest.mark.parametrize(("stated", "expected"), [(" m-1 ", "m-1"), (17, "17"), ("x" * 512, "x" * 512)])
def test_a_message_id_is_trimmed_and_kept(stated: object, expected: str) -> None:
    (made,) = build().parse(batch({**EVENT, "messageId": stated})).touchpoints
    assert made.event_id == expected


def test_an_endless_message_id_is_hashed() -> None:
    ids = [
        build().parse(batch({**EVENT, "messageId": "x" * n})).touchpoints[0].event_id for n in (600, 601, 600)
    ]
    assert ids[0] == ids[2] != ids[1]


# Who it was


def test_a_proved_user_is_verified_and_the_visitor_stays_home() -> None:
    proof = hmac.new(b"proof-key", b"anna", hashlib.sha256).hexdigest()
    adapter = build(identity_proof_secret=["old", "proof-key"])
    for place in ({"context": {"userHash": proof}}, {"traits": {"user_hash": proof.upper()}}):
        (made,) = adapter.parse(posted("/v1/i", {**EVENT, "userId": "anna", **place})).touchpoints
        assert [str(h.assurance) for h in made.identities] == ["verified", "verified"]
        assert made.home.identity.type == "anonymous"
        assert "user_hash" not in made.traits
    (other,) = adapter.parse(
        posted("/v1/i", {**EVENT, "userId": "berit", "context": {"userHash": proof}})
    ).touchpoints
    assert str(other.identities[1].assurance) == "claimed"


def test_the_business_itself_is_never_an_identity() -> None:
    adapter = build(own=("support@shop.example", "user:admin"))
    event = {**EVENT, "userId": "admin", "traits": {"email": "Support@Shop.example"}}
    (made,) = adapter.parse(posted("/v1/i", event)).touchpoints
    assert [h.identity.type for h in made.identities] == ["anonymous"]
    (bad,) = adapter.parse(posted("/v1/i", {"userId": "admin", "messageId": "m"})).malformed
    assert bad.code == "no_identity"


def test_spaces_follow_the_source() -> None:
    adapter = build(id_space="shop", user_space="crm", trust="server")
    (made,) = adapter.parse(posted("/v1/i", {**EVENT, "userId": "anna"})).touchpoints
    assert [str(h.identity) for h in made.identities] == ["user@crm:anna", "anonymous@shop:visitor-7"]
    assert made.id_space == "shop"
    assert set(adapter.identity_spaces) == {("anonymous", "shop"), ("user", "crm")}


def test_a_batchs_context_holds_for_its_events() -> None:
    one = batch({**EVENT, "context": {"locale": "sv"}}, EVENT, context={"locale": "fi", "sessionId": 5})
    made = build().parse(one).touchpoints
    assert [(t.language, t.thread) for t in made] == [("sv", "5"), ("fi", "5")]


def test_an_unknown_touchpoint_type_in_the_options_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"form\.exploded"):
        build(events={"Boom": "form.exploded"})


# Answers


def test_sdks_get_exactly_200_and_browsers_may_read_it() -> None:
    reply = build().reply(batch(EVENT), build().parse(batch(EVENT)), Outcome(accepted=1))
    assert (reply.status, reply.body, reply.content_type) == (200, b'{"success":true}', "application/json")
    assert ("Access-Control-Allow-Origin", "*") in reply.headers


def test_a_pixel_gets_an_image() -> None:
    one = request("/v1/pixel/page", method="GET", query=[("anonymousId", "v")])
    reply = build().reply(one, build().parse(one), Outcome(accepted=1))
    assert (reply.status, reply.content_type, reply.body[:6]) == (200, "image/gif", b"GIF89a")


def test_a_preflight_is_answered_for_allowed_origins_only() -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,rsa-retry-attempt",
    }
    one = request("/v1/t", method="OPTIONS", headers=asked)
    reply = build().handshake(one)
    assert reply is not None
    headers = dict(reply.headers)
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Headers"] == "authorization,rsa-retry-attempt"
    named = build(allowed_origins=["https://shop.example"]).handshake(one)
    assert named is not None
    assert ("Access-Control-Allow-Origin", "https://shop.example") in named.headers
    for closed in (build(allowed_origins=["https://other.example"]), build(trust="server")):
        refused = closed.handshake(one)
        assert refused is not None
        assert refused.headers == ()
    assert build().handshake(batch(EVENT)) is None


def test_a_request_older_than_any_clock_is_still_placed() -> None:
    one = msgspec.structs.replace(batch(EVENT), received_at=RECEIVED_AT + HOUR)
    assert build().parse(one).touchpoints[0].occurred_at == RECEIVED_AT + HOUR


@pytest.mark.parametrize(
    ("path", "more", "expected"),
    [
        ("/help/returns", {}, "article.viewed"),
        ("/en-us/help/returns", {}, "article.viewed"),
        ("/help/", {}, "page.viewed"),
        ("/en/help/", {}, "page.viewed"),
        ("/eng/help/returns", {}, "page.viewed"),
        ("/shop/help/returns", {}, "page.viewed"),
        ("/help/returns", {"article_paths": []}, "page.viewed"),
        ("/guide.1", {"article_paths": ["/guide", "/guide.1"]}, "article.viewed"),
        ("/wiki+/x", {"article_paths": ["/wiki+/"]}, "article.viewed"),
    ],
)
def test_an_articles_path_has_something_after_its_prefix(
    path: str, more: dict[str, Any], expected: str
) -> None:
    event = {"userId": "1", "messageId": "1", "properties": {"path": path}}
    (made,) = build(**more).parse(posted("/v1/page", event)).touchpoints
    assert made.type == expected
