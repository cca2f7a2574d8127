"""`generic.webhook`: the contract, every way to prove who sends, and mistakes in the configuration."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.adapter.contract import InboundRequest, SourceOptions
from handoff.domain.clock import SECOND
from handoff.domain.errors import ConfigurationError, InvalidPayload, SignatureRefused
from handoff_adapters.generic import WebhookAdapter
from handoff_adapters.generic.options import GenericOptions
from tests.adapters.contract import RECEIVED_AT, SignedContract, request

MAPPING: dict[str, Any] = {
    "identities": [
        {"type": "email", "value": "who.mail"},
        {"type": "phone", "value": "who.phone"},
    ],
    "id": "id",
    "type": "kind",
    "time": "at",
    "data": {"place": "place"},
}
HMAC = {"scheme": "hmac", "header": "X-Signature", "prefix": "sha256="}
NOW_S = RECEIVED_AT // SECOND
STANDARD = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def build(**options: Any) -> WebhookAdapter:
    stated = {
        "name": "doors",
        "adapter": "generic.webhook",
        "channel": "web",
        "secrets": ["s3cret"],
        "signature": HMAC,
        "default_region": "FI",
        "mapping": MAPPING,
    }
    return WebhookAdapter(msgspec.convert(stated | options, GenericOptions))


def posted(**body: Any) -> InboundRequest:
    return request("", body=json.dumps(body).encode(), headers={"content-type": "application/json"})


def with_headers(one: InboundRequest, **headers: str) -> InboundRequest:
    stated = {name.replace("_", "-"): value for name, value in headers.items()}
    return msgspec.structs.replace(one, headers={**one.headers, **stated})


class TestContract(SignedContract):
    folder = Path(__file__).parent / "fixtures"

    def build(self, **more: Any) -> WebhookAdapter:
        return build(**more)

    def good(self) -> InboundRequest:
        return posted(id=1, kind="door.opened", who={"mail": "anna@example.com"})

    def sign(self, one: InboundRequest, secret: str) -> InboundRequest:
        digest = hmac.new(secret.encode(), one.raw, hashlib.sha256).hexdigest()
        return with_headers(one, x_signature=f"sha256={digest}")


# Who sends


def signed_by(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def slack(one: InboundRequest, secret: str, at: int = NOW_S) -> InboundRequest:
    digest = signed_by(secret, f"v0:{at}:{one.raw.decode()}")
    return with_headers(one, x_time=str(at), x_signature=f"v0={digest}")


def stripe(one: InboundRequest, secret: str, at: int = NOW_S) -> InboundRequest:
    digest = signed_by(secret, f"{at}.{one.raw.decode()}")
    return with_headers(one, x_signature=f"t={at},v0=nonsense,v1={digest}")


def shop(one: InboundRequest, secret: str) -> InboundRequest:
    digest = hmac.new(secret.encode(), one.raw, hashlib.sha512).digest()
    return with_headers(one, x_shop=base64.b64encode(digest).decode())


def addressed(one: InboundRequest, secret: str) -> InboundRequest:
    signature = hmac.new(secret.encode(), one.url.encode() + one.raw, hashlib.sha1).hexdigest()
    return with_headers(one, x_signature=signature.upper())


def basic(one: InboundRequest, secret: str) -> InboundRequest:
    return with_headers(one, authorization="Basic " + base64.b64encode(f"door:{secret}".encode()).decode())


def bearer(one: InboundRequest, secret: str) -> InboundRequest:
    return with_headers(one, authorization=f"bearer {secret}")


def path(one: InboundRequest, secret: str) -> InboundRequest:
    return msgspec.structs.replace(one, path=f"/{secret}")


TIMED = {"scheme": "hmac", "header": "X-Signature"}
SCHEMES: list[tuple[dict[str, Any], Any]] = [
    (TIMED | {"prefix": "v0=", "timestamp_header": "X-Time", "signed": "v0:{timestamp}:{body}"}, slack),
    (TIMED | {"field": "v1", "timestamp_field": "t", "signed": "{timestamp}.{body}"}, stripe),
    ({"scheme": "hmac", "header": "X-Shop", "algorithm": "sha512", "encoding": "base64"}, shop),
    (TIMED | {"algorithm": "sha1", "signed": "{url}{body}"}, addressed),
    ({"scheme": "basic", "user": "door"}, basic),
    ({"scheme": "bearer"}, bearer),
    ({"scheme": "path"}, path),
]


@pytest.mark.parametrize(("scheme", "sign"), SCHEMES, ids=[it.__name__ for _, it in SCHEMES])
def test_each_scheme_takes_either_secret_and_no_other(scheme: dict[str, Any], sign: Any) -> None:
    adapter = build(signature=scheme, secrets=["new", "old"])
    one = posted(id=1)
    for secret in ("new", "old"):
        adapter.verify(sign(one, secret))
        adapter.check_head(msgspec.structs.replace(sign(one, secret), raw=b"", body=b""))
    for wrong in (one, sign(one, "foreign"), sign(one, "")):
        with pytest.raises(SignatureRefused):
            adapter.verify(wrong)
    if scheme["scheme"] == "hmac":
        other = posted(id=2)
        with pytest.raises(SignatureRefused):
            adapter.verify(msgspec.structs.replace(sign(one, "new"), raw=other.raw, body=other.body))
    else:
        with pytest.raises(SignatureRefused):
            adapter.check_head(msgspec.structs.replace(one, raw=b"", body=b""))


@pytest.mark.parametrize(("scheme", "sign"), SCHEMES[:2], ids=["slack", "stripe"])
@pytest.mark.parametrize("late_s", [-301, 301])
def test_a_signature_of_another_time_is_refused(scheme: dict[str, Any], sign: Any, late_s: int) -> None:
    adapter = build(signature=scheme)
    adapter.verify(sign(posted(id=1), "s3cret", NOW_S + late_s - late_s // 301))
    with pytest.raises(SignatureRefused, match="more than 300 s"):
        adapter.verify(sign(posted(id=1), "s3cret", NOW_S + late_s))


def standard(one: InboundRequest, secret: str = STANDARD, at: int = NOW_S) -> InboundRequest:
    """Signed by hand, after the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"msg_1.{at}.".encode() + one.raw, hashlib.sha256).digest()
    stated = f"v1a,AAAA v1,{base64.b64encode(digest).decode()}"
    return with_headers(one, webhook_id="msg_1", webhook_timestamp=str(at), webhook_signature=stated)


def test_standard_webhooks() -> None:
    adapter = build(signature={"scheme": "standard"}, secrets=[STANDARD])
    one = posted(id=1)
    adapter.verify(standard(one))
    foreign = "whsec_" + base64.b64encode(b"another key").decode()
    changed = with_headers(standard(one), webhook_id="msg_2")
    late = standard(one, at=NOW_S - 301)
    for wrong in (
        one,
        standard(one, foreign),
        changed,
        late,
        with_headers(standard(one), webhook_timestamp="x"),
    ):
        with pytest.raises(SignatureRefused):
            adapter.verify(wrong)


def test_the_library_of_standard_webhooks_agrees() -> None:
    webhooks = pytest.importorskip("standardwebhooks.webhooks", reason="standardwebhooks is not installed")
    from datetime import UTC, datetime

    adapter = build(signature={"scheme": "standard"}, secrets=[STANDARD])
    one, at = posted(id=1, text="ääkköset"), datetime.fromtimestamp(NOW_S, UTC)
    stated = webhooks.Webhook(STANDARD).sign("msg_9", at, one.raw.decode())
    adapter.verify(
        with_headers(one, webhook_id="msg_9", webhook_timestamp=str(NOW_S), webhook_signature=stated)
    )


# The configuration


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"secrets": []}, "needs a secret"),
        ({"signature": None}, "needs `signature`"),
        ({"signature": {"scheme": "hmac"}}, "`signature.header`"),
        ({"signature": HMAC | {"signed": "{timestamp}{body}"}}, "a `timestamp_` key"),
        ({"signature": HMAC | {"signed": "{bodies}"}}, "must have {body}"),
        ({"signature": HMAC | {"signed": "{body}{nonce}"}}, "may have"),
        ({"signature": HMAC | {"timestamp_header": "x"}}, "if and only if a `timestamp_` key"),
        ({"signature": {"scheme": "basic"}}, "`signature.user`"),
        ({"signature": {"scheme": "standard"}, "secrets": ["no base64!"]}, "whsec_"),
        ({"mapping": MAPPING | {"text": "a..b"}}, "`mapping.text` is not a JMESPath expression"),
        ({"mapping": MAPPING | {"data": {"order": "sum("}}}, "`mapping.data.order`"),
        ({"mapping": MAPPING | {"types": {"x": "order.bought"}}}, "'order.bought'"),
        ({"mapping": MAPPING | {"identities": []}}, "needs an entry"),
        ({"mapping": MAPPING | {"text": "a" * 1001}}, "more than 1000 characters"),
    ],
)
def test_a_mistake_is_named_at_the_start(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        build(**options)
    assert words in str(refused.value)


def test_only_a_secret_makes_an_identity_verified() -> None:
    proved = MAPPING | {"identities": [{"type": "user", "value": "user", "assurance": "verified"}]}
    adapter = build(mapping=proved)
    made = adapter.parse(posted(id=1, kind="x", user="anna")).touchpoints
    assert str(made[0].identities[0].assurance) == "verified"
    with pytest.raises(ConfigurationError, match="verifies nobody"):
        build(mapping=proved, secrets=[], allow_unsigned=True)


def test_options_without_effect_are_named() -> None:
    made = build(
        allow_unsigned=True,
        mapping={
            "identities": MAPPING["identities"],
            "types": {"a": "page.viewed"},
            "directions": {"a": "inbound"},
        },
    )
    options: SourceOptions = made.settings
    assert len(options.without_effect()) == 3


# Reading


def test_the_channel_is_that_of_the_source() -> None:
    assert build(channel="chat").channel == "chat"
    assert WebhookAdapter.channel == "generic"


def test_an_event_without_an_id_is_known_again_by_its_content() -> None:
    adapter = build(mapping={"identities": MAPPING["identities"], "type": "kind"})
    first, again, other = (
        adapter.parse(posted(**it)).touchpoints[0].event_id
        for it in (
            {"kind": "a", "who": {"mail": "a@b.fi"}},
            {"who": {"mail": "a@b.fi"}, "kind": "a"},
            {"kind": "b", "who": {"mail": "a@b.fi"}},
        )
    )
    assert first == again != other


def test_an_expression_that_fails_concerns_its_event_only() -> None:
    adapter = build(mapping=MAPPING | {"items": "events", "text": "join(' ', lines)"})
    who = {"mail": "a@b.fi"}
    parsed = adapter.parse(
        posted(events=[{"id": 1, "who": who, "lines": ["a", "b"]}, {"id": 2, "who": who, "lines": 3}])
    )
    assert [it.text for it in parsed.touchpoints] == ["a b"]
    assert [it.code for it in parsed.malformed] == ["mapping_failed"]
    again = request("", body=parsed.malformed[0].item, headers={"content-type": "application/json"})
    assert [it.code for it in adapter.parse(again).malformed] == ["mapping_failed"]
    named = adapter.mentions(again)
    assert [str(it) for it in named.identities] == ["email:a@b.fi"]


def test_a_delivery_may_concern_others_if_an_event_names_no_one() -> None:
    adapter = build(mapping=MAPPING | {"items": "events", "thread": "join('', thread)"})
    anna, unread = {"who": {"mail": "a@b.fi"}, "thread": ["7"]}, {"who": {"mail": "c@d.fi"}, "thread": 7}
    for events, complete in (
        ([anna], True),
        ([anna, {"thread": ["8"]}], True),
        ([anna, {"who": {"mail": [["e@f.fi"]]}, "thread": [""]}], False),
        ([unread, anna], False),
        (["no event", anna], False),
        ([anna] * 101, False),
    ):
        named = adapter.mentions(posted(events=events))
        assert [str(it) for it in named.identities] == ["email:a@b.fi"]
        assert named.complete is complete


def test_deliveries_are_bounded() -> None:
    adapter = build(mapping=MAPPING | {"items": "events"})
    with pytest.raises(InvalidPayload) as refused:
        adapter.parse(posted(events=[{}] * 1001))
    assert refused.value.problem_code == "too_many_items"
    fields = "&".join(f"a{number}=1" for number in range(1001)).encode()
    with pytest.raises(InvalidPayload):
        adapter.parse(request("", body=fields, headers={"content-type": "application/x-www-form-urlencoded"}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "kind", "at", "who", "mail", "phone", "place", "x"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_read_or_refused_with_a_code(body: Any) -> None:
    adapter = build()
    one = request("", body=msgspec.json.encode(body), headers={"content-type": "application/json"})
    with suppress(InvalidPayload):
        parsed = adapter.parse(one)
        assert all(it.code for it in parsed.malformed)
    adapter.mentions(one)
