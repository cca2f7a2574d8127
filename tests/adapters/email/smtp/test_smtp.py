"""The `email.smtp` adapter: accepted envelopes, options, and a fixture for each event type."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.adapter.contract import InboundRequest
from handoff.domain.errors import ConfigurationError, SignatureRefused
from handoff_adapters.email.smtp import SmtpAdapter
from tests.adapters.contract import SLOW, AdapterContract, survive
from tests.adapters.email.mails import adapter, mail, request


class TestContract(AdapterContract):
    folder = Path(__file__).parent / "fixtures"

    def build(self, **options: Any) -> SmtpAdapter:
        return adapter(**options)

    def good(self) -> InboundRequest:
        return request(mail())

    def accepted(self) -> InboundRequest:
        return self.good()

    def refused(self) -> Mapping[str, InboundRequest]:
        return {
            "a recipient is foreign": request(mail(), to="support@shop.example, boss@shop.example"),
            "there is no recipient": request(mail(), to=""),
            "it came over HTTP": msgspec.structs.replace(self.good(), method="POST"),
        }

    @SLOW
    @given(cut=st.integers(min_value=0, max_value=400), junk=st.binary(max_size=40))
    def test_a_damaged_mail_is_read_or_refused(self, cut: int, junk: bytes) -> None:
        whole = mail("Hello\r\n> quoted\r\n", content_type="text/plain; charset=utf-8")
        survive(self.build(), request(whole[:cut] + junk + whole[cut:]))


@pytest.mark.parametrize(
    "to", ["support@shop.example", "Support+t4@SHOP.example", "support@shop.example, support@shop.example"]
)
def test_the_recipients_of_the_source_are_accepted(to: str) -> None:
    adapter().verify(request(b"", to=to))


def test_a_whole_domain_is_accepted() -> None:
    adapter(recipients=("@shop.example",)).verify(request(b"", to="anyone@shop.example"))


@pytest.mark.parametrize(
    "to", ["", "boss@shop.example", "support@shop.example, boss@shop.example", "support@shop.example.evil"]
)
def test_other_recipients_are_refused(to: str) -> None:
    with pytest.raises(SignatureRefused):
        adapter().verify(request(b"", to=to))


@pytest.mark.parametrize(
    "options",
    [
        {"recipients": ()},
        {"recipients": ("nobody",)},
        {"recipients": ("@",)},
        {"listen": "2525"},
        {"listen": "h:x"},
        {"tls_cert": "c.pem"},
    ],
)
def test_invalid_options_are_configuration_errors(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        adapter(**options)
