"""Sources' declarations for the rules, from the configuration to the brief."""

from __future__ import annotations

import pytest
from msgspec import convert

from handoff.bootstrap.settings import Settings
from handoff.bootstrap.sources import build_sources, source_rules
from handoff.domain.errors import ConfigurationError

PHONE = {"name": "sms", "adapter": "phone.twilio", "secrets": ["token"]}


def test_a_source_states_who_writes_and_which_forms_get_no_answer() -> None:
    stated = {**PHONE, "outbound": "bot", "no_answer_forms": ["News letter!"]}
    plain = {**PHONE, "name": "other"}
    rules = source_rules(build_sources(convert({"sources": [stated, plain]}, Settings)))
    assert list(rules) == ["sms"]
    assert (rules["sms"].outbound, rules["sms"].no_answer_forms) == ("bot", frozenset({"newsletter"}))


def test_another_word_for_who_writes_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="outbound"):
        build_sources(convert({"sources": [{**PHONE, "outbound": "robot"}]}, Settings))
