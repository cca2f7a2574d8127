"""Our states in other vocabularies: every one is mapped, and what comes back means what went out."""

from __future__ import annotations

import pytest

from handoff.domain.handoff import OWNING, PENDING, TRANSITIONS, Action, State
from handoff.domain.state_maps import (
    BEGINS,
    BOT_FRAMEWORK_STATES,
    FROM_BOT_FRAMEWORK,
    FROM_SUNSHINE,
    SWITCHBOARD_EVENTS,
    TO_BOT_FRAMEWORK,
    TO_SUNSHINE,
    from_bot_framework,
    from_sunshine,
    to_bot_framework,
    to_sunshine,
)

LIVE = PENDING | OWNING


def reached(action: Action | None) -> set[State]:
    """The state that an action leads to from an open handoff."""
    return {after for (before, it), after in TRANSITIONS.items() if it is action and before in LIVE}


@pytest.mark.parametrize("state", State)
def test_every_state_is_mapped_to_a_word_or_openly_to_none(state: State) -> None:
    assert to_bot_framework(state) in BOT_FRAMEWORK_STATES | {None}
    assert to_sunshine(state) in SWITCHBOARD_EVENTS | {None}


def test_the_maps_are_total() -> None:
    assert set(TO_BOT_FRAMEWORK) == set(TO_SUNSHINE) == set(State)
    assert set(FROM_BOT_FRAMEWORK) == BOT_FRAMEWORK_STATES
    assert set(FROM_SUNSHINE) == SWITCHBOARD_EVENTS


@pytest.mark.parametrize("word", sorted(BOT_FRAMEWORK_STATES))
def test_a_bot_framework_state_comes_back_as_itself(word: str) -> None:
    after = reached(from_bot_framework(word))
    assert after
    assert {to_bot_framework(state) for state in after} == {word}


@pytest.mark.parametrize("event", sorted(SWITCHBOARD_EVENTS))
def test_a_switchboard_event_that_does_something_comes_back_as_itself_or_not_at_all(event: str) -> None:
    after = reached(from_sunshine(event))
    words = {to_sunshine(state) for state in after}
    assert words <= {event.removesuffix(":failure"), None}
    if not event.endswith(":failure") and after:
        assert words == {event}


def test_what_begins_a_hand_off_changes_none_that_is_there() -> None:
    assert {from_sunshine(event) for event in BEGINS} == {None}


def test_pending_and_ended_without_an_owner_never_maps_to_accepted() -> None:
    for state in set(State) - OWNING:
        assert to_bot_framework(state) != "accepted"
        assert to_sunshine(state) != "switchboard:acceptControl"


@pytest.mark.parametrize("word", ["", "ACCEPTED", "cancelled", "switchboard:takeControl"])
def test_an_unknown_word_is_unknown(word: str) -> None:
    assert from_bot_framework(word) is None
    assert from_sunshine(word) is None
