"""The wording of the product: banned words may only become fewer, and the counter finds what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.words.counting import AREAS, ceilings, counts, found_in, words_of


def test_no_area_uses_more_banned_words_than_before() -> None:
    """`make words` lists them with their replacements; `make words ARGS=--lower` stores a lower count."""
    allowed = ceilings()
    assert {area: count for area, count in counts().items() if count > allowed[area]} == {}


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("docstring.py", 'def send() -> None:\n    """Who is told."""\n', {"Who is told.", "told"}),
        ("name.py", "def tell_agent() -> None: ...\n", {"tell_agent"}),
        ("bound.py", "it = 1\n", {"it"}),
        ("free.py", "rows = [it for it in ()]\n", set()),
        ("message.py", 'raise ValueError(f"{1} stands twice")\n', {"stands"}),
        ("key.py", 'kind = "told"\n', set()),
        ("prose.md", "A hand-off\nis made anew.\n\n```\ntold\n```\n`told`\n", {"hand-off", "anew"}),
        ("question.md", "Who is calling?\n", set()),
    ],
)
def test_the_counter_finds_banned_words(tmp_path: Path, name: str, source: str, expected: set[str]) -> None:
    path = tmp_path / name
    path.write_text(source)
    assert {found.text for found in found_in(path, "docs", tmp_path)} == expected


def test_names_are_split_into_words() -> None:
    assert words_of("_tellAgent_twice") == ["tell", "agent", "twice"]


def test_every_area_has_a_ceiling() -> None:
    assert set(ceilings()) == set(AREAS)
