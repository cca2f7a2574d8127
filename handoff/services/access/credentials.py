"""Authentication: every kind of credential becomes one Principal, or the same refusal.

Configured tokens are in memory. API keys and sessions are read from the store for each request, so that a
revocation holds at once on every worker.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from handoff.domain.clock import Micros
from handoff.domain.errors import TokenExpired, Unauthenticated
from handoff.store.store import Store

from . import api_keys, oidc, sessions
from .access import UNKNOWN_TOKEN, Access
from .oidc import Issuers
from .principal import Principal

_ELSEWHERE = (sessions.PREFIX, api_keys.PREFIX, oidc.PREFIX)
"""How tokens begin that are not in memory. A configured token may begin likewise."""


class Credentials:
    """The callers that a server knows."""

    def __init__(self, store: Store, access: Access, issuers: Issuers) -> None:
        self._store = store
        self.access = access
        self.issuers = issuers

    def configured(self, secret: str, asked_tenant: str | None) -> Principal | None:
        """The caller of a configured token. None for credentials that take more than memory to check.

        Unauthenticated for a token that is none of these.
        """
        if secret.startswith(_ELSEWHERE) and (
            sessions.token_tenant(secret) is not None
            or api_keys.key_id(secret)
            or self.issuers.issued(secret)
        ):
            return None
        return self.access.authenticate(secret, asked_tenant)

    async def authenticate(self, secret: str, asked_tenant: str | None, peer: str | None) -> Principal:
        """The caller of any credential. Unauthenticated otherwise.

        TokenMissing if there is none. TokenExpired is for those who have the whole secret of a
        credential that has ended by time. All others get the same words, so that nobody learns which exist.
        """
        principal = self.configured(secret, asked_tenant)
        if principal is not None:
            return principal
        if sessions.token_tenant(secret) is not None:
            principal = await self._of_session(secret)
        elif api_keys.key_id(secret):
            principal = await api_keys.authenticate_key(self._store, secret, peer)
            if principal is not None and principal.admin and asked_tenant is not None:
                return self.access.elsewhere(principal, asked_tenant)
        else:
            principal = await self.issuers.authenticate(secret)
        if principal is None or asked_tenant not in (None, principal.tenant):
            raise Unauthenticated(UNKNOWN_TOKEN)
        return principal

    async def _of_session(self, secret: str) -> Principal | None:
        """The caller of a session. A tenant that does not exist takes as long as one that does."""
        tenant, now = sessions.token_tenant(secret) or "", time.time_ns() // 1000
        known = tenant if self.access.has_tenant(tenant) else "default"
        session = await sessions.read_session(self._store, known, secret, now)
        if session is None or session.tenant != tenant:
            return None
        if session.expires_at <= now:
            raise TokenExpired
        lives, maker = await self._maker(session, now)
        return sessions.principal_of_session(session, sessions.session_id(secret), maker) if lives else None

    async def _maker(self, session: sessions.Session, now: Micros) -> tuple[bool, Principal | None]:
        """Whether the token that opened a session is still valid, and its caller if it is known."""
        maker = session.maker
        if maker.startswith(api_keys.CREDENTIAL):
            id_ = maker.removeprefix(api_keys.CREDENTIAL).decode()
            (key,) = await api_keys.current_keys(self._store, [id_], now)
            return (key is not None, api_keys.principal_of_key(key) if key else None)
        found = self.access.by_credential(maker)
        if found is not None:
            return True, found
        # Older releases did not record the maker; an issuer's token is gone when the session has expired.
        return not maker or self.issuers.made(maker), None

    async def ended(self, principals: Sequence[Principal], now: Micros) -> list[Principal]:
        """Those of these callers whose credential is no longer valid, or has other rights now.

        One round trip for the API keys, and one or two for the sessions of each tenant.
        """
        current = await self._current_keys(principals, now)
        for tenant in {it.tenant for it in principals if it.credential.startswith(sessions.CREDENTIAL)}:
            current |= await self._current_sessions(tenant, principals, now)
        over = []
        for caller in principals:
            found = current.get(caller.credential) or self.access.by_credential(caller.credential)
            if found is None and self.issuers.made(caller.credential):
                found = caller
            expired = caller.expires_at is not None and caller.expires_at <= now
            if expired or found is None or _rights(found, caller) != caller:
                over.append(caller)
        return over

    async def _current_keys(self, principals: Sequence[Principal], now: Micros) -> dict[bytes, Principal]:
        prefix = api_keys.CREDENTIAL
        ids = [
            it.credential.removeprefix(prefix).decode()
            for it in principals
            if it.credential.startswith(prefix)
        ]
        found = [api_keys.principal_of_key(it) for it in await self._keys(ids, now) if it]
        return {it.credential: it for it in found}

    async def _keys(self, ids: Sequence[str], now: Micros) -> list[api_keys.ApiKey | None]:
        return await api_keys.current_keys(self._store, ids, now)

    async def _current_sessions(
        self, tenant: str, principals: Sequence[Principal], now: Micros
    ) -> dict[bytes, Principal]:
        prefix = sessions.CREDENTIAL
        ids = [
            it.credential.removeprefix(prefix)
            for it in principals
            if it.tenant == tenant and it.credential.startswith(prefix)
        ]
        found = await sessions.current_sessions(self._store, tenant, ids, now)
        current: dict[bytes, Principal] = {}
        makers: dict[bytes, tuple[bool, Principal | None]] = {}
        for id_, session in zip(ids, found, strict=True):
            if session is None:
                continue
            if session.maker not in makers:
                makers[session.maker] = await self._maker(session, now)
            lives, maker = makers[session.maker]
            if lives:
                current[prefix + id_] = sessions.principal_of_session(session, id_, maker)
        return current


def _rights(found: Principal, known: Principal) -> Principal:
    """The present rights of a credential, in the tenant and until the time that are known."""
    return msgspec.structs.replace(found, tenant=known.tenant, expires_at=known.expires_at)
