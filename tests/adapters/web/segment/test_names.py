"""Names that a source's `events` and `ignore` state: wildcards, precedence, contradictions."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.domain.errors import ConfigurationError
from handoff_adapters.web.segment.names import NameTable, matches
from tests.adapters.web.segment.test_segment import EVENT, build, posted

PLAIN = st.text(alphabet="ab", max_size=8)


@given(pattern=st.text(alphabet="ab*", max_size=8), text=PLAIN)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str) -> None:
    assert matches(pattern, text) == fnmatchcase(text, pattern)


def test_many_wildcards_cost_little_time() -> None:
    assert not matches("*a" * 40 + "*b", "a" * 500_000)


def test_the_exact_name_goes_first_and_then_the_longest_pattern() -> None:
    table = NameTable({"*": 1, "Quiz *": 2, "quiz step *": 3, "Quiz Step Done": 4})
    assert [table.get(it) for it in ("x", "QUIZ-a", "quiz_step 7", "quizStepDone")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("quiz_answered", "survey.answered"),
        ("QUIZ", "event.tracked"),
        ("Form Failed", "form.failed"),
        ("Form Left", "form.submitted"),
    ],
)
def test_a_source_maps_names_with_wildcards(name: str, type_: str) -> None:
    adapter = build(events={"Quiz *d": "survey.answered", "form *": "form.submitted"})
    (made,) = adapter.parse(posted("/v1/track", {**EVENT, "event": name})).touchpoints
    assert made.type == type_


def test_an_unknown_type_is_refused_with_the_one_that_was_probably_meant() -> None:
    with pytest.raises(ConfigurationError, match=r"'Boom'.*'form\.fialed'; did you mean 'form\.failed'\?"):
        build(events={"Boom": "form.fialed"})


@pytest.mark.parametrize("rule", ["", "  "])
def test_an_empty_rule_is_refused(rule: str) -> None:
    with pytest.raises(ConfigurationError, match="`ignore`"):
        build(ignore=["/x", rule])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"events": {"Ping Me": "form.failed", "ping_me": "form.submitted"}},
            "Ping Me, ping_me more than once",
        ),
        ({"events": {"Ping": "form.failed"}, "ignore": ["ping"]}, "no effect on Ping: `ignore`"),
        ({"events": {"Ping": "form.failed"}, "ignore": ["p*g"]}, "no effect on Ping: `ignore`"),
        ({"events": {"Ping": "form.failed"}, "ignore": ["pin", "/ping"]}, None),
    ],
)
def test_rules_that_contradict_each_other_are_reported(options: dict[str, Any], problem: str | None) -> None:
    found = build(**options).settings.without_effect()
    assert [bool(re.search(re.escape(problem or ""), it)) for it in found] == [True] * (problem is not None)
