"""Access tokens of identity providers (JWT, RFC 9068), for desktops whose agents log in there.

A token is verified with the issuer's published keys: only allowed algorithms, the exact issuer and audience,
and a short life. Claims become the agent, scopes, queues, and role.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import jwt
import msgspec
import structlog
from msgspec import Struct, field

from handoff.domain.clock import SECOND
from handoff.domain.errors import HandoffError, IssuerUnavailable, TokenExpired
from handoff.domain.identity import Assurance
from handoff.services.webhooks.destinations import EgressPolicy, check_url, parse_networks

from .principal import SCOPES, Principal
from .reader import ACCESS_AFTER_S

ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
PREFIX = "eyJ"  # how a JWT begins: `{"` in base64
CREDENTIAL = b"oidc"
TYPES = frozenset({None, "JWT", "at+jwt", "application/at+jwt"})
MAX_TOKEN = 8 * 1024  # characters
FRESH_S = 300.0  # an issuer's keys are not fetched again sooner, except for an unknown key
FAILED_S = 5.0  # between two fetches after a failure
UNKNOWN_S = 60.0  # between two fetches for unknown keys: anybody can name one
TRUSTED_S = 60.0  # a verified token is not verified again sooner
MAX_TRUSTED = 4096

Fetch = Callable[[str, EgressPolicy], Awaitable[bytes]]
log = structlog.get_logger(__name__)


class IssuerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity provider. `scopes` is what its tokens may have at most; with `scope_claim`, a token has
    only those that the claim lists."""

    name: str
    issuer: str
    audience: str
    jwks_url: str
    scopes: list[str]
    tenant: str = "default"
    algorithms: list[str] = field(default_factory=lambda: ["RS256"])
    agent_claim: str = "sub"
    scope_claim: str | None = None
    queues_claim: str | None = None
    role_claim: str | None = None
    max_life_s: int = 900
    leeway_s: int = 30
    access_after_s: int = ACCESS_AFTER_S
    allow_insecure: bool = False
    allow_networks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        where = f"oidc {self.name!r}"
        if unknown := set(self.scopes) - SCOPES:
            raise ValueError(f"{where}: unknown scopes {', '.join(sorted(unknown))}")
        if "admin" in self.scopes:
            raise ValueError(f"{where}: an issuer's tokens cannot have the scope admin")
        if not self.algorithms or set(self.algorithms) - ALGORITHMS:
            raise ValueError(f"{where}: algorithms may be {', '.join(sorted(ALGORITHMS))}")
        if not 0 < self.max_life_s <= 24 * 3600 or not 0 <= self.leeway_s <= 60:
            raise ValueError(f"{where}: max_life_s is at most a day, leeway_s at most 60")
        try:
            check_url(self.jwks_url, self.egress)
        except HandoffError as error:
            raise ValueError(f"{where}: jwks_url: {error.detail}") from error

    @property
    def egress(self) -> EgressPolicy:
        return EgressPolicy(networks=parse_networks(self.allow_networks), insecure=self.allow_insecure)


class Issuers:
    """The configured issuers. `fetch` reads a URL through the guard of outgoing requests."""

    def __init__(self, settings: Sequence[IssuerSettings], fetch: Fetch) -> None:
        self._fetch = fetch
        self._trusted: dict[bytes, tuple[float, Principal]] = {}
        self._issuers: list[_Issuer] = []
        self.replace(settings)

    def replace(self, settings: Sequence[IssuerSettings]) -> None:
        """Use these issuers from now on. Those that stay as they were keep their keys."""
        known = {_hashable(it.settings): it for it in self._issuers}
        self._issuers = [known.get(_hashable(it)) or _Issuer(it, self._fetch) for it in settings]
        self._trusted.clear()

    def issued(self, token: str) -> bool:
        """Whether this looks like a token of an issuer."""
        return bool(self._issuers) and token.startswith(PREFIX) and token.count(".") == 2

    def made(self, credential: bytes) -> bool:
        """Whether a credential is one of an issuer that is still configured."""
        return any(credential.startswith(it.prefix) for it in self._issuers)

    async def authenticate(self, token: str) -> Principal | None:
        """The caller of a token; None if it is not valid.

        TokenExpired if an issuer signed it and only its time is over. IssuerUnavailable if that cannot be
        known, because the issuer's keys were never fetched.
        """
        if len(token) > MAX_TOKEN:
            return None
        place, now = sha256(token.encode(errors="surrogateescape")).digest(), time.time()
        until, known = self._trusted.get(place, (0.0, None))
        if known is not None and now < until:
            return known
        principal = await self._verified(token)
        if principal is not None and principal.expires_at is not None:
            if len(self._trusted) >= MAX_TRUSTED:
                self._trusted.clear()
            self._trusted[place] = (min(now + TRUSTED_S, principal.expires_at / SECOND), principal)
        return principal

    async def _verified(self, token: str) -> Principal | None:
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            return None
        for issuer in self._issuers:
            if claims.get("iss") == issuer.settings.issuer:
                principal = await issuer.verified(token, header)
                if principal is not None:
                    return principal
        return None


def _hashable(settings: IssuerSettings) -> bytes:
    return msgspec.json.encode(settings)


class _Issuer:
    """One issuer and its published keys."""

    def __init__(self, settings: IssuerSettings, fetch: Fetch) -> None:
        self.settings = settings
        self.prefix = CREDENTIAL + sha256(f"{settings.tenant}\0{settings.issuer}".encode()).digest()[:8]
        self._fetch = fetch
        self._keys: Mapping[str, Mapping[str, Any]] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def verified(self, token: str, header: Mapping[str, Any]) -> Principal | None:
        wanted, algorithm = self.settings, header.get("alg")
        if algorithm not in wanted.algorithms or header.get("typ") not in TYPES or "crit" in header:
            return None
        key = await self._key(header.get("kid"), algorithm)
        if key is None:
            return None
        try:
            claims, expired = self._claims(token, key, algorithm), False
        except jwt.ExpiredSignatureError:  # raised before the issuer and the audience are compared
            claims, expired = self._claims(token, key, algorithm, or_expired=True), True
        if claims is None or not 0 < claims["exp"] - claims["iat"] <= wanted.max_life_s:
            return None
        principal = self._principal(claims)
        if principal is not None and expired:
            raise TokenExpired
        return principal

    def _claims(
        self, token: str, key: Any, algorithm: str, *, or_expired: bool = False
    ) -> dict[str, Any] | None:
        """The verified claims; None if they are not this issuer's.

        ExpiredSignatureError for an expired token, unless `or_expired`.
        """
        wanted = self.settings
        required = ["exp", "iat", "iss", "aud"]
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[algorithm],
                audience=wanted.audience,
                issuer=wanted.issuer,
                leeway=wanted.leeway_s,
                options={"require": required, "strict_aud": False, "verify_exp": not or_expired},
            )
        except jwt.ExpiredSignatureError:
            raise
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return claims

    def _principal(self, claims: Mapping[str, Any]) -> Principal | None:
        wanted = self.settings
        agent = claims.get(wanted.agent_claim)
        if not isinstance(agent, str) or not 0 < len(agent) <= 200:
            return None
        scopes = frozenset(wanted.scopes)
        if wanted.scope_claim is not None:
            scopes &= _words(claims.get(wanted.scope_claim))
        queues = _words(claims.get(wanted.queues_claim)) if wanted.queues_claim is not None else None
        lead = wanted.role_claim is not None and "lead" in _words(claims.get(wanted.role_claim))
        who = sha256(f"{wanted.audience}\0{agent}".encode("utf-8", "surrogatepass")).digest()
        return Principal(
            name=wanted.name,
            credential=self.prefix + who,
            tenant=wanted.tenant,
            scopes=scopes,
            min_assurance=Assurance.INFERRED,
            agent=agent,
            queues=queues,
            role="lead" if lead else "agent",
            access_after_s=wanted.access_after_s,
            expires_at=int(claims["exp"]) * SECOND,
        )

    async def _key(self, name: object, algorithm: str) -> Any:
        """The published key of this name; None if there is none, or if it is not for this algorithm."""
        if not isinstance(name, str):
            return None
        if name not in self._keys:
            await self._refresh(name)
            if not self._keys:
                raise IssuerUnavailable(
                    f"The keys of the identity provider {self.settings.name!r} cannot be fetched"
                )
        elif time.monotonic() - self._fetched_at > FRESH_S and not self._fetching.locked():
            self._refreshing = asyncio.create_task(self._refresh(name))  # nobody waits for a known key
        published = self._keys.get(name)
        if published is None or published.get("alg", algorithm) != algorithm:
            return None
        try:
            return jwt.PyJWK(dict(published), algorithm=algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError):
            return None

    async def _refresh(self, name: str) -> None:
        """Fetch the keys, at most once a minute, and more often after a failure.

        Keys that were fetched before stay valid if this fails, or if the answer has none.
        """
        async with self._fetching:
            now = time.monotonic()
            known = name in self._keys and now - self._fetched_at <= FRESH_S
            failed = self._fetched_at != self._tried_at
            if known or now - self._tried_at < (FAILED_S if failed else UNKNOWN_S):
                return
            self._tried_at = now
            try:
                raw = await self._fetch(self.settings.jwks_url, self.settings.egress)
                found = msgspec.json.decode(raw, type=dict[str, Any])
                keys = {it["kid"]: it for it in _signing(found.get("keys", ()))}
                if not keys:
                    raise ValueError("the answer has no key for signatures")
                self._keys, self._fetched_at = keys, now
            except (HandoffError, OSError, ValueError, TypeError) as error:
                log.warning("issuer_keys_unavailable", issuer=self.settings.name, error=type(error).__name__)


def _signing(keys: Iterable[Any]) -> list[dict[str, Any]]:
    """The public keys for signatures. A shared secret (`oct`) is never one."""
    return [
        it
        for it in keys
        if isinstance(it, dict)
        and isinstance(it.get("kid"), str)
        and it.get("kty") in ("RSA", "EC", "OKP")
        and it.get("use", "sig") == "sig"
    ]


def _words(claim: object) -> frozenset[str]:
    """A claim that is a list of names, or one text with spaces."""
    if isinstance(claim, str):
        return frozenset(claim.split())
    return frozenset(it for it in claim if isinstance(it, str)) if isinstance(claim, list) else frozenset()
