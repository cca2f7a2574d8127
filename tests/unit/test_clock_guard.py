"""A jump of the store's clock holds timers back instead of letting every deadline fall at once."""

from handoff.domain.clock import SECOND
from handoff.domain.clock_guard import ClockGuard

START = 1_700_000_000 * SECOND


def test_clocks_side_by_side_hold_nothing() -> None:
    guard = ClockGuard()
    for second in range(100):
        assert guard.look(START + second * SECOND, second * SECOND) is None
        assert not guard.holds(second * SECOND)


def test_a_jump_is_reported_once_and_holds_for_its_time() -> None:
    guard = ClockGuard(hold=60 * SECOND)
    guard.look(START, 0)
    jump = guard.look(START + 3600 * SECOND, SECOND)
    assert jump is not None
    assert jump.by == 3599 * SECOND
    assert guard.holds(2 * SECOND)
    assert guard.look(START + 3601 * SECOND, 2 * SECOND) is None
    assert guard.holds(60 * SECOND)
    assert not guard.holds(61 * SECOND)


def test_a_clock_set_back_to_what_it_was_ends_the_wait() -> None:
    guard = ClockGuard()
    guard.look(START, 0)
    assert guard.look(START + 3600 * SECOND, SECOND) is not None
    assert guard.look(START + 2 * SECOND, 2 * SECOND) is not None
    assert not guard.holds(3 * SECOND)


def test_a_clock_set_ahead_to_what_it_was_passes_no_deadline_set_while_it_was_behind() -> None:
    guard = ClockGuard(hold=60 * SECOND)
    guard.look(START, 0)
    assert guard.look(START - 3600 * SECOND, SECOND) is not None
    assert guard.look(START + 2 * SECOND, 2 * SECOND) is not None
    assert guard.holds(3 * SECOND)
    assert not guard.trusts(START + 3 * SECOND, 3 * SECOND)
    assert guard.trusts(START + 63 * SECOND, 63 * SECOND)


def test_a_process_that_stood_still_saw_no_jump() -> None:
    guard = ClockGuard()
    guard.look(START, 0)
    assert guard.look(START + 500 * SECOND, 500 * SECOND) is None
    assert not guard.holds(500 * SECOND)


def test_no_deadline_has_passed_before_the_jump_is_seen_and_while_it_is_held() -> None:
    guard = ClockGuard(hold=60 * SECOND)
    assert guard.trusts(START, 0)
    guard.look(START, 0)
    assert guard.trusts(START + 5 * SECOND, 5 * SECOND)
    jumped = START + 3600 * SECOND
    assert not guard.trusts(jumped, SECOND)
    assert guard.look(jumped, SECOND) is not None
    assert not guard.trusts(jumped + 30 * SECOND, 31 * SECOND)
    assert guard.trusts(jumped + 61 * SECOND, 62 * SECOND)
