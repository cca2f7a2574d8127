"""Bodies that no signature covers."""

from __future__ import annotations

import pytest

from handoff.adapter.contract import InboundRequest
from handoff.domain.errors import PayloadTooLarge, SignatureRefused
from handoff_adapters.phone.twilio.signature import MAX_FORM, check, check_size

BODY = b"\xff\xfe"


def test_a_form_that_twilio_does_not_send_is_refused_by_its_size() -> None:
    check_size(MAX_FORM)
    with pytest.raises(PayloadTooLarge):
        check_size(MAX_FORM + 1)


def test_a_body_that_is_no_form_needs_its_hash_in_the_url() -> None:
    request = InboundRequest(
        method="POST",
        url="https://example.com/in/voice",
        path="",
        query=(),
        headers={"content-type": "application/json", "x-twilio-signature": "c2lnbmVk"},
        raw=BODY,
        body=BODY,
        received_at=0,
    )
    with pytest.raises(SignatureRefused, match="not a form"):
        check(request, ["secret"], {})
