"""Screens render every line of the brief from its code, in four languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import handoff
from handoff.domain.brief.codes import CODES

ROOT = Path(handoff.__file__).parent
MESSAGES = {
    it.stem: json.loads(it.read_text("utf-8")) for it in (ROOT / "panel" / "text" / "messages").glob("*.json")
}
_CODE = re.compile(r"(?:line|Attempt|_candidate)\(\s*\"([a-z_]+)\"")


def codes() -> set[str]:
    """Every code that a section writes."""
    sources = (ROOT / "domain" / "brief" / "sections").glob("*.py")
    found = {code for source in sources for code in _CODE.findall(source.read_text("utf-8"))}
    return found | {"said", "sent_files", "asked_for_call", "callback", "promise"}


def test_the_codes_are_those_that_are_published() -> None:
    assert codes() == CODES


def test_there_are_four_languages_and_many_codes() -> None:
    assert set(MESSAGES) == {"en", "fi", "sv", "de"}
    assert {"solved", "returned", "answered", "held", "promise_candidate", "candidate_words"} <= codes()


@pytest.mark.parametrize("language", sorted(MESSAGES))
def test_every_code_has_a_message(language: str) -> None:
    assert [code for code in sorted(codes()) if f"line.{code}" not in MESSAGES[language]] == []


@pytest.mark.parametrize("language", sorted(MESSAGES))
def test_every_language_has_the_same_messages_with_the_same_gaps(language: str) -> None:
    assert set(MESSAGES[language]) == set(MESSAGES["en"])
    for key, message in MESSAGES[language].items():
        if key.startswith("line."):
            assert gaps(message) == gaps(MESSAGES["en"][key]), key


def gaps(message: object) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", str(message)))
