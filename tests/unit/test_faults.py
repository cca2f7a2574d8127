"""The fault harness: its rules for loss, order and outages, and the table it writes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.__main__ import arguments, runs, selected
from tests.faults.load import Ledger
from tests.faults.scenarios import table
from tests.faults.scenarios.catalogue import SCENARIOS
from tests.faults.scenarios.scenario import Figures
from tests.faults.scenarios.verdict import disordered, longest, touchpoints

PAGE = Path(__file__).resolve().parents[2] / "docs/reliability.md"


def ledger(*acknowledged: str, sent: tuple[str, ...] = ()) -> Ledger:
    made = Ledger()
    made.sent = [{"id": id_} for id_ in (*acknowledged, *sent)]
    for id_ in acknowledged:
        made.acknowledge(id_)
    return made


def judged(found: list[list[str]], sent: Ledger) -> Figures:
    stage: Any = SimpleNamespace(figures=Figures())
    touchpoints(stage, sent, found)
    return stage.figures


def test_an_acknowledged_touchpoint_that_is_missing_is_lost() -> None:
    figures = judged([["0-0"]], ledger("0-0", "0-1", "1-2", sent=("1-3",)))
    assert (figures.lost, figures.twice, figures.disordered) == (2, 0, 0)
    assert figures.failures == ["lost: 0-1, 1-2"]


def test_a_duplicate_counts_even_if_it_was_never_acknowledged() -> None:
    figures = judged([["0-0", "1-1", "1-1"]], ledger("0-0", sent=("1-1",)))
    assert (figures.lost, figures.twice) == (0, 1)


def test_a_touchpoint_that_was_never_sent_is_a_failure() -> None:
    assert judged([["0-0", "7-7"]], ledger("0-0")).failures == ["stored but never sent: ['7-7']"]


def test_order_is_that_of_each_sender_and_of_acknowledged_touchpoints_only() -> None:
    sent = ledger("0-1", "1-2", "0-3", "0-5", sent=("0-4",))
    assert disordered(["1-2", "0-1", "0-3", "0-5", "0-4"], sent) == []
    assert disordered(["0-3", "0-1", "1-2", "0-5"], sent) == ["0-1"]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([], 5.0),
        ([(2.5, 6.0)], 1.0),  # healed 1 s before the next acknowledgement
        ([(2.5, 3.0), (3.5, 4.0)], 3.0),
        ([(8.0, 9.0)], 5.0),  # another time
    ],
)
def test_an_outage_is_the_longest_gap_after_a_held_fault_has_ended(
    held: list[tuple[float, float]], expected: float
) -> None:
    assert longest([1.0, 2.0, 7.0, 7.5], held) == expected


def test_bounds_grow_on_a_busy_machine_and_failures_add_up() -> None:
    busy, idle = Figures(runs=1, slowness=3.0, seeds=[1]), Figures(runs=2, seeds=[2])
    busy.measure("outage", 2.5, 1.0)
    idle.measure("outage", 1.5, 1.0)
    assert (len(busy.failures), len(idle.failures)) == (0, 1)
    busy.add(idle)
    assert (busy.runs, busy.seeds, busy.longest_s, len(busy.failures)) == (3, [1, 2], {"outage": 2.5}, 1)


def test_names_select_scenarios_and_seeds_are_in_a_row() -> None:
    assert len({it.key for it in SCENARIOS}) == len(SCENARIOS)
    chosen = arguments(["--only", "kill-store,memory", "--seed", "7"])
    found = [(it.key, seed) for it, seed in runs(selected(chosen.only), chosen.seed, None)]
    assert found == [*(("kill-store", seed) for seed in range(7, 10)), ("memory", 7)]
    with pytest.raises(SystemExit):
        arguments(["--only", "nothing"])


def test_the_table_is_written_between_the_markers_and_a_soak_continues_it(tmp_path: Path) -> None:
    figures = Figures(runs=5, acknowledged=12_345, seeds=[1, 2, 3])
    figures.measure("outage", 0.42, 1.0)
    figures.measure("stop", 2.0, 10.0)
    page, state = tmp_path / "page.md", tmp_path / "state.json"
    page.write_text(f"before\n{table.BEGIN}\nan older one\n{table.END}\nafter\n")
    for _ in range(2):
        table.write(page, table.table({"kill-store": figures}, {"disk-always": "no root"}))
    text = page.read_text()
    assert (
        text.count("embedded store killed (`kill-store`)|5|12 345|0|0|0|0|0|0|0.4 s (1 s)|stop 2.0 s (10 s)|")
        == 1
    )
    assert "- Seeds: `kill-store` 1-3\n" in text
    assert "stretched" not in text
    assert "- Not run: `disk-always`, no root" in text
    assert text.startswith(f"before\n{table.BEGIN}\n|scenario|")
    assert text.endswith(f"\n{table.END}\nafter\n")
    assert PAGE.read_text().count(table.BEGIN) == PAGE.read_text().count(table.END) == 1
    table.save(state, {"kill-store": figures})
    assert table.load(state) == {"kill-store": figures}
    assert table.load(tmp_path / "none.json") == {}
