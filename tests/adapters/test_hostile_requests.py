"""Whatever a request is made of, an adapter reads it, quarantines it or refuses it in our own words."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.adapter.contract import Adapter, InboundRequest, Outcome
from handoff.domain.errors import HandoffError
from handoff.domain.text.cleaning import clean, clean_headers, clean_pairs
from handoff_adapters.chat.chatwoot.adapter import ChatwootAdapter
from handoff_adapters.chat.chatwoot.options import ChatwootOptions
from handoff_adapters.email.smtp import SmtpAdapter, SmtpOptions
from handoff_adapters.phone.twilio.adapter import TwilioAdapter
from handoff_adapters.phone.twilio.options import TwilioOptions
from handoff_adapters.web.segment.adapter import SegmentAdapter
from handoff_adapters.web.segment.options import SegmentOptions

KEY = "a key of the sources here"
ADAPTERS: list[Adapter] = [
    SegmentAdapter(SegmentOptions(name="web", adapter="web.segment", secrets=(KEY,))),
    SegmentAdapter(SegmentOptions(name="server", adapter="web.segment", secrets=(KEY,), trust="server")),
    ChatwootAdapter(ChatwootOptions(name="chat", adapter="chat.chatwoot", secrets=(KEY,), url_token=True)),
    TwilioAdapter(
        TwilioOptions(name="calls", adapter="phone.twilio", secrets=(KEY,), shared_keys={"SK1": KEY})
    ),
    SmtpAdapter(SmtpOptions(name="mail", adapter="email.smtp", recipients=("@shop.example",))),
]
NAMES = [
    "authorization",
    "content-type",
    "origin",
    "x-chatwoot-signature",
    "x-chatwoot-timestamp",
    "x-signature",
    "x-twilio-signature",
    "x-twilio-webhooks-signature-settings",
]
# As aiohttp gives them: bytes that are not UTF-8 are surrogates.
VALUES = st.one_of(
    st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.sampled_from(
        [
            "Basic " + base64.b64encode(b"\xff:\xfe").decode(),
            "Basic \udcff",
            "Bearer \ud800",
            "key=SK1,algorithm=HMAC_SHA256",
            "key=\udcff,algorithm=\udcff",
            "application/x-www-form-urlencoded; charset=\udcff",
            "application/json",
            "sha256=\u0661",
            "\u0661\u0662",
            "9" * 5_000,
        ]
    ),
)
BODIES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(
        [
            b'{"batch": ["\\ud800"]}',
            b'{"type":"track","event":"\\udfff","userId":"\\ud800"}',
            b"a=%ff&%ed%a0%80=b",
        ]
    ),
)


@pytest.mark.no_cover
@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda it: it.name)
@given(
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    st.lists(st.tuples(VALUES, VALUES), max_size=3),
    st.one_of(VALUES, st.sampled_from(["/v1/track", "/v1/batch", "/v1/p", "/", "/voice/\udcff"])),
    st.sampled_from(["POST", "GET", "OPTIONS", "PUT"]),
    BODIES,
)
def test_no_request_breaks_an_adapter(
    adapter: Adapter,
    headers: dict[str, str],
    query: list[tuple[str, str]],
    path: str,
    method: str,
    body: bytes,
) -> None:
    request = InboundRequest(
        method=method,
        path=clean(path),
        url=clean("https://shop.example/in/x" + path),
        query=clean_pairs(query),
        headers=clean_headers(headers.items()),
        raw=body,
        body=body,
        received_at=1_000_000,
    )
    adapter.handshake(request)
    for name, value in adapter.headers(request):
        assert f"{name}: {value}".encode()
    parsed = None
    try:
        adapter.verify(request)
    except HandoffError as error:
        assert error.problem_code  # noqa: PT017 - most requests are refused, and say why
    try:
        parsed = adapter.parse(request)
    except HandoffError as error:
        assert error.problem_code  # noqa: PT017 - as above
    assert adapter.reply(request, parsed, Outcome()).status < 500
