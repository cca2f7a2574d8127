"""The benchmark: a failing table does not affect the others, and missing tables are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import against
from bench.__main__ import Measurement, Without, measured
from bench.load_loop import Quota
from bench.processes import Failed, Missing
from bench.rounds import Settings
from bench.table import Table, page, renewed, spread

TABLE = Table(title="Cats", columns=("cat", "weight"), rows=(("Miisu", "4.1"),), notes=("asleep",))


def measurement(error: Exception | None) -> Measurement:
    def measure(_settings: Settings, directory: Path) -> Table:
        directory.mkdir()
        (directory / "left").touch()
        if error:
            raise error
        return TABLE

    return Measurement(measure)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, TABLE),
        (Failed("two were lost"), Without("Failed: two were lost", failed=True)),
        (ValueError("a mistake\nof two lines"), Without("ValueError: a mistake", failed=True)),
        (Missing("no wrk"), Without("no wrk", failed=False)),
    ],
)
def test_whatever_becomes_of_a_measurement_the_run_goes_on_without_its_files(
    tmp_path: Path, error: Exception | None, expected: Table | Without
) -> None:
    assert measured("cats", measurement(error), Settings(), tmp_path / "cats") == expected
    assert not (tmp_path / "cats").exists()


def test_the_page_has_each_table_with_its_command_and_reports_missing_ones() -> None:
    text = page({"cats": TABLE}, "make bench", {"dogs": "Failed: none answered"})
    assert "|Miisu|4.1|" in text
    assert "`python -m bench --table cats`" in text
    assert "No table of `dogs` in this run: Failed: none answered" in text


def test_one_table_takes_the_place_of_the_one_that_was_there() -> None:
    dogs = Table(title="Dogs", columns=("dog", "weight"), rows=(("Musti", "20"),), notes=())
    text = page({"cats": TABLE, "dogs": dogs}, "make bench", {"birds": "Failed: all flew"})
    heavier = Table(title="Cats", columns=TABLE.columns, rows=(("Miisu", "4.3"),), notes=())
    birds = Table(title="Birds", columns=("bird",), rows=(("Tirppa",),), notes=())
    again = renewed(text, {"cats": heavier, "birds": birds})
    assert [it for it in again.splitlines() if it.startswith("## ")] == ["## Cats", "## Dogs", "## Birds"]
    assert "|Miisu|4.3|" in again
    assert "|4.1|" not in again
    assert "No table of" not in again
    assert again.count("measured again") == 2
    assert renewed(again, {"cats": TABLE}).count("## Cats") == 1


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    assert spread([1, 2, 3, 4, 5]) == "3.00 (2.00-4.00)"
    assert spread([0.5], 1) == "0.5"


def test_a_run_of_a_stated_number_of_requests_ends_when_all_are_answered() -> None:
    quota = Quota(2)
    assert [quota.take() for _ in range(3)] == [True, True, False]
    quota.settle()
    assert not quota.answered.is_set()
    quota.settle()
    assert quota.answered.is_set()


def test_costly_requests_are_sent_less_often(tmp_path: Path) -> None:
    assert [against.requests_of(it, 2_000) for it in against.COSTS] == [2_000, 2_000, 2_000, 2_000, 50, 50]
    assert [against.requests_of("rebuilt", it) for it in (0, 10, 400)] == [0, 10, 40]
    loads = against._loads({}, tmp_path, Settings(only=frozenset({"lookup", "cached"})))
    assert [it.key for it in loads] == ["cached", "lookup"]
    assert [it.key for it in against._loads({}, tmp_path, Settings())] == list(against.COSTS)
    with pytest.raises(Failed, match="no such load: lookups; there are ingest"):
        against.measure(Settings(only=frozenset({"lookups"})), tmp_path)


def test_a_run_for_a_time_has_no_last_request() -> None:
    quota = Quota(0)
    assert all(quota.take() for _ in range(1000))
    quota.settle()
    assert not quota.answered.is_set()
