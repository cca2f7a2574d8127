"""`/v1/sessions`."""

from __future__ import annotations

from handoff.api.handlers import sessions as handlers
from handoff.api.handlers.sessions import (
    MANAGES,
    MAX_AGENT,
    CurrentView,
    EndedView,
    SessionInput,
    SessionsView,
    SessionView,
)
from handoff.api.operations.operation import (
    NO_PERSONAL_DATA,
    Audited,
    Operation,
    Parameter,
    ResponseSpec,
    path_parameter,
)
from handoff.services.access.sessions import DEFAULT_SCOPES, DEFAULT_TTL_S, MAX_TTL_S

AGENT = Parameter(name="agent", text="Only sessions of this agent.", example="ville")
TOKEN = Parameter(name="token", text="Only sessions that the token with this name opened.")
ALL = Parameter(
    name="all",
    text=f"`true`: every session of the tenant, which needs the scope `{MANAGES}`.",
    schema={"type": "boolean", "default": False},
)
WHOSE = f"Callers see the sessions that they opened; with the scope `{MANAGES}`, all of the tenant."

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/sessions",
        handler=handlers.create,
        id="openSession",
        audit=Audited("session"),
        tag="Sessions",
        summary="Create a short-lived token for an agent's browser",
        text="The session has a subset of the caller's scopes, by default "
        f"{', '.join(f'`{scope}`' for scope in DEFAULT_SCOPES)}, and expires after `ttl_s` seconds "
        f"(default {DEFAULT_TTL_S}, maximum {MAX_TTL_S}). Agent names have at most {MAX_AGENT} characters. "
        "Session tokens cannot create sessions.\n\nWith `queues`, the session "
        "reads and moves handoffs of these queues only, and reads their customers. A session ends with "
        "the token that opened it.",
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
        audit=NO_PERSONAL_DATA,
        tag="Sessions",
        summary="Show the agent and scopes of this token",
        text="Lets a desktop show only what its token allows.",
        queues=True,
        customers=True,
        replies=(ResponseSpec(200, "The token's agent and scopes.", CurrentView),),
    ),
    Operation(
        method="GET",
        path="/v1/sessions",
        handler=handlers.list_,
        id="listSessions",
        audit=Audited("session"),
        tag="Sessions",
        summary="List open sessions",
        text=WHOSE,
        queues=True,
        customers=True,
        parameters=(AGENT, TOKEN),
        replies=(ResponseSpec(200, "The sessions, without their tokens.", SessionsView),),
    ),
    Operation(
        method="DELETE",
        path="/v1/sessions/{id}",
        handler=handlers.end,
        id="endSession",
        audit=Audited("session"),
        tag="Sessions",
        summary="End a session",
        text="Its token is refused at once, and its streams end within 5 s after a `session_ended` event. "
        "`current` is the session of this token. " + WHOSE,
        queues=True,
        customers=True,
        parameters=(path_parameter("id", "The session's id, or `current`."),),
        replies=(ResponseSpec(204, "Ended."),),
    ),
    Operation(
        method="DELETE",
        path="/v1/sessions",
        handler=handlers.end_many,
        id="endSessions",
        audit=Audited("session"),
        tag="Sessions",
        summary="End all sessions of an agent, of a token, or of the tenant",
        text=f"Name exactly one of the parameters. {WHOSE}",
        queues=True,
        customers=True,
        parameters=(AGENT, TOKEN, ALL),
        replies=(ResponseSpec(200, "How many were ended.", EndedView),),
        problems=(422,),
    ),
)
