"""The lines of keys in a TOML file: every notation that tomllib reads."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from handoff.bootstrap.checking.faults import shown
from handoff.bootstrap.checking.key_lines import key_lines
from tests.unit.test_project import ROOT

FILE = '''# a comment with [brackets] and "quotes"
first = 1
"quoted key" = 'it''s'  # trailing

[dotted . 'a b'.c]
d.e = """
two lines with \\""" and [x] = 1
"""
f = 1979-05-27T07:32:00Z
g = [ 1, # one
  "]", """
,""",
  { h = [ "}" ], "i j" = { k = 1 } },
]

[[repeated]]
[repeated.inner]
x = true
[[repeated]]
y = \'\'\'
# no comment
\'\'\'
[[repeated.more]]
z = -1.5e3
'''.replace("'it''s'", "'it is'")

EXPECTED = {
    "first": 2,
    '"quoted key"': 3,
    'dotted."a b".c': 5,
    'dotted."a b".c.d.e': 6,
    'dotted."a b".c.f': 9,
    'dotted."a b".c.g': 10,
    'dotted."a b".c.g[0]': 10,
    'dotted."a b".c.g[1]': 11,
    'dotted."a b".c.g[2]': 11,
    'dotted."a b".c.g[3]': 13,
    'dotted."a b".c.g[3].h[0]': 13,
    'dotted."a b".c.g[3]."i j".k': 13,
    "repeated": 16,
    "repeated[0].inner.x": 18,
    "repeated[1]": 19,
    "repeated[1].y": 20,
    "repeated[1].more[0].z": 24,
}


def places(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """The place of everything in a parsed file."""
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)  # type: ignore[assignment]
    else:
        return {path}
    return {path}.union(*(places(it, (*path, key)) for key, it in inner))


def test_every_notation_has_its_line() -> None:
    found = {shown(path): line for path, line in key_lines(FILE).items()}
    assert {key: found.get(key) for key in EXPECTED} == EXPECTED


@pytest.mark.parametrize(
    "text",
    [FILE, *(path.read_text() for path in sorted((ROOT / "config").glob("*.toml")))],
)
def test_everything_in_a_file_has_a_line(text: str) -> None:
    assert places(tomllib.loads(text)) - {()} == set(key_lines(text))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_of_windows_count_once(newline: str) -> None:
    assert key_lines(newline.join(["a = 1", "", "b = 2"])) == {("a",): 1, ("b",): 3}


@pytest.mark.parametrize("text", ["a = [", "a = {b", "= 1", "[[a", 'a = "', "a"])
def test_what_is_not_toml_ends_without_an_error(text: str) -> None:
    key_lines(text)
