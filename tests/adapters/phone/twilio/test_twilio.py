"""`phone.twilio`: the signature against the vendor's own check, call statuses, numbers, answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from handoff.adapter.contract import InboundRequest, Outcome
from handoff.domain.clock import format_time
from handoff.domain.errors import InvalidPayload, SignatureRefused
from handoff_adapters.phone.twilio import TwilioAdapter, TwilioOptions
from tests.adapters import contract
from tests.adapters.contract import SignedContract, request, shared, survive

FOLDER = Path(__file__).parent / "fixtures"
FORM = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
CALL = [
    ("CallSid", "CA1"),
    ("AccountSid", "AC1"),
    ("From", "+358401234567"),
    ("To", "+358931578000"),
    ("Direction", "inbound"),
    ("CallStatus", "ringing"),
    ("CallerCity", ""),
    ("CallerName", " Anna  B "),
]


def build(*, secrets: tuple[str, ...] = ("s3cret",), **options: Any) -> TwilioAdapter:
    made = msgspec.convert(
        {"name": "calls", "adapter": "phone.twilio", "secrets": secrets, **options}, TwilioOptions
    )
    return TwilioAdapter(made)


class Many:
    """Repeated parameters as the vendor's check reads them from a web framework."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __iter__(self) -> Any:
        return iter([name for name, _ in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def getall(self, name: str) -> list[str]:
        return [value for other, value in self._pairs if other == name]


def vendor_signature(
    one: InboundRequest, secret: str, *, url: str | None = None, algorithm: str | None = None
) -> str:
    """The signature that Twilio's own package computes for `one`."""
    pairs = parse_qsl(one.raw.decode(), keep_blank_values=True) if one.method == "POST" else []
    made: str = RequestValidator(secret).compute_signature(url or one.url, Many(pairs), algorithm)
    return made


def with_headers(one: InboundRequest, **headers: str) -> InboundRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return msgspec.structs.replace(one, headers={**one.headers, **named})


def signed(one: InboundRequest, secret: str = "s3cret", **more: Any) -> InboundRequest:
    return with_headers(one, x_twilio_signature=vendor_signature(one, secret, **more))


def posted(pairs: list[tuple[str, str]], **more: Any) -> InboundRequest:
    return request(body=urlencode(pairs).encode(), headers={**FORM, **more.pop("headers", {})}, **more)


class TestContract(SignedContract):
    folder = FOLDER

    def build(self, **more: Any) -> TwilioAdapter:
        return build(**more)

    def good(self) -> InboundRequest:
        return posted(CALL, query=[("callback", "cb-1")])

    def sign(self, one: InboundRequest, secret: str) -> InboundRequest:
        return signed(one, secret)

    def refused(self) -> Mapping[str, InboundRequest]:
        one = self.accepted()
        elsewhere = msgspec.structs.replace(one, url=one.url.replace("cb-1", "cb-2"))
        return {**super().refused(), "the URL is another": elsewhere}


# The signature

URLS = [
    "https://handoff.example.com/in/calls?callback=cb-1",
    "https://handoff.example.com:8443/in/calls",
    "http://handoff.example.com/in/calls?x=/@:1",
    "https://anna:pa%20ss@handoff.example.com/in/calls",
    "https://[2001:db8::1]/in/calls",
    "https://[2001:db8::1]:8443/in/calls?a=b",
    "https://anna:pass@[2001:db8::1]:8443/in/calls",
    "https://handoff.example.com",
    "https://handoff.example.com?a=1",
]


@pytest.mark.parametrize("url", URLS)
def test_the_vendors_signature_of_any_url(url: str) -> None:
    one = msgspec.structs.replace(posted(CALL), url=url)
    build().verify(signed(one))
    with pytest.raises(SignatureRefused):
        build().verify(signed(one, url=url + "/x"))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("https://h.example/in/c", "https://h.example:443/in/c"),
        ("https://h.example:443/in/c", "https://h.example/in/c"),
        ("https://h.example:8443/in/c?a=1", "https://h.example/in/c?a=1"),
        ("http://h.example/in/c", "http://h.example:80/in/c"),
        ("https://[2001:db8::1]:8443/in/c", "https://[2001:db8::1]/in/c"),
        ("https://[2001:db8::1]/in/c", "https://[2001:db8::1]:443/in/c"),
        ("https://h.example/in/c#rc=5", "https://h.example/in/c"),
    ],
)
def test_the_port_may_be_signed_or_not(ours: str, theirs: str) -> None:
    one = msgspec.structs.replace(posted(CALL), url=ours)
    build().verify(with_headers(one, x_twilio_signature=vendor_signature(one, "s3cret", url=theirs)))


def test_user_and_password_of_the_configured_url_come_in_a_header() -> None:
    one = with_headers(
        msgspec.structs.replace(posted(CALL), url="https://h.example:8443/in/c"),
        authorization="Basic " + base64.b64encode(b"anna:pass").decode(),
    )
    for theirs in ("https://anna:pass@h.example:8443/in/c", "https://anna:pass@h.example/in/c"):
        build().verify(with_headers(one, x_twilio_signature=vendor_signature(one, "s3cret", url=theirs)))


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic \xe4", "Basic /w==", "Bearer abc"])
def test_other_authorization_headers_change_nothing(header: str) -> None:
    build().verify(with_headers(signed(posted(CALL)), authorization=header))
    with pytest.raises(SignatureRefused):
        build().verify(with_headers(posted(CALL), authorization=header))


def test_repeated_parameters_are_signed_either_way() -> None:
    one = posted([*CALL, ("Tag", "b"), ("Tag", "a"), ("Tag", "b")])
    build().verify(signed(one))
    joined = "".join(f"{name}{value}" for name, value in sorted([*CALL, ("Tag", "bab")]))
    mac = hmac.new(b"s3cret", (one.url + joined).encode(), hashlib.sha1)
    build().verify(with_headers(one, x_twilio_signature=base64.b64encode(mac.digest()).decode()))


def test_the_worked_example_of_the_vendors_documentation() -> None:
    pairs = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309",
        "To": "+18005551212",
    }  # fmt: skip
    one = msgspec.structs.replace(
        posted(list(pairs.items())), url="https://mycompany.com/myapp.php?foo=1&bar=2"
    )
    build(secrets=("12345",)).verify(with_headers(one, x_twilio_signature="RSOYDt4T1cUTdK1PDd93/VVr8B8="))


def test_a_json_body_is_covered_by_its_hash() -> None:
    body = b'{"x": 1}'
    query = [("bodySHA256", hashlib.sha256(body).hexdigest())]
    one = request(body=body, query=query, headers={"content-type": "application/json"})
    signature = RequestValidator("s3cret").compute_signature(one.url, {})
    good = with_headers(one, x_twilio_signature=signature)
    assert RequestValidator("s3cret").validate(one.url, body.decode(), signature)
    build().verify(good)
    assert dict(build().parse(good).ignored) == {"json_event": 1}
    for changed in (b'{"x": 2}', body + b" "):
        with pytest.raises(SignatureRefused):
            build().verify(msgspec.structs.replace(good, raw=changed, body=changed))


def test_a_get_is_signed_by_its_url() -> None:
    one = request(method="GET", query=CALL)
    build().verify(signed(one))
    # The signature of a GET does not cover a body that somebody adds.
    forged = msgspec.structs.replace(signed(one), method="POST", raw=b"CallSid=CA2", body=b"CallSid=CA2")
    with pytest.raises(SignatureRefused):
        build().verify(forged)


def test_shared_keys_sign_with_sha256() -> None:
    adapter = build(secrets=(), shared_keys={"key-1": "shared", "key-2": "newer"})
    one = posted(CALL)

    def sent(settings: str, secret: str, algorithm: str = "HMAC_SHA256") -> InboundRequest:
        named = with_headers(one, x_twilio_webhooks_signature_settings=settings)
        return signed(named, secret, algorithm=algorithm)

    adapter.verify(sent("key=key-1,algorithm=HMAC_SHA256", "shared"))
    adapter.verify(sent("key=key-2, algorithm=hmac_sha256", "newer"))
    for wrong in (
        sent("key=key-2,algorithm=HMAC_SHA256", "shared"),
        sent("key=key-3,algorithm=HMAC_SHA256", "shared"),
        sent("key=key-1,algorithm=HMAC_SHA256", "shared", "HMAC_SHA1"),
        sent("key=key-1,algorithm=HMAC_MD5", "shared"),
        signed(one, "shared"),
    ):
        with pytest.raises(SignatureRefused):
            adapter.verify(wrong)


@contract.SLOW
@given(
    pairs=st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(max_size=8)), max_size=6),
    url=st.sampled_from(URLS),
)
def test_every_form_the_vendor_signs_is_accepted(pairs: list[tuple[str, str]], url: str) -> None:
    one = msgspec.structs.replace(posted(pairs), url=url)
    build().verify(signed(one))


# What a status means


def parsed(*pairs: tuple[str, str], **options: Any) -> Any:
    return build(**options).parse(posted([*dict([*CALL, *pairs]).items()]))


def test_only_the_signed_url_names_one_of_our_call_backs() -> None:
    pairs = [*CALL, ("callback", "forged")]
    (made,) = build().parse(posted(pairs, query=[("callback", "cb-1")])).touchpoints
    assert made.data["callback"] == "cb-1"
    (made,) = build().parse(posted(pairs)).touchpoints
    assert "callback" not in made.data


def test_statuses_of_a_call_are_events_in_its_own_order() -> None:
    out = [("Direction", "outbound-api"), ("From", "+358931578000"), ("To", "+358401234567")]
    made = [
        parsed(*out, ("CallStatus", status), ("SequenceNumber", str(number))).touchpoints[0]
        for number, status in enumerate(["initiated", "ringing", "in-progress", "completed"])
    ]
    assert [(t.seq, t.event_id) for t in made] == [(n, f"CA1/{n}") for n in range(4)]
    assert {t.thread for t in made} == {"CA1"}
    assert {str(t.home.identity) for t in made} == {"phone:+358401234567"}


def test_national_numbers_are_read_in_the_sources_region() -> None:
    (made,) = parsed(("From", "040 123 4567"), default_region="FI").touchpoints
    assert str(made.home.identity) == "phone:+358401234567"


def test_a_number_without_its_plus_is_international() -> None:
    (made,) = parsed(("From", "358401234567")).touchpoints
    assert str(made.home.identity) == "phone:+358401234567"


@pytest.mark.parametrize("number", ["", "-1", "1.5", "9" * 30, "x"])
def test_a_bad_sequence_number_is_none(number: str) -> None:
    (made,) = parsed(("SequenceNumber", number)).touchpoints
    assert (made.seq, made.event_id) == (None, "CA1/ringing")


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        ([("CallStatus", "completed")], 204),
        ([("CallStatus", "ringing"), ("CallbackSource", "call-progress-events")], 204),
        ([("CallStatus", "ringing")], 200),
        ([("MessageSid", "SM1"), ("MessageStatus", "delivered")], 204),
        ([("MessageSid", "SM1"), ("SmsStatus", "received"), ("Body", "x")], 200),
        ([("EventType", "task.created")], 204),
    ],
)
def test_status_callbacks_get_204_and_requests_get_twiml(pairs: list[tuple[str, str]], status: int) -> None:
    pairs = [*pairs, ("AccountSid", "AC1")]
    for one in (posted(pairs), request(method="GET", query=pairs)):
        adapter = build()
        reply = adapter.reply(one, adapter.parse(one), Outcome(accepted=1))
        assert reply.status == status
        assert (reply.content_type == "text/xml") is (status == 200)
        assert reply.body.endswith(b"<Response/>") is (status == 200)


class Counted(bytes):
    """A body that counts how often it is decoded."""

    decoded = 0

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        self.decoded += 1
        return super().decode(encoding, errors)


def test_a_form_is_read_once_for_the_signature_the_content_and_the_reply() -> None:
    one = signed(posted(CALL))
    body, adapter = Counted(one.body), build()
    counted = msgspec.structs.replace(one, body=body)
    adapter.verify(counted)
    parsed = adapter.parse(counted)
    assert adapter.reply(counted, parsed, Outcome(accepted=1)).status == 200
    assert (len(parsed.touchpoints), body.decoded) == (1, 1)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"a=1", b"%FF=1", b"&".join(b"a%d=1" % n for n in range(2_000))]
)
def test_what_is_no_webhook_of_twilio_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        build().parse(request(body=body, headers=FORM))


# Real senders


def form_of(name: str) -> InboundRequest:
    return request(body=shared("twilio", name).read_text().strip().encode(), headers=FORM)


def test_captured_voice_callbacks() -> None:
    (made,) = build().parse(form_of("voice-status-completed-2018-masked.form")).touchpoints
    assert (made.type, made.seq, made.data["duration_s"]) == ("callback.completed", 3, 49)
    assert format_time(made.occurred_at) == "2018-03-25T09:53:19.000000Z"
    query = parse_qsl(shared("twilio", "voice-status-human-boomerrang.query").read_text().strip())
    one = request(method="GET", query=query)
    (made,) = build().parse(one).touchpoints
    assert (made.type, made.occurred_at) == ("callback.completed", one.received_at)
    assert str(made.home.identity) == "phone:+15005550006"


def test_captured_messages() -> None:
    for place in sorted(shared("twilio").glob("courier-*receive*.form")) + sorted(
        shared("twilio").glob("courier-waReceive*.form")
    ):
        (made,) = build().parse(form_of(place.name)).touchpoints
        assert (made.type, made.id_space, made.channel) == ("message.received", "twilio/acctid", "chat")
        assert made.medium == ("sms" if "receive" in place.name or "Prefixless" in place.name else "whatsapp")
    media = build().parse(form_of("courier-receiveMediaWithMsg.form")).touchpoints[0]
    assert [one["url"] for one in media.attachments] == ["cat.jpg", "dog.jpg"]
    # Fixtures of statuses leave out whom they are about; Twilio itself does not.
    for name in ("Valid", "Read", "Stop", "RateLimit"):
        made_of = build().parse(form_of(f"courier-status{name}.form"))
        assert [bad.code for bad in made_of.malformed] == ["no_account"]
    conversations = build().parse(form_of("conversations-onMessageAdded-post-2021.form"))
    assert dict(conversations.ignored) == {"conversations": 1}
    url = shared("twilio", "conversations-onMessageAdded-get-2021.url").read_text().strip()
    one = request(method="GET", query=parse_qsl(urlsplit(url).query, keep_blank_values=True))
    assert dict(build().parse(one).ignored) == {"conversations": 1}


NAMES = [
    "CallSid", "AccountSid", "From", "To", "Direction", "CallStatus", "Timestamp", "SequenceNumber",
    "CallDuration", "AnsweredBy", "MessageSid", "MessageStatus", "Body", "NumMedia", "MediaUrl0",
    "ExternalUserId", "StirVerstat",
]  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=10),
    st.sampled_from(
        [
            "outbound-api", "completed", "ringing", "+358401234567", "whatsapp:US.1", "sip:", "client:a",
            "delivered", "\ud800", "99999999999999999999999",
        ]
    ),
)  # fmt: skip


@contract.SLOW
@given(form=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12))
def test_whatever_form_a_sender_makes_up(form: dict[str, str]) -> None:
    survive(build(), request(body=urlencode(form, errors="replace").encode(), headers=FORM))
    survive(build(), msgspec.structs.replace(request(method="GET"), query=tuple(form.items())))
