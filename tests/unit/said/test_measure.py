"""The rules reach their goals on the labelled texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.said import measure

FOLDER = Path(measure.__file__).parent
GOALS = {"promise": (0.95, 0.8), "complaint": (0.95, 0.7), "closing": (0.98, 0.9)}
"""Kind -> precision and recall in each language."""
DUE = 0.95


@pytest.mark.parametrize("name", ["worked", "held_out"])
def test_the_goals_are_reached_in_every_language(name: str) -> None:
    path = FOLDER / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"no tests/said/{name}.jsonl")
    counts = measure.measured(measure.read_labels(path))
    below = {
        (kind, language): count.faults
        for (kind, language), count in counts.items()
        if count.precision < GOALS[kind][0] or count.recall < GOALS[kind][1] or count.due < DUE
        if kind == "promise" or (count.precision < GOALS[kind][0] or count.recall < GOALS[kind][1])
    }
    assert below == {}
