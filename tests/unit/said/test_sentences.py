"""Sentences in six languages, and the promise that each of them makes or does not make."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from handoff.domain.clock import from_datetime, to_datetime
from handoff.domain.said import Utterance, candidates
from tests.said.measure import speech_rules

HELSINKI = ZoneInfo("Europe/Helsinki")
SPOKEN_AT = from_datetime(datetime(2026, 11, 25, 10, tzinfo=HELSINKI))
TABLE: dict[str, dict[str, str]] = tomllib.loads(
    (Path(__file__).parent / "sentences.toml").read_text("utf-8")
)
RULES = speech_rules()


def promised(text: str, *, note: bool = False) -> str:
    """`no`, or when the promise in a text is due: `none`, or the local time."""
    found = candidates(
        Utterance(touchpoint="tp_1", home="user:anna", text=text, at=SPOKEN_AT, ours=True, note=note),
        HELSINKI,
        RULES,
    )
    if not found:
        return "no"
    due = found[0].due
    return "none" if due is None else f"{to_datetime(due).astimezone(HELSINKI):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize("language", sorted(TABLE))
def test_promises_are_found_with_their_due_time(language: str) -> None:
    found = {sentence: promised(sentence) for sentence in TABLE[language]}
    assert found == TABLE[language]
