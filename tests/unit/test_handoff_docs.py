"""`docs/handoffs.md` is correct: its tables match the code, and its examples are valid requests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.api.operations import OPERATIONS
from handoff.domain.handoff import EVENTS, TRANSITIONS
from handoff.domain.policies import Policy

PAGE = Path(__file__).resolve().parents[2] / "docs" / "handoffs.md"
TEXT = PAGE.read_text("utf-8")
CURL = re.compile(r"curl -sN? \"\$HANDOFF(/v1/[^\"?]*)[^\"]*\"((?:[^'\n\\]|\\\n)*)(?:'(.*?)')?", re.DOTALL)


def transitions() -> list[str]:
    rows = [f"| `{before}` | {action} | `{after}` |" for (before, action), after in TRANSITIONS.items()]
    return ["| from | action | to |", "|---|---|---|", *rows]


@pytest.mark.parametrize("table", [transitions])
def test_the_tables_are_the_codes(table: Any) -> None:
    name = table.__name__
    _, _, rest = TEXT.partition(f"<!-- {name}: begin -->\n")
    written = rest.partition(f"<!-- {name}: end -->")[0].splitlines()
    expected = table()
    assert written == expected, f"{PAGE.name}: between the marks `{name}`, write\n" + "\n".join(expected)


def test_every_event_is_named() -> None:
    assert not {f"`{it}`" for it in EVENTS.values() if f"`{it}`" not in TEXT}


def examples() -> list[tuple[str, str | None]]:
    return [(path, body or None) for path, _options, body in CURL.findall(TEXT)]


def test_the_page_has_enough_examples() -> None:
    assert len(examples()) >= 12


@pytest.mark.parametrize(("path", "body"), examples())
def test_an_example_is_a_request_that_is_taken(path: str, body: str | None) -> None:
    method = "POST" if body else "GET"
    plain = re.sub(r"\$\w+", "x", path)
    fits = [
        it
        for it in OPERATIONS
        if it.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", it.path), plain)
    ]
    assert fits, f"{method} {path} is not a route"
    if body:
        msgspec.json.decode(body, type=fits[0].body)


def test_the_policies_are_policies() -> None:
    block = next(it for it in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL) if "[[policies]]" in it)
    policies = msgspec.convert(tomllib.loads(block)["policies"], list[Policy])
    assert [it.when.transfers for it in policies] == [None, None, 2]
