"""`/v1/sessions`: short-lived tokens for agents' browsers, each bound to one agent."""

from __future__ import annotations

import time

from aiohttp import web
from msgspec import Struct, field

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.exchange import answer, broken, read_json
from handoff.domain.clock import format_time
from handoff.domain.errors import Forbidden, Unprocessable
from handoff.services.access import sessions as service
from handoff.services.access.principal import SCOPES

MAX_AGENT = 200  # characters of an agent's name


class SessionInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/sessions`: the agent, a subset of the caller's scopes, and the lifetime."""

    agent: str
    scopes: list[str] = field(default_factory=lambda: list(service.DEFAULT_SCOPES))
    ttl_s: int = service.DEFAULT_TTL_S

    def __post_init__(self) -> None:
        if not 0 < len(self.agent) <= MAX_AGENT:
            raise broken("/agent", f"An agent's name has 1 to {MAX_AGENT} characters")
        if not 1 <= self.ttl_s <= service.MAX_TTL_S:
            raise broken("/ttl_s", f"ttl_s must be 1 to {service.MAX_TTL_S}")


class SessionView(Struct, frozen=True, kw_only=True):
    """A session. The token is shown only once."""

    token: str
    agent: str
    scopes: list[str]
    expires_at: str


class CurrentView(Struct, frozen=True, kw_only=True):
    """The identity of a token: its `agent`, if it is bound to one, and the `name` of the configured token."""

    agent: str | None
    name: str
    scopes: list[str]


async def current(request: web.Request) -> web.Response:
    """`GET /v1/sessions/current`: the agent and scopes of this token."""
    principal = request[PRINCIPAL]
    view = CurrentView(agent=principal.agent, name=principal.name, scopes=sorted(principal.scopes))
    return answer(view)


async def create(request: web.Request) -> web.Response:
    """`POST /v1/sessions`: 201 with the token. A session has only scopes that its creator has."""
    principal = request[PRINCIPAL]
    if principal.agent:
        raise Forbidden("Session tokens cannot create sessions", code="session_not_allowed")
    given = await read_json(request, SessionInput)
    unknown = set(given.scopes) - SCOPES
    if unknown:
        raise Unprocessable(f"Unknown scopes: {', '.join(sorted(unknown))}", code="unknown_scope")
    for scope in given.scopes:
        principal.require(scope)
    token, session = await service.open_session(
        request.app[SITE].store,
        principal.tenant,
        agent=given.agent,
        scopes=tuple(given.scopes),
        made_by=principal.name,
        min_assurance=principal.min_assurance,
        ttl_s=given.ttl_s,
        now=time.time_ns() // 1000,
    )
    view = SessionView(
        token=token,
        agent=session.agent,
        scopes=list(session.scopes),
        expires_at=format_time(session.expires_at),
    )
    return answer(view, status=201)
