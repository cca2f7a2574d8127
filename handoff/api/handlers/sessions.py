"""`/v1/sessions`: short-lived tokens for agents' browsers, each bound to one agent."""

from __future__ import annotations

import time
from typing import Literal

from aiohttp import web
from msgspec import Struct, field

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.exchange import answer, bad_parameter, broken, read_json
from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.clock import format_time
from handoff.domain.errors import Forbidden, NotFound, Unprocessable
from handoff.services.access import sessions as service
from handoff.services.access.principal import SCOPES, Principal, unknown_scopes

MAX_AGENT = 200  # characters of an agent's name
MAX_QUEUES = 100
MANAGES = "operate"
"""The scope of callers that see and end sessions which others opened."""


class SessionInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/sessions`: the agent, some of the caller's scopes and queues, and the lifetime.

    `role: "lead"` lets the agent end handoffs of others.
    """

    agent: str
    scopes: list[str] = field(default_factory=lambda: list(service.DEFAULT_SCOPES))
    ttl_s: int = service.DEFAULT_TTL_S
    queues: list[str] | None = None
    role: Literal["agent", "lead"] = "agent"

    def __post_init__(self) -> None:
        if not 0 < len(self.agent) <= MAX_AGENT:
            raise broken("/agent", f"An agent's name has 1 to {MAX_AGENT} characters")
        if not 1 <= self.ttl_s <= service.MAX_TTL_S:
            raise broken("/ttl_s", f"ttl_s must be 1 to {service.MAX_TTL_S}")
        check_queues(self.queues)


def check_queues(queues: list[str] | None) -> None:
    """Unprocessable unless these can be names of queues."""
    if queues is not None and (len(queues) > MAX_QUEUES or any(not 0 < len(it) <= 200 for it in queues)):
        raise broken("/queues", f"queues has at most {MAX_QUEUES} names of 1 to 200 characters")


class SessionInfo(Struct, frozen=True, kw_only=True):
    """An open session, without its token. `made_by` is the name of the token that opened it."""

    id: str
    agent: str
    scopes: list[str]
    queues: list[str] | None
    role: str
    made_by: str
    expires_at: str


class SessionView(SessionInfo, frozen=True, kw_only=True):
    """A session. The token is shown only once."""

    token: str


class SessionsView(Struct, frozen=True, kw_only=True):
    """The open sessions, the one that ends last first."""

    sessions: list[SessionInfo]
    returned: int


class EndedView(Struct, frozen=True, kw_only=True):
    """How many sessions were ended; null if all of the tenant were, which are not counted."""

    ended: int | None


class CurrentView(Struct, frozen=True, kw_only=True):
    """The identity of a token: its `agent`, if it is bound to one, and the `name` of the configured token."""

    agent: str | None
    name: str
    scopes: list[str]
    queues: list[str] | None = None
    role: str = "agent"
    audience: str = "agent"
    expires_at: str | None = None


async def current(request: web.Request) -> web.Response:
    """`GET /v1/sessions/current`: the agent and scopes of this token."""
    principal = request[PRINCIPAL]
    view = CurrentView(
        agent=principal.agent,
        name=principal.name,
        scopes=sorted(principal.scopes),
        queues=sorted(principal.queues) if principal.queues is not None else None,
        role=principal.role,
        audience=principal.audience,
        expires_at=format_time(principal.expires_at) if principal.expires_at is not None else None,
    )
    return answer(view)


async def create(request: web.Request) -> web.Response:
    """`POST /v1/sessions`: 201 with the token. A session has only scopes that its creator has."""
    principal = request[PRINCIPAL]
    if principal.agent:
        raise Forbidden("Session tokens cannot create sessions", code="session_not_allowed")
    given = await read_json(request, SessionInput)
    unknown = set(given.scopes) - SCOPES
    if unknown:
        raise Unprocessable(unknown_scopes(unknown), code="unknown_scope")
    store = request.app[SITE].store
    wish = service.SessionWish(
        agent=given.agent,
        scopes=tuple(given.scopes),
        ttl_s=given.ttl_s,
        queues=frozenset(given.queues) if given.queues is not None else None,
        role=given.role,
    )
    token, id_, session = await service.open_session(store, principal, wish, time.time_ns() // 1000)
    info = _info(store.hashes(principal.tenant), id_, session)
    view = SessionView(token=token, **{name: getattr(info, name) for name in SessionInfo.__struct_fields__})
    return answer(view, status=201)


def _info(hashes: KeyedHash, id_: bytes, session: service.Session) -> SessionInfo:
    return SessionInfo(
        id=service.public_session(hashes, id_),
        agent=session.agent,
        scopes=list(session.scopes),
        queues=list(session.queues) if session.queues is not None else None,
        role=session.role,
        made_by=session.made_by,
        expires_at=format_time(session.expires_at),
    )


def _manages(principal: Principal, id_: bytes, session: service.Session) -> bool:
    """Whether a caller may see and end a session: its own, one that it opened, or any with the scope."""
    own = principal.credential in (session.maker, service.CREDENTIAL + id_)
    return own or (principal.agent is None and principal.queues is None and principal.has(MANAGES))


async def _managed(
    request: web.Request, *, agent: str | None, made_by: str | None
) -> list[tuple[bytes, service.Session]]:
    principal, now = request[PRINCIPAL], time.time_ns() // 1000
    found = await service.list_sessions(
        request.app[SITE].store, principal.tenant, now, agent=agent, made_by=made_by
    )
    return [(id_, session) for id_, session in found if _manages(principal, id_, session)]


async def list_(request: web.Request) -> web.Response:
    """`GET /v1/sessions?agent=&token=`."""
    hashes = request.app[SITE].store.hashes(request[PRINCIPAL].tenant)
    found = await _managed(request, agent=request.query.get("agent"), made_by=request.query.get("token"))
    views = [_info(hashes, id_, session) for id_, session in found]
    return answer(SessionsView(sessions=views, returned=len(views)))


async def end(request: web.Request) -> web.Response:
    """`DELETE /v1/sessions/{id}`: 204; its streams end within seconds."""
    principal, store = request[PRINCIPAL], request.app[SITE].store
    records = store.of(principal.tenant).sessions
    if request.match_info["id"] == "current":
        id_ = principal.credential.removeprefix(service.CREDENTIAL)
        if id_ == principal.credential:
            raise NotFound("there is no such session")
    else:
        id_ = service.private_session(store.hashes(principal.tenant), request.match_info["id"])
    (session,) = await service.current_sessions(store, principal.tenant, [id_], time.time_ns() // 1000)
    if session is None or not _manages(principal, id_, session):
        raise NotFound("there is no such session")
    await records.drop([id_])
    return web.Response(status=204)


async def end_many(request: web.Request) -> web.Response:
    """`DELETE /v1/sessions?agent=` or `?token=`; `?all=true` ends every session of the tenant."""
    principal, store = request[PRINCIPAL], request.app[SITE].store
    agent, made_by = request.query.get("agent"), request.query.get("token")
    everyone = request.query.get("all") == "true"
    if sum((bool(agent), bool(made_by), everyone)) != 1:
        raise bad_parameter("agent", "Name exactly one of agent, token, and all=true")
    records = store.of(principal.tenant).sessions
    if everyone:
        if principal.agent is not None or principal.queues is not None:
            raise Forbidden("Only unbound tokens can end all sessions", code="session_not_allowed")
        principal.require(MANAGES)
        await records.end_all()
        return answer(EndedView(ended=None))
    found = await _managed(request, agent=agent, made_by=made_by)
    return answer(EndedView(ended=await records.drop([id_ for id_, _session in found])))
