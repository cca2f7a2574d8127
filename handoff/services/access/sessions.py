"""Sessions: short-lived tokens bound to one agent, so that no long-lived token reaches a browser."""

from __future__ import annotations

import secrets
from hashlib import sha256

import msgspec
from msgspec import Struct

from handoff.codec.records import decode_as
from handoff.domain.clock import SECOND, Micros
from handoff.store.store import Store

PREFIX = "hs_"
DEFAULT_SCOPES = ("context:read", "handoffs:read", "handoffs:write")
DEFAULT_TTL_S = 3600
MAX_TTL_S = 24 * 3600


class Session(Struct, frozen=True, kw_only=True):
    """A session. Its token is not stored, only the token's hash."""

    agent: str
    tenant: str
    scopes: tuple[str, ...]
    made_by: str
    min_assurance: str
    expires_at: Micros


def token_tenant(token: str) -> str | None:
    """The tenant in a session's token, which locates its record. None for other tokens."""
    if not token.startswith(PREFIX):
        return None
    tenant, _, _secret = token[len(PREFIX) :].rpartition("_")
    return tenant or None


async def open_session(
    store: Store,
    tenant: str,
    *,
    agent: str,
    scopes: tuple[str, ...],
    made_by: str,
    min_assurance: str,
    ttl_s: int,
    now: Micros,
) -> tuple[str, Session]:
    """Create a session; returns its token and the session. One round trip."""
    token = f"{PREFIX}{tenant}_{secrets.token_hex(24)}"
    session = Session(
        agent=agent,
        tenant=tenant,
        scopes=scopes,
        made_by=made_by,
        min_assurance=min_assurance,
        expires_at=now + ttl_s * SECOND,
    )
    value = msgspec.msgpack.encode(session)
    await store.of(tenant).sessions.put(session_id(token), value, seconds=ttl_s)
    return token, session


async def read_session(store: Store, tenant: str, token: str, now: Micros) -> Session | None:
    """The session of a token; None if it has expired or never existed. One round trip."""
    raw = await store.of(tenant).sessions.read(session_id(token))
    if raw is None:
        return None
    session = decode_as(raw, Session)
    return session if session.expires_at > now else None


def session_id(token: str) -> bytes:
    """The id of a session: the hash of its token, which may contain any bytes that a header can."""
    return sha256(token.encode(errors="surrogateescape")).digest()
