"""Our hand-off states and events in the words of Bot Framework and of Sunshine Conversations, as data.

Sources: Bot Framework's `handoff.status` event (value `state`: accepted, failed, completed), and the
switchboard events of the Sunshine Conversations API v2 (`switchboard:offerControl`, `acceptControl`,
`releaseControl`, `passControl`, each with a `:failure` twin). None means that the other vocabulary has
no word for it: the other side is then told nothing rather than something that is not so.
"""

from __future__ import annotations

from collections.abc import Mapping

from .handoff import Action, State

BOT_FRAMEWORK_STATES = frozenset({"accepted", "failed", "completed"})

TO_BOT_FRAMEWORK: Mapping[State, str | None] = {
    State.REQUESTED: None,  # the bot asked for it itself: `handoff.initiate`
    State.OFFERED: None,
    State.ACCEPTED: "accepted",
    State.DECLINED: "failed",
    State.EXPIRED: "failed",
    State.RELEASED: "completed",  # whoever took over has ended their part: the bot goes on
    State.TRANSFERRED: None,  # still with people; the hand-off after it tells its own end
    State.COMPLETED: "completed",
    State.WITHDRAWN: "failed",  # nobody talks to the customer any more; `message` says why
    State.FAILED: "failed",
}
"""The `state` of the `handoff.status` that tells the bot of each of our states."""

FROM_BOT_FRAMEWORK: Mapping[str, Action] = {
    "accepted": Action.ACCEPT,
    "failed": Action.FAIL,
    "completed": Action.COMPLETE,
}
"""What a `handoff.status` does to the hand-off that a bot asked for; other states are unknown."""

SWITCHBOARD_EVENTS = frozenset(
    name + end
    for name in (
        "switchboard:offerControl",
        "switchboard:acceptControl",
        "switchboard:passControl",
        "switchboard:releaseControl",
    )
    for end in ("", ":failure")
)

TO_SUNSHINE: Mapping[State, str | None] = {
    State.REQUESTED: "switchboard:offerControl",  # an offer to an integration: anybody behind it may take it
    State.OFFERED: None,  # to one agent, which the switchboard does not know
    State.ACCEPTED: "switchboard:acceptControl",
    State.DECLINED: None,  # control stays where it was
    State.EXPIRED: None,
    State.RELEASED: "switchboard:passControl",  # back to the previous owner by name
    State.TRANSFERRED: None,  # control moved with the hand-off that followed
    State.COMPLETED: "switchboard:releaseControl",  # to the default integration
    State.WITHDRAWN: None,
    State.FAILED: None,
}
"""The switchboard event, and the action of the same name in its API, that says each of our states."""

FROM_SUNSHINE: Mapping[str, Action | None] = {
    "switchboard:offerControl": None,  # begins a hand-off
    "switchboard:offerControl:failure": Action.FAIL,
    "switchboard:acceptControl": Action.ACCEPT,
    "switchboard:acceptControl:failure": None,  # the offer still stands
    "switchboard:passControl": None,  # offered and accepted in one: begins a hand-off that is taken already
    "switchboard:passControl:failure": Action.FAIL,
    "switchboard:releaseControl": Action.COMPLETE,
    "switchboard:releaseControl:failure": None,  # control stays with the owner
}
"""What a switchboard event does to the pending or owning hand-off; None: nothing to that one."""

BEGINS: frozenset[str] = frozenset({"switchboard:offerControl", "switchboard:passControl"})
"""Switchboard events that a new hand-off comes from."""


def to_bot_framework(state: State) -> str | None:
    """The `handoff.status` state, or None where the bot is told nothing."""
    return TO_BOT_FRAMEWORK[state]


def from_bot_framework(state: str) -> Action | None:
    """What to do; None for a state that is not known."""
    return FROM_BOT_FRAMEWORK.get(state)


def to_sunshine(state: State) -> str | None:
    """The switchboard event type, or None where the switchboard has no word for it."""
    return TO_SUNSHINE[state]


def from_sunshine(event: str) -> Action | None:
    """What to do; None for an event that is not known or changes no hand-off."""
    return FROM_SUNSHINE.get(event)
