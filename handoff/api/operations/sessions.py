"""`/v1/sessions`."""

from __future__ import annotations

from handoff.api.handlers import sessions as handlers
from handoff.api.handlers.sessions import MAX_AGENT, CurrentView, SessionInput, SessionView
from handoff.api.operations.operation import Operation, ResponseSpec
from handoff.services.access.sessions import DEFAULT_SCOPES, DEFAULT_TTL_S, MAX_TTL_S

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/sessions",
        handler=handlers.create,
        id="openSession",
        tag="Sessions",
        summary="Create a short-lived token for an agent's browser",
        text="The session has a subset of the caller's scopes, by default "
        f"{', '.join(f'`{scope}`' for scope in DEFAULT_SCOPES)}, and expires after `ttl_s` seconds "
        f"(default {DEFAULT_TTL_S}, maximum {MAX_TTL_S}). Agent names have at most {MAX_AGENT} characters. "
        "Session tokens cannot create sessions.",
        queues=True,
        customers=True,
        body=SessionInput,
        example={"agent": "ville", "ttl_s": 3600},
        replies=(ResponseSpec(201, "The session. The token is shown only once.", SessionView),),
        creating=True,
    ),
    Operation(
        method="GET",
        path="/v1/sessions/current",
        handler=handlers.current,
        id="readCurrentSession",
        tag="Sessions",
        summary="Show the agent and scopes of this token",
        text="Lets a desktop show only what its token allows.",
        queues=True,
        customers=True,
        replies=(ResponseSpec(200, "The token's agent and scopes.", CurrentView),),
    ),
)
