"""The measure itself: its journeys are well formed, its judge is strict, and a few journeys play."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .__main__ import server
from .grammar import made_journeys
from .journey import BLIND, MORE, Fact, Journey, Played, Wrong, read_journeys
from .measure import judge
from .player import STEPS, play_all
from .report import blind_page, page

JOURNEYS = [*read_journeys(), *made_journeys()]
BLIND_JOURNEYS = read_journeys(BLIND)
MORE_JOURNEYS = read_journeys(MORE)


def test_there_are_enough_journeys_of_enough_kinds() -> None:
    assert len(JOURNEYS) >= 60
    assert len(read_journeys()) >= 20
    assert len({it.id for it in JOURNEYS}) == len(JOURNEYS)
    assert len({it.industry for it in JOURNEYS}) >= 6
    assert len({it.language for it in JOURNEYS}) >= 3
    assert 0.25 < sum(it.set_aside for it in JOURNEYS) / len(JOURNEYS) < 0.45


@pytest.mark.parametrize("journey", [*JOURNEYS, *BLIND_JOURNEYS, *MORE_JOURNEYS], ids=lambda it: it.id)
def test_a_journey_is_well_formed(journey: Journey) -> None:
    assert len(journey.channels) >= 2
    assert {it["do"] for it in journey.steps} <= set(STEPS)
    assert journey.facts
    for fact in journey.facts:
        assert fact.value or fact.pattern
        assert fact.regex
    for wrong in journey.wrong:
        assert wrong.regex


def context(*lines: dict[str, Any], text: str = "I want my 89 euros") -> dict[str, Any]:
    touchpoint = {
        "id": "t1",
        "type": "message.received",
        "channel": "chat",
        "direction": "inbound",
        "text": text,
        "subject": None,
        "attachments": [],
        "occurred_at": "2026-11-21T10:00:00Z",
    }
    return {
        "brief": {"wants": list(lines), "effort": {"text": "", "waiting_since": None}},
        "timeline": {"touchpoints": [touchpoint]},
        "handoffs": [],
    }


def quoted(words: str, assurance: str = "verified") -> dict[str, Any]:
    return {
        "code": "said",
        "params": {"words": words, "matter": 1, "at": "1"},
        "touchpoints": ["t1"],
        "assurance": assurance,
        "text": f"On chat: “{words}”",
    }


def verdict(context: dict[str, Any], *facts: Fact, wrong: tuple[Wrong, ...] = ()) -> Any:
    journey = Journey(
        id="one",
        title="One",
        industry="retail",
        language="en",
        name="Anna",
        handoff={},
        steps=(),
        facts=facts,
        wrong=wrong,
    )
    return judge(Played(journey=journey, context=context))


def test_the_blind_journeys_come_in_two_equal_halves() -> None:
    assert {it.id[:2] for it in BLIND_JOURNEYS} == {"a_", "b_"}
    assert sum(it.sealed for it in BLIND_JOURNEYS) == len(BLIND_JOURNEYS) / 2


def test_the_blind_page_sums_the_halves_apart_and_keeps_half_b_to_itself() -> None:
    half_a, half_b = (next(it for it in BLIND_JOURNEYS if it.id.startswith(half)) for half in ("a_", "b_"))
    seen = context(quoted(half_a.facts[1].value), text="")
    text = blind_page([(it, judge(Played(journey=it, context=seen))) for it in (half_a, half_b)])
    assert f"| facts | {len(half_a.facts)} | {len(half_b.facts)} |" in text
    assert f"| facts in the brief | {100 / len(half_a.facts):.1f} % | 0.0 % |" in text
    assert half_a.id in text
    assert half_b.id not in text


def test_a_fact_counts_only_where_the_brief_states_it() -> None:
    fact = Fact(kind="detail", value="89 euros")
    assert verdict(context(quoted("I want my 89 euros")), fact).complete
    missing = verdict(context(), fact)
    assert (missing.missing, missing.in_context["detail"]) == (["detail: 89 euros"], 1)


def test_wrong_unmarked_and_silently_cut_are_found() -> None:
    claim = Fact(kind="wants", value="89", assurance="claimed")
    cut = verdict(context(quoted("I want my 89")), claim, wrong=(Wrong(why="w", pattern="89"),))
    assert (cut.wrong, len(cut.unmarked), cut.silent_cuts) == (["w"], 1, 1)
    marked = verdict(context(quoted("I want my…", "claimed")), claim)
    assert (marked.unmarked, marked.silent_cuts) == ([], 0)


def test_a_few_journeys_play_through_the_real_adapters() -> None:
    chosen = [it for it in JOURNEYS if it.id in ("retail_refund_spoof", "made-03-insurance-en")]
    with server() as (url, mail_port):
        played = asyncio.run(play_all(url, mail_port, chosen))
    judged = [(it.journey, judge(it)) for it in played]
    assert len(judged) == 2
    for _journey, found in judged:
        assert found.in_context.total() >= 0.8 * found.facts.total()
    assert "| journeys | 2 | 0 |" in page(judged, 1) or "| journeys | 1 | 1 |" in page(judged, 1)
