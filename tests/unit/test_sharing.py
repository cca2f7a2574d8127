"""Login periods on a device, and the owner of what happened on it."""

from __future__ import annotations

import pytest

from handoff.domain.identities.sharing import MAX_LOGINS, Ownership, Sighting, login_periods

ANNA, OTTO = b"a" * 16, b"o" * 16
HOME, TOUCHPOINT, CONVERSATION = b"h" * 16, b"t" * 16, b"c" * 16


def owner(at: int, *sightings: Sighting, complete: bool = True) -> bytes | None:
    periods = login_periods(sightings, complete=complete)
    return Ownership(HOME, (), periods).owner(TOUCHPOINT, CONVERSATION, at)


@pytest.mark.parametrize(
    ("at", "expected"),
    [(0, ANNA), (10, ANNA), (15, ANNA), (20, ANNA), (25, None), (30, OTTO), (40, OTTO), (41, None)],
)
def test_a_period_lasts_from_the_first_to_the_last_sighting(at: int, expected: bytes | None) -> None:
    """The first login owns what came before it."""
    seen = Sighting(10, ANNA), Sighting(20, ANNA), Sighting(30, OTTO), Sighting(40, OTTO)
    assert owner(at, *seen) == expected
    assert owner(at, *reversed(seen)) == expected


def test_a_moment_of_two_people_has_no_owner() -> None:
    seen = Sighting(10, ANNA), Sighting(20, ANNA), Sighting(20, OTTO), Sighting(30, OTTO)
    assert [owner(at, *seen) for at in (10, 20, 30)] == [ANNA, None, OTTO]


def test_two_first_logins_at_once_get_nothing_that_came_before() -> None:
    assert owner(5, Sighting(10, ANNA), Sighting(10, OTTO)) is None


def test_without_the_oldest_sightings_nothing_before_them_is_anybodys() -> None:
    assert owner(5, Sighting(10, ANNA), complete=False) is None


def test_a_kiosk_has_no_owner() -> None:
    seen = [Sighting(10 * n, bytes([n]) * 16) for n in range(MAX_LOGINS + 1)]
    assert owner(10, *seen) is None
    assert owner(10, *seen[:-1]) == bytes([1]) * 16
