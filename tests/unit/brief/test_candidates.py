"""Candidates leave the brief once an agent has confirmed or dismissed them."""

from __future__ import annotations

import pytest

from handoff.domain.brief import Brief, TimelineItem
from tests.briefs import brief_of, item

from .test_examples import agent, ask

PROMISE = [ask(1, "Where is my refund for A-71?"), agent(2, "I will send the refund tomorrow.")]
COMPLAINT = [ask(1, "This is outrageous, I want to file a complaint about order A-71")]


def candidates(brief: Brief) -> list[str]:
    return [str(it.id) for it in (*brief.promised, *brief.feelings) if it.candidate is True]


@pytest.mark.parametrize("history", [PROMISE, COMPLAINT])
@pytest.mark.parametrize("type_", ["brief.line_wrong", "promise.made"])
def test_a_verdict_on_a_candidate_removes_it(history: list[TimelineItem], type_: str) -> None:
    (id_,) = candidates(brief_of(history))
    internal = {"direction": "internal", "visibility": "internal"}
    verdict = item(type_, 9, text="done", data={"candidate": id_, "rule": "x", "line": "y"}, **internal)
    assert candidates(brief_of([*history, verdict])) == []
    other = item(type_, 9, text="done", data={"candidate": "cd_other", "rule": "x", "line": "y"}, **internal)
    assert candidates(brief_of([*history, other])) == [id_]


def test_only_an_internal_verdict_counts() -> None:
    (id_,) = candidates(brief_of(PROMISE))
    verdict = item("promise.made", 9, text="done", data={"candidate": id_}, visibility="public")
    assert candidates(brief_of([*PROMISE, verdict])) == [id_]
