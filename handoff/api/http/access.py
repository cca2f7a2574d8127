"""Who may do what: bearer tokens with scopes, and the tenant that comes with them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from msgspec import Struct

from handoff.domain.errors import ConfigurationError, Forbidden, NotFound, Unauthenticated
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
RESERVED_NAMES = frozenset({"admin", "agent", "callbacks", "deadline", "handoff", "identity", "session"})
"""Names that the server signs its own records with: a token with one of them could pass for the server."""
RESERVED_PREFIXES = ("agent:", "policy:", "source:")
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


def check_tokens(tokens: Iterable[Token]) -> None:
    """ConfigurationError for configured tokens that cannot be told apart, from each other or from the server.

    Names are unique within a tenant, and across tenants where a token has `admin`, which works in all of
    them. Secrets are unique: a secret is what identifies a caller.
    """
    taken: set[tuple[str, str]] = set()
    names: set[str] = set()
    admins: set[str] = set()
    secrets: dict[bytes, str] = {}
    for it in tokens:
        if it.name in RESERVED_NAMES or it.name.startswith(RESERVED_PREFIXES):
            raise ConfigurationError(
                f"token {it.name!r}: this name is reserved for the server, use another one"
            )
        if (it.tenant, it.name) in taken or it.name in admins or (it.admin and it.name in names):
            raise ConfigurationError(f"two tokens are named {it.name!r}: give each token its own name")
        if it.secret_hash in secrets:
            raise ConfigurationError(
                f"tokens {secrets[it.secret_hash]!r} and {it.name!r} have the same secret: "
                "give each token its own"
            )
        taken.add((it.tenant, it.name))
        names.add(it.name)
        if it.admin:
            admins.add(it.name)
        secrets[it.secret_hash] = it.name


@lru_cache(maxsize=256)  # the tokens in use; hashing anew takes longer than all else that is done with one
def hash_secret(secret: str) -> bytes:
    """SHA-256: token secrets are random, so that a slow hash would add nothing.

    What came in a header may have any bytes, which are there as surrogates.
    """
    return sha256(secret.encode(errors="surrogateescape")).digest()


class Principal(Struct, frozen=True, kw_only=True):
    """Who is calling, and for which tenant.

    `credential` identifies the token itself: a name is for people to read, and may be used again.
    """

    name: str
    credential: bytes
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
    """The tokens of this server, looked up by the hash of their secret; `tenants` are those there are.

    ConfigurationError where two tokens have the same secret.
    """

    def __init__(self, tokens: Iterable[Token], tenants: Iterable[str]) -> None:
        self._by_hash: dict[bytes, tuple[Token, Principal]] = {}
        for token in tokens:
            other = self._by_hash.setdefault(token.secret_hash, (token, _principal(token, token.tenant)))
            if other[0] is not token:
                raise ConfigurationError(
                    f"tokens {other[0].name!r} and {token.name!r} have the same secret: "
                    "give each token its own"
                )
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
        credential=b"token" + token.secret_hash,
        tenant=tenant,
        scopes=token.scopes,
        min_assurance=token.min_assurance,
        agent=token.agent,
    )


def bearer(authorization: str) -> str:
    """The bearer token in an Authorization header, or nothing."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""
