"""The scrubber's two errors, measured: card numbers it misses, and other numbers it masks."""

from __future__ import annotations

from tests.examples import examples

from .measure import false_alarms, missed


def test_no_disguise_hides_a_card_number() -> None:
    assert missed(examples(10_000)) == []


def test_fewer_than_one_in_a_thousand_other_numbers_is_masked() -> None:
    count = examples(100_000)
    _kinds, alarms = false_alarms(count)
    assert len(alarms) <= count / 1000, alarms[:10]
