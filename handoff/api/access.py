"""Who may do what: bearer tokens with scopes, and the tenant that comes with them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from msgspec import Struct

from handoff.domain.errors import Forbidden, NotFound, Unauthenticated
from handoff.domain.identity import Assurance

SCOPES = frozenset(
    {
        "touchpoints:write",
        "context:read",
        "handoffs:read",
        "handoffs:write",
        "links:write",
        "callbacks:write",
        "webhooks:write",
        "privacy:write",
        "operate",
        "admin",
    }
)
TENANT_HEADER = "Handoff-Tenant"
UNKNOWN_TOKEN = "a valid bearer token is needed"  # noqa: S105 - words, not a secret
IMPLIED = {"handoffs:write": "handoffs:read"}
"""A scope that holds another: who may change hand-offs may see them."""


class Token(Struct, frozen=True, kw_only=True):
    """A bearer token as configured; only the hash of its secret is kept.

    `min_assurance` is what its look-ups default to; `agent` binds it to one agent (sessions).
    """

    name: str
    tenant: str
    scopes: frozenset[str]
    secret_hash: bytes
    min_assurance: Assurance = Assurance.INFERRED
    agent: str | None = None

    @property
    def admin(self) -> bool:
        return "admin" in self.scopes


@lru_cache(maxsize=256)  # the tokens in use; hashing anew takes longer than all else that is done with one
def hash_secret(secret: str) -> bytes:
    """SHA-256: token secrets are random, so that a slow hash would add nothing.

    What came in a header may have any bytes, which are there as surrogates.
    """
    return sha256(secret.encode(errors="surrogateescape")).digest()


class Principal(Struct, frozen=True, kw_only=True):
    """Who is calling, and for which tenant."""

    name: str
    tenant: str
    scopes: frozenset[str]
    min_assurance: Assurance
    agent: str | None = None

    @property
    def admin(self) -> bool:
        return "admin" in self.scopes

    def require(self, scope: str) -> None:
        """Forbidden (`scope`) unless the token has the scope, or admin."""
        if scope in self.scopes or self.admin or any(IMPLIED.get(it) == scope for it in self.scopes):
            return
        raise Forbidden(f"this needs the scope {scope}", code="missing_scope", scope=scope)


class Access:
    """The tokens of this server, looked up by the hash of their secret; `tenants` are those there are."""

    def __init__(self, tokens: Iterable[Token], tenants: Iterable[str]) -> None:
        self._by_hash = {token.secret_hash: (token, _principal(token, token.tenant)) for token in tokens}
        self._tenants = frozenset(tenants)

    def has_tenant(self, tenant: str) -> bool:
        return tenant in self._tenants

    def authenticate(self, secret: str, asked_tenant: str | None) -> Principal:
        """The principal of a token. Unauthenticated alike for missing, malformed and unknown ones."""
        found = self._by_hash.get(hash_secret(secret)) if secret else None
        if found is None:
            raise Unauthenticated(UNKNOWN_TOKEN)
        token, principal = found
        if asked_tenant is None or asked_tenant == token.tenant:
            return principal
        return _principal(token, self._other_tenant(asked_tenant, token))

    def _other_tenant(self, asked: str, token: Token) -> str:
        if not token.admin:
            raise Forbidden("this token belongs to another tenant", code="other_tenant")
        if asked not in self._tenants:
            raise NotFound("there is no such tenant", code="unknown_tenant")
        return asked


def _principal(token: Token, tenant: str) -> Principal:
    return Principal(
        name=token.name,
        tenant=tenant,
        scopes=token.scopes,
        min_assurance=token.min_assurance,
        agent=token.agent,
    )


def bearer(authorization: str) -> str:
    """The bearer token in an Authorization header, or nothing."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""
