"""Rules of retention: which one applies, and which configurations are refused."""

from __future__ import annotations

import pytest

from handoff.bootstrap.settings import load_settings
from handoff.domain.errors import ConfigurationError
from handoff.domain.retention.rules import (
    CLASSES,
    TYPE_CLASSES,
    RetentionRule,
    check_rules,
    class_of,
    control_days_of,
    days_of,
    longest_days,
)
from handoff.domain.touchpoint import CHANNELS, TYPES


def test_every_type_has_a_class() -> None:
    assert len(TYPE_CLASSES) == len(TYPES)
    assert {class_of(it) for it in TYPES} == set(CLASSES)
    assert class_of("email.received") == class_of("message.sent") == "messages"


def test_the_first_rule_that_matches_applies() -> None:
    rules = [
        RetentionRule(days=7, channels=["web"], types=["web"]),
        RetentionRule(days=30, tenant="shop"),
        RetentionRule(days=90, control_days=400),
    ]
    assert days_of(rules, "shop", "web", "web") == 7
    assert days_of(rules, "shop", "chat", "messages") == 30
    assert days_of(rules, "bank", "chat", "messages") == 90
    assert days_of(rules[:2], "bank", "chat", "messages") is None
    assert control_days_of(rules, "bank") == 400
    assert longest_days(rules, "shop") == 90
    check_rules(rules, ["shop", "bank"], CHANNELS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("days = 0", "days must be between 1 and 36500"),
        ("types = ['web']", "needs days or control_days"),
        ("days = 1\ntypes = ['chats']", "unknown types chats; the classes of types are web, messages"),
        ("control_days = 1\nchannels = ['web']", "control_days applies to a tenant"),
        ("days = 1\nkeep = true", "unknown field `keep`"),
    ],
)
def test_a_wrong_rule_is_refused(tmp_path, text: str, why: str) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "handoff.toml"
    file.write_text(f"[[retention]]\n{text}\n")
    with pytest.raises(ConfigurationError, match=why):
        load_settings(file, {})


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([RetentionRule(days=1, tenant="none")], "unknown tenant 'none'"),
        ([RetentionRule(days=1, channels=["fax"])], "unknown channels fax"),
        ([RetentionRule(days=9), RetentionRule(days=1, types=["web"])], "rule 2 never applies"),
    ],
)
def test_rules_are_checked_together(rules: list[RetentionRule], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        check_rules(rules, ["default"], CHANNELS)
