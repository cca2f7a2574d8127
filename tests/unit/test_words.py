"""The wording of the product: banned words may only become fewer, and the counter finds what it should."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.words.counting import AREAS, HERE, ceilings, counts, found_in, words_of

# These tests read the sources, which tracing would slow down for nothing.
pytestmark = pytest.mark.no_cover


def test_no_area_uses_more_banned_words_than_before() -> None:
    """`make words` lists them with their replacements; `make words ARGS=--lower` stores a lower count."""
    allowed = ceilings()
    assert {area: count for area, count in counts().items() if count > allowed[area]} == {}


SAMPLES = tomllib.loads((HERE / "samples.toml").read_text())["sample"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda it: it["name"])
def test_the_counter_finds_banned_words(tmp_path: Path, sample: dict[str, Any]) -> None:
    path = tmp_path / sample["name"]
    path.write_text(sample["source"])
    assert {found.text for found in found_in(path, "docs", tmp_path)} == set(sample["expected"])


def test_names_are_split_into_words() -> None:
    assert words_of("_tellAgent_twice") == ["tell", "agent", "twice"]


def test_every_area_has_a_ceiling() -> None:
    assert set(ceilings()) == set(AREAS)
