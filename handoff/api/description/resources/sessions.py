"""What `/v1/sessions` takes and answers."""

from __future__ import annotations

from handoff.api.description.operation import Operation, ResponseSpec
from handoff.api.handlers.sessions import MAX_AGENT, CurrentView, SessionInput, SessionView
from handoff.services.sessions import DEFAULT_SCOPES, DEFAULT_TTL_S, MAX_TTL_S

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/sessions",
        id="openSession",
        tag="Sessions",
        summary="A short-lived token for one agent's browser",
        text="It has some of the caller's own scopes, by default "
        f"{', '.join(f'`{scope}`' for scope in DEFAULT_SCOPES)}, and lives `ttl_s` seconds, {DEFAULT_TTL_S} "
        f"by default and {MAX_TTL_S} at most. The name of the agent has at most {MAX_AGENT} characters. A "
        "session opens no session.",
        body=SessionInput,
        replies=(ResponseSpec(201, "The session; its token is shown this once.", SessionView),),
        creating=True,
    ),
    Operation(
        method="GET",
        path="/v1/sessions/current",
        id="readCurrentSession",
        tag="Sessions",
        summary="Who this token is and what it may do",
        text="For a desktop that was given a token: it shows what the token allows and nothing else.",
        replies=(ResponseSpec(200, "The token's agent and scopes.", CurrentView),),
    ),
)
