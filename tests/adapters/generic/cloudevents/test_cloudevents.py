"""`generic.cloudevents`: the contract, the handshake, and the SDK for Python as the sender."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from handoff.adapter.contract import InboundRequest
from handoff_adapters.generic import CloudEventsAdapter
from handoff_adapters.generic.options import CloudEventsOptions
from tests.adapters.contract import RECEIVED_AT, SignedContract, request

MAPPING: dict[str, Any] = {
    "identities": [{"type": "email", "value": "data.mail"}],
    "data": {"place": "data.place"},
}
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/doors",
    "type": "door.opened",
    "data": {"mail": "anna@example.com"},
}


def build(**options: Any) -> CloudEventsAdapter:
    stated = {
        "name": "doors",
        "adapter": "generic.cloudevents",
        "channel": "web",
        "secrets": ["s3cret"],
        "signature": {"scheme": "hmac", "header": "X-Signature"},
        "mapping": MAPPING,
    }
    return CloudEventsAdapter(msgspec.convert(stated | options, CloudEventsOptions))


def posted(body: Any, content_type: str = "application/cloudevents+json") -> InboundRequest:
    return request("", body=json.dumps(body).encode(), headers={"content-type": content_type})


class TestContract(SignedContract):
    folder = Path(__file__).parent / "fixtures"

    def build(self, **more: Any) -> CloudEventsAdapter:
        return build(**more)

    def good(self) -> InboundRequest:
        return posted(EVENT)

    def sign(self, one: InboundRequest, secret: str) -> InboundRequest:
        digest = hmac.new(secret.encode(), one.raw, hashlib.sha256).hexdigest()
        return msgspec.structs.replace(one, headers={**one.headers, "x-signature": digest})


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        (["*"], "events.example.com", 200),
        (["events.example.com"], "events.example.com", 200),
        (["events.example.com"], "other.example.com", 403),
        (["*"], "", 403),
    ],
)
def test_the_handshake_grants_what_the_configuration_allows(
    allowed: list[str], origin: str, status: int
) -> None:
    one = request("", method="OPTIONS", body=b"", headers={"webhook-request-origin": origin})
    reply = build(allowed_origins=allowed).handshake(one)
    assert reply is not None
    assert reply.status == status
    assert (("WebHook-Allowed-Origin", origin) in reply.headers) == (status == 200)


def test_one_event_through_two_sources_is_one_event() -> None:
    made = [build(name=name).parse(posted(EVENT)).touchpoints[0] for name in ("doors", "doors-again")]
    assert {(it.id_space, it.event_id) for it in made} == {("cloudevents//doors", "1")}


@pytest.mark.parametrize("convert", [to_structured_event, to_binary_event])
def test_events_of_the_sdk_are_read_in_both_modes(convert: Callable[[CloudEvent], HTTPMessage]) -> None:
    event = CloudEvent(
        {"id": "ä/1", "type": "door.opened", "source": "/doors"},
        {"mail": "anna@example.com", "place": "Töölö"},
    )
    sent = convert(event)
    lower = {name.lower(): value for name, value in sent.headers.items()}
    (made,) = build().parse(request("", body=sent.body, headers=lower)).touchpoints
    assert (made.id_space, made.event_id) == ("cloudevents//doors", "ä/1")
    assert made.data == {"place": "Töölö", "name": "door.opened"}
    assert made.occurred_at <= RECEIVED_AT


CONTENT = {"mail": ["anna@example.com", "doors@example.com"], "place": "door"}
PERSON = {"email:anna@example.com"}
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/doors", "ce-type": "door.opened"}


def named(one: InboundRequest) -> tuple[set[str], bool]:
    found = build(own=["doors@example.com"]).mentions(one)
    return {str(it) for it in found.identities}, found.complete


def test_the_customer_of_an_invalid_event_is_named_from_data_in_base64() -> None:
    encoded = base64.b64encode(json.dumps(CONTENT).encode()).decode()
    event = {name: it for name, it in EVENT.items() if name != "data"} | {"data_base64": encoded}
    wrong = event | {"specversion": "0.3"}
    assert [it.code for it in build().parse(posted(wrong)).malformed] == ["unsupported_specversion"]
    assert named(posted(wrong)) == (PERSON, True)
    assert named(posted([wrong, event])) == (PERSON, True)
    assert named(posted([wrong, event | {"data_base64": "!"}])) == (PERSON, False)


def test_the_customer_of_an_invalid_binary_event_is_named_as_far_as_its_data_is_readable() -> None:
    headers = BINARY | {"content-type": "application/json"}
    body = json.dumps(CONTENT).encode()
    assert named(request("", body=body, headers=headers)) == (PERSON, True)
    assert named(request("", body=body[:-5], headers=headers)) == (PERSON, False)
    long = body[:-1] + b', "x": [' + b"[]," * 100_000 + b"[]]}"
    assert named(request("", body=long, headers=headers)) == (PERSON, False)
    assert named(request("", body=b"anna", headers=BINARY | {"content-type": "text/plain"})) == (set(), False)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_quarantined_binary_event_is_read_once_the_mapping_is_mended(content_type: str) -> None:
    headers = BINARY | {"content-type": content_type, "ce-subject": "anna@example.com"}
    one = request("", body=json.dumps(CONTENT).encode(), headers=headers)
    wrong = build(mapping={"identities": [{"type": "email", "value": "data.who"}]})
    kept = wrong.parse(one).malformed[0].item
    again = msgspec.structs.replace(one, raw=kept, body=kept)
    mended = build(mapping=MAPPING | {"identities": [{"type": "email", "value": "subject"}]})
    assert mended.parse(again) == mended.parse(one)
    assert len(mended.parse(again).touchpoints) == 1
    assert mended.mentions(again) == mended.mentions(one)
    assert not wrong.mentions(again).complete


def test_the_mapping_does_not_find_the_events_of_a_batch() -> None:
    stated = {"name": "doors", "adapter": "generic.cloudevents", "channel": "web", "allow_unsigned": True}
    options = msgspec.convert(stated | {"mapping": MAPPING | {"items": "data.list"}}, CloudEventsOptions)
    assert "mapping.items" in options.without_effect()[0]
    event = EVENT | {"data": {"mail": "anna@example.com", "list": [1]}}
    adapter = CloudEventsAdapter(options)
    named = adapter.mentions(posted(event))
    assert [it.home.identity for it in adapter.parse(posted(event)).touchpoints] == list(named.identities)
    assert named.complete
