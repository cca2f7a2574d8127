"""`/v1/handoffs`."""

from __future__ import annotations

from typing import Any

from handoff.api.handlers import handoffs as handlers
from handoff.api.handlers.handoffs import (
    MAX_DEADLINE_S,
    MAX_NAME,
    HandoffInput,
    ListView,
    MoveInput,
    SnapshotsView,
)
from handoff.api.handlers.touchpoints import continuity
from handoff.api.handlers.touchpoints.continuity import CodesAnswer, ContinuityAnswer, ContinuityInput
from handoff.api.operations.operation import (
    CONTEXT_ETAG,
    CURSOR,
    CUSTOMER_ID,
    FIELDS,
    LIMIT,
    LOCATION,
    MIN_ASSURANCE,
    NOT_MODIFIED,
    ORDER,
    Audited,
    Header,
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.domain.handoff import DEFAULT_DEADLINE_S, TRANSITIONS, Action, State
from handoff.services.context.views import ContextView
from handoff.services.continuity.code_views import CodeView
from handoff.services.handoffs.records import HandoffView

TAG = "Handoffs"
ID = path_parameter("id", "The handoff's id.")
SHA256 = Header(name="Handoff-Sha256", text="The SHA-256 of exactly these bytes, in hex. Also the ETag.")
_AGENT = {"version": 1, "agent": "ville"}

_MOVES: dict[str, tuple[Action, str, str, dict[str, Any]]] = {
    "offer": (
        Action.OFFER,
        "Offer a handoff to an agent",
        "`agent` names the agent.",
        {**_AGENT, "deadline_s": 60},
    ),
    "accept": (
        Action.ACCEPT,
        "Accept a handoff",
        "Pins the context that the agent sees now. If the conversation has an owner, the owner's handoff "
        "ends "
        "as `transferred`. If two agents accept, one wins and the other gets 409. A session token accepts "
        "for its own agent; naming another in `agent` gets 403.",
        _AGENT,
    ),
    "decline": (Action.DECLINE, "Decline a handoff", "", {**_AGENT, "reason": "End of shift"}),
    "release": (
        Action.RELEASE,
        "Release an accepted handoff",
        "",
        {"version": 2, "reason": "Needs the billing team"},
    ),
    "complete": (Action.COMPLETE, "Complete a handoff", "", {"version": 2, "reason": "Refund sent"}),
    "withdraw": (
        Action.WITHDRAW,
        "Withdraw a handoff",
        "For a requester, or a customer, who no longer needs it.",
        {"version": 1, "reason": "The bot solved it"},
    ),
    "viewed": (
        Action.VIEW,
        "Report that the agent's screen showed the context",
        "`version` is optional.",
        {"agent": "ville"},
    ),
}
"""By the last segment of the path."""
_MOVE_PATTERN = f"/v1/handoffs/{{id}}/{{action:{'|'.join(_MOVES)}}}"


def _move(word: str, action: Action, summary: str, text: str, example: dict[str, Any]) -> Operation:
    before = [f"`{state}`" for (state, it) in TRANSITIONS if it is action]
    after = dict.fromkeys(f"`{state}`" for (_, it), state in TRANSITIONS.items() if it is action)
    return Operation(
        method="POST",
        path=f"/v1/handoffs/{{id}}/{word}",
        pattern=_MOVE_PATTERN,
        handler=handlers.move,
        id=f"{word}Handoff",
        audit=Audited("handoff"),
        tag=TAG,
        summary=summary,
        text=f"From {', '.join(before)} to {', '.join(after)}. `version` is the version that the caller saw. "
        f"{text}".strip(),
        queues=True,
        customers=True,
        scopes=("handoffs:write",),
        parameters=(ID,),
        body=MoveInput,
        example=example,
        replies=(ResponseSpec(200, "The handoff after the change.", HandoffView),),
        conflicts="The state or the version does not allow it; `current` has the handoff",
    )


_CONTINUITY = (
    Operation(
        method="POST",
        path="/v1/customers/{id}/continuity",
        handler=continuity.create,
        id="createContinuityCode",
        audit=Audited("customer"),
        tag=TAG,
        summary="Issue a continuity code",
        text="Digits for keypads and speech, and a token for links, subjects, addresses, and texts. The next "
        "touchpoint that carries one of them, on any channel, continues the conversation: it joins its chain "
        "and appears in the customer's timeline. Its sender's handle becomes a candidate, or, with "
        "`assurance` `verified`, the customer's if it is verified itself.",
        queues=True,
        customers=True,
        scopes=("handoffs:write",),
        parameters=(CUSTOMER_ID,),
        body=ContinuityInput,
        optional_body=True,
        example={"channel": "phone", "expires_in_s": 3600},
        replies=(ResponseSpec(201, "The code. Its digits and token are shown only once.", ContinuityAnswer),),
        creating=True,
        duplicates=True,
        conflicts="The id is a former one of the customer (`customer_merged`), or several people share the "
        "identity (`ambiguous_identity`)",
    ),
    Operation(
        method="GET",
        path="/v1/customers/{id}/continuity",
        handler=continuity.list_,
        id="listContinuityCodes",
        audit=Audited("customer"),
        tag=TAG,
        summary="List a customer's continuity codes",
        text="The newest first, with the touchpoints that used them. A code is kept for about 30 days after "
        "its end.",
        queues=True,
        scopes=("context:read",),
        parameters=(CUSTOMER_ID,),
        replies=(ResponseSpec(200, "The codes.", CodesAnswer),),
    ),
    Operation(
        method="DELETE",
        path="/v1/customers/{id}/continuity/{code}",
        handler=continuity.revoke,
        id="revokeContinuityCode",
        audit=Audited("customer"),
        tag=TAG,
        summary="Revoke a continuity code, and undo its uses",
        text="The code is refused from now on. With `undo` (scope `links:write`), what it joined is "
        "separated again: its evidence is withdrawn, and each conversation leaves the chain, unless a "
        "handoff was made in it.",
        queues=True,
        scopes=("handoffs:write",),
        parameters=(
            CUSTOMER_ID,
            path_parameter("code", "The code's id."),
            Parameter(
                name="undo",
                text="`true`: also take back what its uses joined.",
                schema={"type": "boolean", "default": False},
            ),
        ),
        replies=(ResponseSpec(200, "The code.", CodeView),),
        conflicts="The conversation is being changed (`busy_conversation`)",
    ),
)

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/handoffs",
        handler=handlers.create,
        id="requestHandoff",
        audit=Audited("handoff"),
        tag=TAG,
        summary="Request a handoff",
        text="Name exactly one of `identity`, `customer_id`, and `conversation_id`. For an identity or a "
        "customer, the server takes the open conversation in which the customer asks for something: on "
        "`from.channel` first, then the handle's own, then one that waits, then the newest; else it creates "
        "one. For an identity that several people share, the response has `candidates` and a "
        "`question`. The identity may be new. The context is pinned immediately.\n\n"
        f"`deadline_s` is above 0 and at most {MAX_DEADLINE_S} (default {DEFAULT_DEADLINE_S}). Names have "
        f"at most {MAX_NAME} characters, a reason 2000, `fallback` 20 steps.",
        queues=True,
        customers=True,
        scopes=("handoffs:write",),
        body=HandoffInput,
        example={
            "identity": "email:anna@example.com",
            "from": {"channel": "chat", "party": "bot"},
            "to": {"channel": "chat", "queue": "refunds"},
            "reason": "Wants a refund and asks for a person",
            "deadline_s": 300,
        },
        replies=(
            ResponseSpec(201, "Requested.", HandoffView, (LOCATION,)),
            ResponseSpec(200, "The same request is already pending; this is it.", HandoffView, (LOCATION,)),
        ),
        creating=True,
        duplicates=True,
        conflicts="Another handoff of the conversation is pending (see `current`), or several customers "
        "match the identity, or the customer id is a former one, or the customer has not given a consent "
        "that the configuration asks for (`consent_missing`)",
    ),
    Operation(
        method="GET",
        path="/v1/handoffs",
        handler=handlers.list_,
        compressed=True,
        id="listHandoffs",
        audit=Audited("handoff"),
        tag=TAG,
        summary="List handoffs",
        text="`total` is null where filters are combined.",
        queues=True,
        customers=True,
        scopes=("handoffs:read",),
        parameters=(
            Parameter(name="state", text="Only handoffs in this state.", schema=choice(*State)),
            Parameter(name="queue", text="Only handoffs to this queue."),
            Parameter(name="agent", text="Only handoffs of this agent."),
            LIMIT,
            CURSOR,
            ORDER,
        ),
        replies=(ResponseSpec(200, "A page.", ListView),),
    ),
    Operation(
        method="GET",
        path="/v1/handoffs/{id}",
        handler=handlers.read,
        id="readHandoff",
        audit=Audited("handoff"),
        tag=TAG,
        summary="Read a handoff",
        queues=True,
        customers=True,
        scopes=("handoffs:read",),
        parameters=(ID,),
        replies=(ResponseSpec(200, "The handoff.", HandoffView),),
    ),
    Operation(
        method="GET",
        path="/v1/handoffs/{id}/context",
        handler=handlers.context,
        compressed=True,
        id="readHandoffContext",
        audit=Audited("handoff"),
        tag=TAG,
        summary="Read a handoff's current context",
        queues=True,
        customers=True,
        scopes=("handoffs:read", "context:read"),
        parameters=(ID, LIMIT, FIELDS, MIN_ASSURANCE),
        replies=(ResponseSpec(200, "The context.", ContextView, (CONTEXT_ETAG,)), NOT_MODIFIED),
    ),
    Operation(
        method="GET",
        path="/v1/handoffs/{id}/snapshots",
        handler=handlers.snapshots,
        id="listSnapshots",
        audit=Audited("handoff"),
        tag=TAG,
        summary="List a handoff's pinned contexts",
        text="Oldest first.",
        queues=True,
        customers=True,
        scopes=("handoffs:read",),
        parameters=(ID,),
        replies=(ResponseSpec(200, "The snapshots.", SnapshotsView),),
    ),
    Operation(
        method="GET",
        path="/v1/handoffs/{id}/snapshot",
        handler=handlers.snapshot,
        compressed=True,
        id="readSnapshot",
        audit=Audited("handoff"),
        tag=TAG,
        summary="Read a pinned context, byte for byte",
        text="The newest unless `at` is given. 404 after an erasure: only the hash is kept.",
        queues=True,
        customers=True,
        scopes=("handoffs:read", "context:read"),
        parameters=(
            ID,
            Parameter(name="at", text="Which snapshot.", schema=choice("requested", "accepted")),
        ),
        replies=(
            ResponseSpec(
                200,
                "The pinned context.",
                ContextView,
                (SHA256, Header(name="ETag", text="The same hash.")),
            ),
        ),
    ),
    *(_move(word, *about) for word, about in _MOVES.items()),
    *_CONTINUITY,
)
