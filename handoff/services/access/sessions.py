"""Sessions: short-lived tokens bound to one agent, so that no long-lived token reaches a browser.

A session ends by time, when somebody ends it, with the token that opened it, and with its tenant's epoch.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from handoff.codec.keyed_hash import SIZE, KeyedHash
from handoff.codec.records import decode_as
from handoff.domain.clock import SECOND, Micros
from handoff.domain.errors import Forbidden, NotFound
from handoff.domain.identity import Assurance
from handoff.store.store import Store

from .principal import Audience, Principal
from .reader import ACCESS_AFTER_S

PREFIX = "hs_"
SESSION = "se_"
CREDENTIAL = b"session"
DEFAULT_SCOPES = ("context:read", "handoffs:read", "handoffs:write")
DEFAULT_TTL_S = 3600
MAX_TTL_S = 24 * 3600
KEPT_S = 24 * 3600  # after its end: an agent who returns the next morning sees why the token fails


class Session(Struct, frozen=True, kw_only=True):
    """A session. Its token is not stored, only the token's hash.

    `maker` is the credential that opened it, empty in records of older releases. `made_by` is its name.
    """

    agent: str
    tenant: str
    scopes: tuple[str, ...]
    made_by: str
    min_assurance: str
    expires_at: Micros
    maker: bytes = b""
    epoch: int = 0
    audience: str = ""
    queues: tuple[str, ...] | None = None
    role: str = "agent"
    access_after_s: int = ACCESS_AFTER_S


class SessionWish(Struct, frozen=True, kw_only=True):
    """The session that a caller asks for."""

    agent: str
    scopes: tuple[str, ...]
    ttl_s: int
    queues: frozenset[str] | None = None
    role: str = "agent"


def token_tenant(token: str) -> str | None:
    """The tenant in a session's token, which locates its record. None for other tokens."""
    if not token.startswith(PREFIX):
        return None
    tenant, _, _secret = token[len(PREFIX) :].rpartition("_")
    return tenant or None


async def open_session(
    store: Store, maker: Principal, wish: SessionWish, now: Micros
) -> tuple[str, bytes, Session]:
    """Create a session with at most the maker's rights; returns its token, its id, and the session.

    Three round trips, and with queues two more, and one for each session of the agent that states none.
    """
    for scope in wish.scopes:
        maker.require(scope)
    queues = wish.queues if wish.queues is not None else maker.queues
    if maker.queues is not None and queues is not None and not queues <= maker.queues:
        raise Forbidden("The token is limited to other queues", code="other_queue")
    expires_at = now + wish.ttl_s * SECOND
    if maker.expires_at is not None:
        expires_at = min(expires_at, maker.expires_at)
    records = store.of(maker.tenant).sessions
    session = Session(
        agent=wish.agent,
        tenant=maker.tenant,
        scopes=wish.scopes,
        made_by=maker.name,
        min_assurance=maker.min_assurance,
        expires_at=expires_at,
        maker=maker.credential,
        epoch=await records.epoch(),
        audience=maker.audience,
        queues=tuple(sorted(queues)) if queues is not None else None,
        role=wish.role,
        access_after_s=maker.access_after_s,
    )
    token = f"{PREFIX}{maker.tenant}_{secrets.token_hex(24)}"
    id_ = session_id(token)
    seconds = max(1, -(-(expires_at - now) // SECOND))
    value = msgspec.msgpack.encode(session)
    await records.put(id_, value, seconds=seconds + KEPT_S, expires_at=expires_at, now=now)
    if queues is not None:
        await _narrow(store, session, now)
    return token, id_, session


async def _narrow(store: Store, newest: Session, now: Micros) -> None:
    """Limit the agent's sessions that state no queues to those of the newest one.

    Otherwise an agent who changes teams keeps reading everything in the tab that is still open.
    """
    records = store.of(newest.tenant).sessions
    for id_, session in await list_sessions(store, newest.tenant, now, agent=newest.agent):
        if session.queues is None and session.maker == newest.maker:
            limited = msgspec.structs.replace(session, queues=newest.queues)
            await records.change(id_, msgspec.msgpack.encode(limited))


async def read_session(store: Store, tenant: str, token: str, now: Micros) -> Session | None:
    """The session of a token; None if somebody ended it or it never existed. One round trip.

    A session that ended by time is returned for KEPT_S, unless its tenant's sessions were ended since.
    """
    raw, epoch = await store.of(tenant).sessions.read(session_id(token))
    session = decode_as(raw, Session) if raw is not None else None
    ended = now - KEPT_S * SECOND
    return session if session and session.expires_at > ended and session.epoch == epoch else None


async def current_sessions(
    store: Store, tenant: str, ids: Sequence[bytes], now: Micros
) -> list[Session | None]:
    """The sessions with these ids; None for one that has ended. One round trip."""
    raws, epoch = await store.of(tenant).sessions.read_many(ids)
    return [_current(raw, epoch, now) for raw in raws]


async def list_sessions(
    store: Store, tenant: str, now: Micros, *, agent: str | None = None, made_by: str | None = None
) -> list[tuple[bytes, Session]]:
    """The tenant's sessions, the one that ends last first. Two round trips."""
    ids = await store.of(tenant).sessions.ids(now)
    found = await current_sessions(store, tenant, ids, now)
    return [
        (id_, session)
        for id_, session in zip(ids, found, strict=True)
        if session is not None
        and (agent is None or session.agent == agent)
        and (made_by is None or session.made_by == made_by)
    ]


def _current(raw: bytes | None, epoch: int, now: Micros) -> Session | None:
    session = decode_as(raw, Session) if raw is not None else None
    return session if session and session.expires_at > now and session.epoch == epoch else None


def principal_of_session(session: Session, id_: bytes, maker: Principal | None) -> Principal:
    """The caller of a session, with no more rights than its maker has now. `maker` is None if unknown."""
    scopes = frozenset(it for it in session.scopes if maker is None or maker.has(it))
    queues = frozenset(session.queues) if session.queues is not None else None
    if maker is not None and maker.queues is not None:
        queues = maker.queues if queues is None else queues & maker.queues
    facing = session.audience or (  # older releases stored only what followed from it
        Audience.CUSTOMER if session.min_assurance == Assurance.VERIFIED else Audience.AGENT
    )
    if maker is not None and maker.audience is Audience.CUSTOMER:
        facing = Audience.CUSTOMER
    return Principal(
        name=session.made_by,
        credential=CREDENTIAL + id_,
        tenant=session.tenant,
        scopes=scopes,
        min_assurance=_assurance(session.min_assurance),
        agent=session.agent,
        audience=Audience.AGENT if facing == Audience.AGENT else Audience.CUSTOMER,
        queues=queues,
        role="lead" if session.role == "lead" else "agent",
        access_after_s=session.access_after_s,
        expires_at=session.expires_at,
    )


def _assurance(name: str) -> Assurance:
    """A session's minimum assurance; the strictest if only a newer release knows the value."""
    return Assurance(name) if name in set(Assurance) else Assurance.VERIFIED


def session_id(token: str) -> bytes:
    """The id of a session: the hash of its token, which may contain any bytes that a header can."""
    return sha256(token.encode(errors="surrogateescape")).digest()


def public_session(hashes: KeyedHash, id_: bytes) -> str:
    return hashes.public(SESSION, id_[:SIZE], id_[SIZE:])


def private_session(hashes: KeyedHash, public_id: str) -> bytes:
    """The id behind a public one. Raises NotFound if it is not one of the tenant's."""
    try:
        return b"".join(hashes.private(SESSION, public_id, 2))
    except NotFound as error:
        raise NotFound("there is no such session") from error
