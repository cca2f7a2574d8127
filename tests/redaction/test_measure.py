"""The scrubber's two errors, measured: card numbers it misses, and other numbers it masks."""

from __future__ import annotations

from .measure import false_alarms, missed


def test_no_disguise_hides_a_card_number() -> None:
    assert missed(10_000) == []


def test_fewer_than_one_in_a_thousand_other_numbers_is_masked() -> None:
    _kinds, alarms = false_alarms(100_000)
    assert len(alarms) <= 100, alarms[:10]
