"""Access: bearer tokens, their scopes, and their tenant."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

import msgspec
from msgspec import Struct

from handoff.domain.errors import ConfigurationError, Forbidden, NotFound, TokenMissing, Unauthenticated
from handoff.domain.identity import Assurance
from handoff.services.access.principal import Audience, Principal, Role
from handoff.services.access.reader import ACCESS_AFTER_S

TENANT_HEADER = "Handoff-Tenant"
UNKNOWN_TOKEN = "Send a valid bearer token"  # noqa: S105 - a message, not a secret
RESERVED_NAMES = frozenset({"admin", "agent", "callbacks", "deadline", "handoff", "identity", "session"})
"""Names that the server uses in its own records. A token with such a name could pass for the server."""
RESERVED_PREFIXES = ("agent:", "policy:", "source:")


class Token(Struct, frozen=True, kw_only=True):
    """A configured bearer token. Only the hash of its secret is kept.

    `min_assurance` is the default of its lookups; `agent` binds the token to one agent. `queues` limits it to
    these queues; None does not.
    """

    name: str
    tenant: str
    scopes: frozenset[str]
    secret_hash: bytes
    min_assurance: Assurance = Assurance.INFERRED
    agent: str | None = None
    audience: Audience = Audience.AGENT
    queues: frozenset[str] | None = None
    role: Role = "agent"
    access_after_s: int = ACCESS_AFTER_S

    @property
    def admin(self) -> bool:
        return "admin" in self.scopes


def is_reserved(name: str) -> bool:
    return name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES)


def check_tokens(tokens: Iterable[Token]) -> None:
    """ConfigurationError for tokens that share a name or a secret, or use a name of the server.

    Names are unique within a tenant. Names of `admin` tokens are unique across tenants, since these tokens
    work in all of them. Secrets are unique: a secret identifies a caller.
    """
    taken: set[tuple[str, str]] = set()
    names: set[str] = set()
    admins: set[str] = set()
    secrets: dict[bytes, str] = {}
    for token in tokens:
        if is_reserved(token.name):
            raise ConfigurationError(
                f"token {token.name!r}: this name is reserved for the server, use another one"
            )
        if (
            (token.tenant, token.name) in taken
            or token.name in admins
            or (token.admin and token.name in names)
        ):
            raise ConfigurationError(f"two tokens are named {token.name!r}: give each token its own name")
        if token.secret_hash in secrets:
            raise ConfigurationError(
                f"tokens {secrets[token.secret_hash]!r} and {token.name!r} have the same secret: "
                "give each token its own"
            )
        taken.add((token.tenant, token.name))
        names.add(token.name)
        if token.admin:
            admins.add(token.name)
        secrets[token.secret_hash] = token.name


@lru_cache(maxsize=256)  # hashing takes longer than the rest of authentication
def hash_secret(secret: str) -> bytes:
    """SHA-256. A slow hash would add nothing, since token secrets are random.

    A header may contain any bytes; those that are not UTF-8 appear as surrogates.
    """
    return sha256(secret.encode(errors="surrogateescape")).digest()


class Access:
    """The configured tokens by the hash of their secret, and the tenants.

    ConfigurationError if two tokens have the same secret.
    """

    def __init__(self, tokens: Iterable[Token], tenants: Iterable[str]) -> None:
        self._by_hash: dict[bytes, tuple[Token, Principal]] = {}
        self._by_credential: dict[bytes, Principal] = {}
        self._tenants: frozenset[str] = frozenset()
        self.replace(tokens, tenants)

    def replace(self, tokens: Iterable[Token], tenants: Iterable[str]) -> None:
        """Use these tokens and tenants from now on. A ConfigurationError leaves everything as it was."""
        by_hash: dict[bytes, tuple[Token, Principal]] = {}
        for token in tokens:
            other = by_hash.setdefault(token.secret_hash, (token, _principal(token, token.tenant)))
            if other[0] is not token:
                raise ConfigurationError(
                    f"tokens {other[0].name!r} and {token.name!r} have the same secret: "
                    "give each token its own"
                )
        self._by_hash = by_hash
        self._by_credential = {it.credential: it for _token, it in by_hash.values()}
        self._tenants = frozenset(tenants)

    def has_name(self, tenant: str, name: str) -> bool:
        """Whether a configured token has this name, or the server uses it itself."""
        taken = any(
            it.name == name and (it.tenant == tenant or it.admin) for it in self._by_credential.values()
        )
        return taken or is_reserved(name)

    def has_tenant(self, tenant: str) -> bool:
        return tenant in self._tenants

    def by_credential(self, credential: bytes) -> Principal | None:
        """The caller of a token that is still configured."""
        return self._by_credential.get(credential)

    def authenticate(self, secret: str, asked_tenant: str | None) -> Principal:
        """The principal of a token. TokenMissing if it is empty, Unauthenticated if it is unknown."""
        if not secret:
            raise TokenMissing
        found = self._by_hash.get(hash_secret(secret))
        if found is None:
            raise Unauthenticated(UNKNOWN_TOKEN)
        principal = found[1]
        if asked_tenant is None or asked_tenant == principal.tenant:
            return principal
        return self.elsewhere(principal, asked_tenant)

    def elsewhere(self, principal: Principal, asked: str) -> Principal:
        """An admin in another tenant. Forbidden for other callers, NotFound for an unknown tenant."""
        if not principal.admin:
            raise Forbidden("The token belongs to another tenant", code="other_tenant")
        if asked not in self._tenants:
            raise NotFound("Unknown tenant", code="unknown_tenant")
        return msgspec.structs.replace(principal, tenant=asked)


def _principal(token: Token, tenant: str) -> Principal:
    return Principal(
        name=token.name,
        credential=b"token" + token.secret_hash,
        tenant=tenant,
        scopes=token.scopes,
        min_assurance=token.min_assurance,
        agent=token.agent,
        audience=token.audience,
        queues=token.queues,
        role=token.role,
        access_after_s=token.access_after_s,
    )


def bearer(authorization: str) -> str:
    """The bearer token of an Authorization header, or an empty string."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""
