"""The table of handoff states: other transitions are refused and change nothing."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from handoff.domain.errors import Conflict
from handoff.domain.handoff import (
    DEFAULT_DEADLINE_S,
    EVENTS,
    OWNING,
    PENDING,
    TRANSITIONS,
    Act,
    Action,
    Handoff,
    Party,
    State,
    Step,
    apply,
    hop_of,
)

ENDED = set(State) - PENDING - OWNING


def handoff(state: State = State.REQUESTED) -> Handoff:
    return Handoff(
        id="ho_1",
        tenant="default",
        state=state,
        version=3,
        home=b"h" * 16,
        conversation=b"c" * 16,
        root=b"c" * 16,
        sender=Party(channel="chat", party="bot"),
        to=Party(queue="refunds"),
        reason="refund",
        requested_at=1_000,
        deadline=1_000 + DEFAULT_DEADLINE_S * 1_000_000,
        requested_by="bot",
        owner="bot",
        previous_owner="bot",
        history=(Step(state=State.REQUESTED, at=1_000, by="bot"),),
    )


def act(action: Action, **changes: object) -> Act:
    return msgspec.structs.replace(Act(action=action, at=2_000, by="maria"), **changes)


@pytest.mark.parametrize(("state", "action"), list(itertools.product(State, Action)))
def test_a_move_is_in_the_table_or_refused(state: State, action: Action) -> None:
    before = handoff(state)
    if (state, action) in TRANSITIONS:
        after = apply(before, act(action, agent="maria"))
        assert after.state is TRANSITIONS[state, action]
        assert after.version == before.version + 1
        return
    with pytest.raises(Conflict) as refused:
        apply(before, act(action, agent="maria"))
    assert refused.value.problem_code == "illegal_transition"
    assert before == handoff(state)


def test_what_has_ended_stays_ended() -> None:
    assert {state for state, _action in TRANSITIONS} == set(State) - ENDED
    assert {State.COMPLETED, State.DECLINED, State.EXPIRED, State.WITHDRAWN, State.TRANSFERRED} <= ENDED


def test_every_state_can_be_reached_and_every_action_has_an_event() -> None:
    assert {State.REQUESTED, *TRANSITIONS.values()} == set(State)
    assert set(EVENTS) == set(Action)


def test_the_accepting_agent_owns_it_and_an_offer_names_its_agent() -> None:
    assert apply(handoff(), act(Action.ACCEPT, agent="otto")).owner == "otto"
    offered = apply(handoff(), act(Action.OFFER, agent="otto"))
    assert (offered.to.agent, offered.owner) == ("otto", "bot")
    assert apply(offered, act(Action.ACCEPT)).owner == "otto"


@pytest.mark.parametrize("action", [Action.DECLINE, Action.EXPIRE, Action.WITHDRAW, Action.FAIL])
def test_unanswered_it_stays_with_its_owner(action: Action) -> None:
    assert apply(handoff(), act(action)).owner == "bot"


def test_released_it_returns_and_completed_it_has_no_owner() -> None:
    taken = apply(handoff(), act(Action.ACCEPT, agent="maria"))
    assert apply(taken, act(Action.RELEASE)).owner == "bot"
    assert apply(taken, act(Action.COMPLETE)).owner is None


def test_a_hop_has_the_time_that_the_customer_waited_for_an_answer() -> None:
    taken = apply(handoff(), act(Action.ACCEPT, at=61_000_000 + 1_000, agent="maria"))
    done = apply(taken, act(Action.COMPLETE, at=300_000_000))
    hop = hop_of(done)
    assert (hop.waited_us, hop.outcome, hop.owner) == (61_000_000, State.COMPLETED, "maria")
    assert (hop.requested_at, hop.ended_at) == (1_000, 300_000_000)
