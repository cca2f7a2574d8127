"""Ends of conversations, what looks like one, and negative words about other things."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from handoff.domain.brief import BriefRules
from handoff.domain.brief.signals import Acts, extract
from tests.briefs import item
from tests.packs import packs
from tests.unit.said.test_customers import complains, ends

TABLE: dict[str, dict[str, list[str]]] = tomllib.loads(
    (Path(__file__).parent / "endings.toml").read_text("utf-8")
)


@pytest.mark.parametrize("language", sorted(TABLE))
def test_ends_are_found_and_what_looks_like_one_is_not(language: str) -> None:
    of = TABLE[language]
    assert [it for it in of["closings"] if not ends(it)] == []
    assert [it for it in of["others"] if ends(it)] == []


@pytest.mark.parametrize("language", sorted(TABLE))
def test_negative_words_about_other_things_are_no_complaint(language: str) -> None:
    of = TABLE[language]
    assert [it for it in [*of["negatives"], *of["closings"]] if complains(it)] == []


@pytest.mark.parametrize("language", sorted(TABLE))
def test_an_acknowledgement_is_no_wish_and_settles_nothing(language: str) -> None:
    for text in TABLE[language]["acknowledged"]:
        signal = extract(item("message.received", text=text), BriefRules(packs=packs()), None, frozenset())
        assert signal is not None
        assert signal.acts & (Acts.WITHDRAW | Acts.CLOSE | Acts.ASK) == Acts.CLOSE, text
