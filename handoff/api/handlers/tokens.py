"""`/v1/tokens`: API keys, and `/v1/configuration/reload`."""

from __future__ import annotations

import ipaddress
import re
import time
from typing import Literal

from aiohttp import web
from msgspec import Struct, field

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.exchange import answer, broken, read_json
from handoff.domain.clock import SECOND, Micros, format_time
from handoff.domain.errors import ConfigurationError, Conflict, Unprocessable
from handoff.services.access import api_keys as service
from handoff.services.access.principal import SCOPES, unknown_scopes
from handoff.services.access.reader import ACCESS_AFTER_S

from .sessions import MAX_AGENT, check_queues

MAX_LIFE_S = 5 * 366 * 24 * 3600
MAX_OVERLAP_S = 30 * 24 * 3600
MAX_NETWORKS = 50
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENVIRONMENT = re.compile(r"[a-z0-9]{1,16}")


class TokenInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/tokens`. Without `ttl_s` the key does not expire. `networks` are the addresses
    that it may be used from."""

    name: str
    scopes: list[str]
    environment: str = "live"
    ttl_s: int | None = None
    networks: list[str] = field(default_factory=list)
    audience: Literal["agent", "customer"] = "agent"
    queues: list[str] | None = None
    agent: str | None = None
    role: Literal["agent", "lead"] = "agent"
    access_after_s: int = ACCESS_AFTER_S

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise broken("/name", "A name has 1 to 64 letters, digits, dots, dashes, and underscores")
        if not _ENVIRONMENT.fullmatch(self.environment):
            raise broken("/environment", "An environment has 1 to 16 small letters and digits")
        if self.ttl_s is not None and not 1 <= self.ttl_s <= MAX_LIFE_S:
            raise broken("/ttl_s", f"ttl_s must be 1 to {MAX_LIFE_S}")
        if unknown := set(self.scopes) - SCOPES:
            raise broken("/scopes", unknown_scopes(unknown), "unknown_scope")
        if "admin" in self.scopes and (self.queues is not None or self.audience == "customer"):
            raise broken("/scopes", "A token with admin has no limits")
        if self.agent is not None and not 0 < len(self.agent) <= MAX_AGENT:
            raise broken("/agent", f"An agent's name has 1 to {MAX_AGENT} characters")
        if self.access_after_s < 0:
            raise broken("/access_after_s", "access_after_s must be 0 or more")
        check_queues(self.queues)
        _check_networks(self.networks)

    def wish(self, now: Micros) -> service.ApiKeyWish:
        return service.ApiKeyWish(
            name=self.name,
            scopes=tuple(self.scopes),
            environment=self.environment,
            expires_at=now + self.ttl_s * SECOND if self.ttl_s is not None else None,
            networks=tuple(self.networks),
            audience=self.audience,
            queues=tuple(sorted(set(self.queues))) if self.queues is not None else None,
            agent=self.agent,
            role=self.role,
            access_after_s=self.access_after_s,
        )


def _check_networks(networks: list[str]) -> None:
    if len(networks) > MAX_NETWORKS:
        raise broken("/networks", f"networks has at most {MAX_NETWORKS} entries")
    for at, text in enumerate(networks):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise broken(
                f"/networks/{at}", f"{text!r} is not a network such as 10.1.0.0/16", "invalid_network"
            ) from error


class RotateInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/tokens/{id}/rotate`: how long the old key stays valid."""

    overlap_s: int = service.DEFAULT_OVERLAP_S

    def __post_init__(self) -> None:
        if not 0 <= self.overlap_s <= MAX_OVERLAP_S:
            raise broken("/overlap_s", f"overlap_s must be 0 to {MAX_OVERLAP_S}")


class TokenInfo(Struct, frozen=True, kw_only=True):
    """An API key, without the key itself."""

    id: str
    name: str
    tenant: str
    environment: str
    scopes: list[str]
    audience: str
    queues: list[str] | None
    agent: str | None
    role: str
    access_after_s: int
    networks: list[str]
    created_at: str
    created_by: str
    expires_at: str | None


class TokenView(TokenInfo, frozen=True, kw_only=True):
    """A new API key. `token` is shown only once."""

    token: str


class TokensView(Struct, frozen=True, kw_only=True):
    """The tenant's API keys, newest first. Configured tokens are in the configuration only."""

    tokens: list[TokenInfo]
    returned: int


def _info(key: service.ApiKey) -> TokenInfo:
    return TokenInfo(
        id=key.id,
        name=key.name,
        tenant=key.tenant,
        environment=key.environment,
        scopes=list(key.scopes),
        audience=key.audience,
        queues=list(key.queues) if key.queues is not None else None,
        agent=key.agent,
        role=key.role,
        access_after_s=key.access_after_s,
        networks=list(key.networks),
        created_at=format_time(key.created_at),
        created_by=key.created_by,
        expires_at=format_time(key.expires_at) if key.expires_at is not None else None,
    )


def _created(token: str, key: service.ApiKey) -> web.Response:
    info = _info(key)
    view = TokenView(token=token, **{name: getattr(info, name) for name in TokenInfo.__struct_fields__})
    return answer(view, status=201)


async def create(request: web.Request) -> web.Response:
    """`POST /v1/tokens`: 201 with the key."""
    principal, site, now = request[PRINCIPAL], request.app[SITE], time.time_ns() // 1000
    given = await read_json(request, TokenInput)
    if site.credentials.access.has_name(principal.tenant, given.name):
        raise Conflict(
            f"The name {given.name!r} is taken by the configuration or the server", code="configured"
        )
    by = principal.agent or principal.name
    return _created(*await service.create_key(site.store, principal.tenant, given.wish(now), by, now))


async def rotate(request: web.Request) -> web.Response:
    """`POST /v1/tokens/{id}/rotate`: 201 with the key's successor."""
    principal, store, now = request[PRINCIPAL], request.app[SITE].store, time.time_ns() // 1000
    given = await read_json(request, RotateInput, optional=True)
    by = principal.agent or principal.name
    made = await service.rotate_key(
        store, principal.tenant, request.match_info["id"], given.overlap_s, by, now
    )
    return _created(*made)


async def list_(request: web.Request) -> web.Response:
    """`GET /v1/tokens`."""
    found = await service.list_keys(
        request.app[SITE].store, request[PRINCIPAL].tenant, time.time_ns() // 1000
    )
    return answer(TokensView(tokens=[_info(it) for it in found], returned=len(found)))


async def revoke(request: web.Request) -> web.Response:
    """`DELETE /v1/tokens/{id}`: 204. The key and the sessions that it opened are refused at once."""
    store, tenant = request.app[SITE].store, request[PRINCIPAL].tenant
    await service.revoke_key(store, tenant, request.match_info["id"], time.time_ns() // 1000)
    return web.Response(status=204)


async def reload(request: web.Request) -> web.Response:
    """`POST /v1/configuration/reload`: read the configuration file again."""
    site = request.app[SITE]
    if site.reload is None:
        raise Conflict("The server was started without a configuration file", code="not_reloadable")
    try:
        return answer(await site.reload())
    except ConfigurationError as error:
        raise Unprocessable(error.detail, code="configuration") from error
