"""`web.segment` with what real SDKs, documents and hostile senders send."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.domain.clock import SECOND, parse_time
from tests.adapters import contract
from tests.adapters.contract import anything, mutated, request, shared, survive
from tests.adapters.web.segment.test_segment import build, posted

CAPTURES = ["py-000", "py-001", "py-002", "node-000", "node-001", "node-002", "node-003"] + [
    f"{sdk}-{n:03}" for sdk, count in (("br", 8), ("rb", 6)) for n in range(count)
]


@pytest.mark.parametrize("name", CAPTURES)
def test_captured_sdk_requests(name: str) -> None:
    capture = json.loads(shared("sdk_captured", f"{name}.json").read_text())
    key = base64.b64decode(capture["headers"]["Authorization"].split()[1]).decode().rstrip(":")
    events = capture["json"].get("batch", [capture["json"]])
    received = max(parse_time(e.get("sentAt") or capture["json"]["sentAt"]) for e in events) + 2 * SECOND
    headers = {k: v for k, v in capture["headers"].items() if k.lower() != "content-encoding"}
    one = posted(capture["path"], capture["json"], headers=headers, received_at=received)
    adapter = build(secrets=(key,), trust="public" if name[:2] in ("br", "rb") else "server")
    adapter.verify(one)
    made = adapter.parse(one)
    assert not made.malformed
    assert len(made.touchpoints) + sum(made.ignored.values()) == len(events)
    for touchpoint in made.touchpoints:
        assert touchpoint.event_id in {event["messageId"] for event in events}
        assert touchpoint.occurred_at <= received
        home = "anonymous" if name[:2] in ("br", "rb") else "user"
        assert touchpoint.home.identity.type in (home, "anonymous")


def test_the_browsers_self_alias_is_counted_and_a_real_one_kept() -> None:
    for name, ignored, count in (("br-004", {"alias.self": 1}, 0), ("rb-003", {}, 1)):
        capture = json.loads(shared("sdk_captured", f"{name}.json").read_text())
        made = build().parse(posted(capture["path"], capture["json"]))
        assert (dict(made.ignored), len(made.touchpoints)) == (ignored, count)


def test_documented_requests() -> None:
    folder = shared("segment_docs")
    adapter = build(trust="server")
    for place in sorted(folder.glob("*.json")):
        body = json.loads(place.read_text())
        one = posted("/v1/batch", body) if "batch" in body else posted("/v1/batch", {"batch": [body]})
        made = adapter.parse(one)
        total = len(body.get("batch", [body]))
        assert len(made.touchpoints) + len(made.malformed) == total, place.name
        has_ids = {"userId", "anonymousId"} & set(body) or "batch" in body
        typed = body.get("type") or "batch" in body
        if has_ids and typed:
            assert not made.malformed, place.name


def test_rudderstacks_own_batches() -> None:
    for name in ("batch.json", "batch-with-identify.json"):
        body = json.loads(shared("rudderstack", name).read_text())
        made = build().parse(posted("/v1/batch", body))
        assert len(made.touchpoints) == len(body["batch"])


TEMPLATE = {
    "batch": [
        {
            "type": "track", "event": "Search", "messageId": "m", "anonymousId": "v", "userId": "u",
            "previousId": "p", "groupId": "g", "name": "n", "category": "help", "channel": "web",
            "timestamp": "2026-11-21T21:00:00Z", "originalTimestamp": "x", "sentAt": "2026-11-21T21:00:00Z",
            "traits": {"email": "a@b.fi", "phone": "+358401234567"},
            "properties": {"q": "x", "title": "t", "url": "https://a/help/x", "name": "n"},
            "context": {"traits": {}, "sessionId": 1, "locale": "fi", "page": {"url": "u", "path": "/help/x"},
                        "library": {"name": "analytics.js"}, "userHash": "x"},
        }
    ],
    "sentAt": "2026-11-21T21:00:00Z", "context": {}, "writeKey": "k",
}  # fmt: skip


@contract.SLOW
@given(
    body=mutated(TEMPLATE), kind=st.sampled_from(["track", "page", "identify", "alias", "group", "screen"])
)
def test_whatever_json_a_sender_makes_up(body: Any, kind: str) -> None:
    survive(build(identity_proof_secret=["k"]), posted("/v1/batch", body))
    event = (
        body["batch"][0]
        if isinstance(body, dict) and isinstance(body.get("batch"), list) and body["batch"]
        else body
    )
    made = survive(build(trust="server"), posted(f"/v1/{kind}", event))
    for bad in made.malformed if made else ():
        again = build(trust="server").parse(request(f"/v1/{kind}", body=bad.item))
        assert [one.code for one in again.malformed] == [bad.code]


@contract.SLOW
@given(query=st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=4), data=anything)
def test_whatever_pixel_a_sender_makes_up(query: dict[str, str], data: Any) -> None:
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    for pairs in (list(query.items()), [("data", encoded)], [("data", "\ud800"), *query.items()]):
        one = msgspec.structs.replace(request("/v1/pixel/track", method="GET"), query=tuple(pairs))
        survive(build(), one)
