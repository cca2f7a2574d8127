"""The rules reach their goals on the labelled sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.said import measure
from tests.said.measure import KINDS, Count, Counts

FOLDER = Path(measure.__file__).parent
GOALS = {"promise": (0.95, 0.8), "complaint": (0.95, 0.7), "closing": (0.98, 0.9)}
"""Kind -> precision and recall."""
BLIND = {"promise": (0.95, 0.9), "complaint": (0.94, 0.9), "closing": (0.95, 0.76)}
"""The rates on sentences that the rules' author had not seen. They may only rise."""
DUE = 0.95


def reached(kind: str, count: Count, goals: dict[str, tuple[float, float]] = GOALS) -> bool:
    precision, recall = goals[kind]
    return count.precision >= precision and count.recall >= recall and (kind != "promise" or count.due >= DUE)


def test_the_goals_are_reached_in_every_language() -> None:
    counts = measure.measured(measure.read_labels(FOLDER / "worked.jsonl"))
    assert {of: count.faults for of, count in counts.items() if not reached(of[0], count)} == {}


def test_the_half_that_was_set_aside_is_read_as_well_as_before() -> None:
    """Over all languages: one mistake moves the rate of a language by more than ten points."""
    path = FOLDER / "held_out.jsonl"
    if not path.exists():
        pytest.skip("held_out.jsonl is not there")
    total = over_all_languages(measure.measured(measure.read_labels(path)))
    assert {kind: rates(count) for kind, count in total.items() if not reached(kind, count, BLIND)} == {}


def over_all_languages(counts: Counts) -> dict[str, Count]:
    total = {kind: Count() for kind in KINDS}
    for (kind, _language), count in counts.items():
        total[kind].right += count.right
        total[kind].wrong += count.wrong
        total[kind].missed += count.missed
        total[kind].due_right += count.due_right
    return total


def rates(count: Count) -> tuple[float, float, float]:
    """Without the sentences, which nobody may read to improve a rule."""
    return count.precision, count.recall, count.due
