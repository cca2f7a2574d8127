"""Mappings of handoff states and events to Bot Framework and Sunshine Conversations.

Sources: Bot Framework's `handoff.status` event (value `state`: accepted, failed, completed), and the
switchboard events of the Sunshine Conversations API v2 (`switchboard:offerControl`, `acceptControl`,
`releaseControl`, `passControl`, each with a `:failure` variant). None means that the other vocabulary
has no equivalent: the other side is then not notified.
"""

from __future__ import annotations

from collections.abc import Mapping

from .handoff import Action, State

BOT_FRAMEWORK_STATES = frozenset({"accepted", "failed", "completed"})

TO_BOT_FRAMEWORK: Mapping[State, str | None] = {
    State.REQUESTED: None,  # the bot's own request: `handoff.initiate`
    State.OFFERED: None,
    State.ACCEPTED: "accepted",
    State.DECLINED: "failed",
    State.EXPIRED: "failed",
    State.RELEASED: "completed",  # the agent has finished: the bot continues
    State.TRANSFERRED: None,  # still with people; the next handoff reports its own end
    State.COMPLETED: "completed",
    State.WITHDRAWN: "failed",  # nobody talks to the customer any more; `message` has the reason
    State.FAILED: "failed",
}
"""Our state → `state` of the `handoff.status` event for the bot."""

FROM_BOT_FRAMEWORK: Mapping[str, Action] = {
    "accepted": Action.ACCEPT,
    "failed": Action.FAIL,
    "completed": Action.COMPLETE,
}
"""`state` of a `handoff.status` event → action on the handoff that the bot requested."""

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
    State.REQUESTED: "switchboard:offerControl",  # an offer to an integration: any agent behind it may accept
    State.OFFERED: None,  # an offer to one agent, which the switchboard does not have
    State.ACCEPTED: "switchboard:acceptControl",
    State.DECLINED: None,  # control does not move
    State.EXPIRED: None,
    State.RELEASED: "switchboard:passControl",  # back to the previous owner by name
    State.TRANSFERRED: None,  # control moved with the next handoff
    State.COMPLETED: "switchboard:releaseControl",  # to the default integration
    State.WITHDRAWN: None,
    State.FAILED: None,
}
"""Our state → switchboard event, and the API action of the same name."""

FROM_SUNSHINE: Mapping[str, Action | None] = {
    "switchboard:offerControl": None,  # begins a handoff
    "switchboard:offerControl:failure": Action.FAIL,
    "switchboard:acceptControl": Action.ACCEPT,
    "switchboard:acceptControl:failure": None,  # the offer remains open
    "switchboard:passControl": None,  # offers and accepts at once: begins an accepted handoff
    "switchboard:passControl:failure": Action.FAIL,
    "switchboard:releaseControl": Action.COMPLETE,
    "switchboard:releaseControl:failure": None,  # control stays with the owner
}
"""Switchboard event → action on the pending or owning handoff; None for no action on it."""

BEGINS: frozenset[str] = frozenset({"switchboard:offerControl", "switchboard:passControl"})
"""Switchboard events that begin a new handoff."""


def to_bot_framework(state: State) -> str | None:
    """The `state` of `handoff.status`, or None when the bot is not notified."""
    return TO_BOT_FRAMEWORK[state]


def from_bot_framework(state: str) -> Action | None:
    """The action on the handoff, or None for an unknown state."""
    return FROM_BOT_FRAMEWORK.get(state)


def to_sunshine(state: State) -> str | None:
    """The switchboard event type, or None when the switchboard has no equivalent."""
    return TO_SUNSHINE[state]


def from_sunshine(event: str) -> Action | None:
    """The action on the handoff, or None for an unknown event or one without an action."""
    return FROM_SUNSHINE.get(event)
