"""Complaints, ends of conversations, and neither, in customers' words in six languages."""

from __future__ import annotations

import tomllib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from handoff.domain.said import Utterance, candidates
from tests.said.measure import closes, speech_rules

TABLE: dict[str, dict[str, list[str]]] = tomllib.loads(
    (Path(__file__).parent / "customers.toml").read_text("utf-8")
)
RULES = speech_rules()
LANGUAGES = sorted(TABLE)


def complains(text: str) -> bool:
    written = Utterance(touchpoint="tp_1", home="user:anna", text=text, at=0, ours=False)
    return any(it.kind == "complaint" for it in candidates(written, ZoneInfo("UTC"), RULES))


def ends(text: str) -> bool:
    return closes(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_complaints_are_found_and_nothing_else(language: str) -> None:
    of = TABLE[language]
    assert [it for it in of["complaints"] if not complains(it)] == []
    assert [it for it in of["others"] if complains(it)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_that_end_a_conversation_are_found_and_no_others(language: str) -> None:
    of = TABLE[language]
    assert [it for it in of["closings"] if not ends(it)] == []
    assert [it for it in [*of["open"], *of["complaints"]] if ends(it)] == []
