"""What `/v1/handoffs` takes and answers."""

from __future__ import annotations

from handoff.api.description.operation import (
    CONTEXT_ETAG,
    CURSOR,
    FIELDS,
    LIMIT,
    LOCATION,
    MIN_ASSURANCE,
    NOT_MODIFIED,
    ORDER,
    Header,
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.api.handlers.handoffs import (
    MAX_DEADLINE_S,
    MAX_NAME,
    HandoffInput,
    ListView,
    MoveInput,
    SnapshotsView,
)
from handoff.domain.handoff import DEFAULT_DEADLINE_S, TRANSITIONS, Action, State
from handoff.services.context.views import ContextView
from handoff.services.handoffs.records import HandoffView

TAG = "Hand-offs"
ID = path_parameter("id", "The hand-off's id.")
SHA256 = Header(name="Handoff-Sha256", text="The SHA-256 of exactly these bytes, in hex; also the ETag.")

_MOVES = {
    "offer": (Action.OFFER, "Offer a hand-off to an agent", "The agent is in `agent`."),
    "accept": (
        Action.ACCEPT,
        "Accept a hand-off",
        "Pinned with what the agent sees now. Where somebody owns the conversation, their hand-off ends as "
        "`transferred`. Of two who accept, one wins, the other gets 409. The agent of a session token wins "
        "over `agent`; another one is 403.",
    ),
    "decline": (Action.DECLINE, "Decline a hand-off", ""),
    "release": (Action.RELEASE, "Give an accepted hand-off back", ""),
    "complete": (Action.COMPLETE, "Complete a hand-off", ""),
    "withdraw": (
        Action.WITHDRAW,
        "Withdraw a hand-off",
        "The requester, or the customer, does not need it any more.",
    ),
    "viewed": (
        Action.VIEW,
        "Say that an agent's screen showed the context",
        "`version` may be left out.",
    ),
}
"""By the last word of the path."""


def _move(word: str, action: Action, summary: str, text: str) -> Operation:
    before = [f"`{state}`" for (state, it) in TRANSITIONS if it is action]
    after = dict.fromkeys(f"`{state}`" for (_, it), state in TRANSITIONS.items() if it is action)
    return Operation(
        method="POST",
        path=f"/v1/handoffs/{{id}}/{word}",
        id=f"{word}Handoff",
        tag=TAG,
        summary=summary,
        text=f"From {', '.join(before)} to {', '.join(after)}. `version` is the one the caller saw. "
        f"{text}".strip(),
        scopes=("handoffs:write",),
        parameters=(ID,),
        body=MoveInput,
        replies=(ResponseSpec(200, "The hand-off after it.", HandoffView),),
        conflicts="The state or the version does not allow it; the hand-off as it is under `current`",
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/handoffs",
        id="requestHandoff",
        tag=TAG,
        summary="Request a hand-off",
        text="Of exactly one of `identity`, `customer_id` and `conversation_id`. By identity or customer it "
        "is the newest open conversation of `from.channel`, else the newest open one, else a new one; an "
        "identity never seen is fine. The context is pinned at once.\n\n"
        f"`deadline_s` is above 0 and at most {MAX_DEADLINE_S}, {DEFAULT_DEADLINE_S} by default; names have "
        f"at most {MAX_NAME} characters, a reason 2000, `fallback` 20 steps.",
        scopes=("handoffs:write",),
        body=HandoffInput,
        replies=(
            ResponseSpec(201, "Requested.", HandoffView, (LOCATION,)),
            ResponseSpec(200, "The same is pending already; this is it.", HandoffView, (LOCATION,)),
        ),
        creating=True,
        conflicts="Another hand-off of the conversation is pending (under `current`), or several customers "
        "answer to the identity, or the customer's id is a former one",
    ),
    Operation(
        method="GET",
        path="/v1/handoffs",
        id="listHandoffs",
        tag=TAG,
        summary="List hand-offs",
        text="`total` is null where a filter was used.",
        scopes=("handoffs:read",),
        parameters=(
            Parameter(name="state", text="Only those in this state.", schema=choice(*State)),
            Parameter(name="queue", text="Only those to this queue."),
            Parameter(name="agent", text="Only those of this agent."),
            LIMIT,
            CURSOR,
            ORDER,
        ),
        replies=(ResponseSpec(200, "A page.", ListView),),
    ),
    Operation(
        method="GET",
        path="/v1/handoffs/{id}",
        id="readHandoff",
        tag=TAG,
        summary="Read a hand-off",
        scopes=("handoffs:read",),
        parameters=(ID,),
        replies=(ResponseSpec(200, "The hand-off.", HandoffView),),
    ),
    Operation(
        method="GET",
        path="/v1/handoffs/{id}/context",
        id="readHandoffContext",
        tag=TAG,
        summary="The context for a hand-off, as it is now",
        scopes=("handoffs:read", "context:read"),
        parameters=(ID, LIMIT, FIELDS, MIN_ASSURANCE),
        replies=(ResponseSpec(200, "The context.", ContextView, (CONTEXT_ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/v1/handoffs/{id}/snapshots",
        id="listSnapshots",
        tag=TAG,
        summary="What was pinned of a hand-off",
        text="Oldest first.",
        scopes=("handoffs:read",),
        parameters=(ID,),
        replies=(ResponseSpec(200, "The snapshots.", SnapshotsView),),
    ),
    Operation(
        method="GET",
        path="/v1/handoffs/{id}/snapshot",
        id="readSnapshot",
        tag=TAG,
        summary="The context as it was pinned, byte for byte",
        text="The newest without `at`. After an erasure 404: only the hash is left.",
        scopes=("handoffs:read", "context:read"),
        parameters=(
            ID,
            Parameter(name="at", text="Which of them.", schema=choice("requested", "accepted")),
        ),
        replies=(
            ResponseSpec(
                200,
                "The context as it was.",
                ContextView,
                (SHA256, Header(name="ETag", text="The same hash.")),
            ),
        ),
    ),
    *(_move(word, *about) for word, about in _MOVES.items()),
)
